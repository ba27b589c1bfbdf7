"""Times the updates of the agents on a GPU through XLA, without TensorFlow on the machine that has the GPU.

    python docs/gpu_times.py write FOLDER [CASE …]     # here: traces and lowers, writes CASE.hlo.pb and CASE.json
    python docs/gpu_times.py time FOLDER [CASE …]      # there: needs JAX alone; prints a JSON line per case

Whoever has TensorFlow on the GPU has `python -m launch.benchmark`, and no need of this. Weights, moments and batches have the
shapes of the real ones, their means and their deviations; weights are fed back, so that they move. The variables' reads and
writes, which XLA leaves to TensorFlow, are not in the times, nor is the environment.
"""

import json
import os
import pathlib
import re
import sys
import time
from typing import Any

import numpy as np

# Name -> agent, preset, observation's image, actions, rows of a batch or None for the preset's, precision.
CASES: dict[str, tuple[str, str, tuple[int, ...], int, int | None, str]] = {
    "dreamerv2-atari-bfloat16": ("dreamerv2", "atari", (64, 64, 1), 18, None, "bf16"),
    "dreamerv2-atari-float32": ("dreamerv2", "atari", (64, 64, 1), 18, None, "f32"),
    "dreamerv2-paper-bfloat16": ("dreamerv2", "paper", (64, 64, 1), 18, None, "bf16"),
    "dreamerv2-paper-float32": ("dreamerv2", "paper", (64, 64, 1), 18, None, "f32"),
    "dreamerv2-crafter-bfloat16": (
        *("dreamerv2", "crafter", (64, 64, 3), 17, None, "bf16"),
    ),
    "dreamerv2-minatar-float32": ("dreamerv2", "minatar", (10, 10, 4), 6, None, "f32"),
    "merlin-paper-float32": ("merlin", "paper", (64, 64, 3), 8, 16, "f32"),
    "impala-minatar-float32": ("impala", "minatar", (10, 10, 4), 6, 32, "f32"),
    "ftw-paper-float32": ("ftw", "paper", (84, 84, 3), 540, 32, "f32"),
}
STEPS = 30


def write(folder: pathlib.Path, name: str) -> None:
    """Writes an update as an HLO module, and what its parameters look like."""
    import tensorflow as tf
    from tensorflow.compiler.xla.service import hlo_pb2

    from launch.random_rows import batch_of

    agent, rows = _agent(name)
    batch = {key: tf.constant(rows_) for key, rows_ in batch_of(agent, rows).items()}
    scheduled = {k: tf.constant(v, tf.float32) for k, v in agent.scheduled().items()}
    compiled = tf.function(agent.update_step, jit_compile=True, autograph=False)
    ir = compiled.experimental_get_compiler_ir(batch, scheduled)
    module = hlo_pb2.HloModuleProto()
    module.ParseFromString(ir(stage="hlo_serialized"))
    for computation in module.computations:
        for each in computation.instructions:
            if (
                each.opcode == "copy"
            ):  # which JAX does not read; it may copy as it likes
                each.opcode = "reshape"
    (folder / f"{name}.hlo.pb").write_bytes(module.SerializeToString())
    concrete = compiled.get_concrete_function(batch, scheduled)
    variables = {id(variable.handle): variable for variable in concrete.variables}
    captured = concrete.captured_inputs
    values = tf.nest.flatten((batch, scheduled))
    values += [each for each in captured if each.dtype != tf.resource]
    values += [variables[id(each)] for each in captured if each.dtype == tf.resource]
    text = json.dumps([_look(value.numpy()) for value in values])
    (folder / f"{name}.json").write_text(text)
    print(f"{name}: {agent.parameters:,} parameters, {module.ByteSize() / 1e6:.1f} MB")


def measure(folder: pathlib.Path, name: str) -> dict[str, Any]:
    """Compiles a written update for the GPU, makes it STEPS times, and returns the times."""
    os.environ["JAX_ENABLE_X64"] = "1"
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    import jax
    from jax._src import xla_bridge
    from jax._src.lib import xla_client

    computation = xla_client.XlaComputation((folder / f"{name}.hlo.pb").read_bytes())
    mlir = xla_client._xla.mlir.xla_computation_to_mlir_module(computation)
    device = jax.local_devices()[0]
    start = time.perf_counter()
    executable = xla_bridge.get_backend().compile_and_load(
        mlir, xla_client.DeviceList((device,)), xla_client.CompileOptions()
    )
    compiled = time.perf_counter() - start
    looks = json.loads((folder / f"{name}.json").read_text())
    shapes = computation.program_shape().parameter_shapes()
    rng = np.random.default_rng(0)
    inputs = [
        jax.device_put(_like(look, shape, rng), device)
        for look, shape in zip(looks, shapes, strict=True)
    ]
    header = computation.as_hlo_text().partition("\n")[0]
    aliases = re.findall(r"\{(\d+)\}: \((\d+),", header.partition("entry")[0])
    times = []
    for _ in range(3 + STEPS):
        start = time.perf_counter()
        made = executable.execute_sharded(
            inputs
        ).disassemble_into_single_device_arrays()
        outputs = [each[0] for each in made]
        jax.block_until_ready(outputs)
        times.append(time.perf_counter() - start)
        for out, into in aliases:
            inputs[int(into)] = outputs[int(out)]
    floats = [np.asarray(o, np.float32) for o in outputs if o.dtype.kind == "f"]
    return {
        "case": name,
        "device": device.device_kind,
        "jax": jax.__version__,
        "compile_s": round(compiled, 1),
        "median_ms": round(1e3 * float(np.median(times[3:])), 2),
        "min_ms": round(1e3 * min(times[3:]), 2),
        "peak_gb": round(device.memory_stats()["peak_bytes_in_use"] / 1e9, 2),
        "finite": all(bool(np.isfinite(each).all()) for each in floats),
    }


def _agent(name: str) -> tuple[Any, int]:
    from gymnasium.spaces import Box, Discrete

    import agents
    import envs
    from envs.api import Spaces

    kind, preset, image, actions, rows, precision = CASES[name]
    high = 255 if max(image) > 32 else 1
    spaces = Spaces({"image": Box(0, high, image, np.uint8)}, Discrete(actions))
    if kind == "ftw":
        spaces = envs.make(
            "ctf:large", 4, rgb=True, factored=True, win_reward=True
        ).spaces
    given: dict[str, Any] = {"precision": "bfloat16"} if precision == "bf16" else {}
    agent = agents.make(kind, spaces, preset, **given)
    return agent, rows or agent.config.batch_size


def _look(value: np.ndarray) -> dict[str, Any]:
    """Shape, and of floats mean and deviation."""
    look: dict[str, Any] = {"shape": list(value.shape)}
    if value.dtype.kind in "fV":  # V: bfloat16
        wide = value.astype(np.float64)
        look |= {"mean": float(wide.mean()), "std": float(wide.std())}
    return look


def _like(look: dict[str, Any], shape: Any, rng: np.random.Generator) -> np.ndarray:
    """An array that looks so; integers are 0."""
    if list(shape.dimensions()) != look["shape"]:
        raise ValueError(f"the module has {shape}, written was {look}")
    if "mean" not in look:
        return np.zeros(look["shape"], shape.numpy_dtype())
    noise = rng.uniform(-1.7, 1.7, look["shape"])
    return (look["mean"] + look["std"] * noise).astype(shape.numpy_dtype())


def main() -> None:
    """Writes or times the cases of the command line, all by default."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("write", "time"):
        raise SystemExit(__doc__)
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[3:] or CASES:
        if sys.argv[1] == "write":
            write(folder, name)
        else:
            print(json.dumps(measure(folder, name)), flush=True)


if __name__ == "__main__":
    main()
