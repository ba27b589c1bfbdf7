"""The cases of `--suite=dreamerv2`.

References: the authors' implementation (TensorFlow 2.15, always float32) on two idle cores with AMX, where a large float32
matrix product ran at about 110 GFLOP per CPU second; the case `machine` says what this machine does.
"""

import tempfile
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from agents.process import peak_bytes
from launch.measures import Row, machine_case, measured, times

ACTIONS = 18


def update_case(preset: str, precision: str) -> Callable[[int], list[Row]]:
    """One training update on random 64x64 images, batch 16 x 50, and one act."""

    def case(repeats: int) -> list[Row]:
        import agents

        start = time.perf_counter()
        agent = agents.make("dreamerv2", _spaces(), preset, precision=precision)
        batch = _batch(agent.config.batch_length, agent.config.batch_size)
        float(agent.update(batch)["loss"])
        first = time.perf_counter() - start
        cpu, wall = times(lambda: float(agent.update(batch)["loss"]), repeats)
        # Differs from the reference's first figure: it needs two traces, 27.6 + 17.4 s.
        references = _REFERENCES[preset]
        name = f"{preset}/{precision}"
        peak = peak_bytes() / 1e9
        return [
            measured(
                f"{name}/update_cpu", cpu, "CPU s", "lower", references.get("cpu")
            ),
            measured(f"{name}/update_wall", wall, "s", "lower", references.get("wall")),
            measured(
                f"{name}/first_update", first, "s", "lower", references.get("first")
            ),
            measured(
                f"{name}/peak_memory", peak, "GB", "lower", references.get("peak")
            ),
            measured(
                f"{name}/act", _act_ms(agent), "ms", "lower", references.get("act")
            ),
        ]

    return case


def loop_case(_: int) -> list[Row]:
    """Environment steps per second: the emulator alone, and the loop with a random policy that fills the replay."""
    import agents
    import envs
    from agents import driver

    rows = []
    for number in (1, 8):
        made = envs.make("atari:Pong", number)
        steps = 4_000 // number
        actions = (
            np.random.default_rng(0).integers(6, size=(steps, number)).astype(np.int32)
        )
        made.reset(seed=0)
        start = time.perf_counter()
        for action in actions:
            made.step(action)
        alone = steps * number / (time.perf_counter() - start)
        with tempfile.TemporaryDirectory() as folder:
            agent = agents.make(
                "dreamerv2", made.spaces, "atari_small", folder=folder, prefill=10**9
            )
            events = driver.run(agent, made, seed=0)
            next(events)
            for _ in range(20):
                next(events)
            start = time.perf_counter()
            for _ in range(steps):
                next(events)
            loop = steps * number / (time.perf_counter() - start)
            agent.close()
        made.close()
        rows += [
            measured(f"pong_{number}/emulator", alone, "steps/s", "higher", None),
            measured(f"pong_{number}/loop", loop, "steps/s", "higher", None),
            measured(f"pong_{number}/loop_share", loop / alone, "", "higher", None),
        ]
    return rows


def replay_case(_: int) -> list[Row]:
    """Batches of 16 x 50 Atari steps per second from a replay of 50,000 steps."""
    from agents.replay import Replay

    spec = {
        "observation/image": ((64, 64, 1), "uint8"),
        "action": ((), "int32"),
        "reward": ((), "float32"),
        "discount": ((), "float32"),
        "is_first": ((), "bool"),
        "is_last": ((), "bool"),
    }
    with tempfile.TemporaryDirectory() as folder:
        replay = Replay(folder, spec, 1, 2_000_000, 50)
        for i in range(50_000):
            row = {
                key: np.zeros((1, *shape), dtype)
                for key, (shape, dtype) in spec.items()
            }
            row["is_first"][:] = i % 900 == 0
            replay.add(row)
        before = peak_bytes()
        start, number = time.perf_counter(), 300
        for i in range(number):
            replay.sample((0, i), 16)
        rate = number / (time.perf_counter() - start)
        grown = (peak_bytes() - before) / 1e6
        full = replay.bytes_at_capacity / 1e9
    return [
        measured("replay/batches", rate, "batches/s", "higher", None),
        measured("replay/memory_grown_by_sampling", grown, "MB", "lower", None),
        measured("replay/disk_of_2M_steps", full, "GB", "lower", None),
    ]


_ATARI = {"cpu": 9.2, "wall": 4.77, "first": 45.0, "peak": 3.2, "act": 4.5}
_REFERENCES: dict[str, dict[str, float]] = {
    "atari": _ATARI,
    "atari_small": {"cpu": 2.48, "wall": 1.35, "first": 33.9},
}

CASES: dict[str, Callable[[int], list[Row]]] = {
    "machine": machine_case,
    **{
        f"update/{preset}/{precision}": update_case(preset, precision)
        for preset in ("atari", "atari_small")
        for precision in ("float32", "bfloat16")
    },
    "loop": loop_case,
    "replay": replay_case,
}


def _spaces() -> Any:
    from envs.api import Spaces

    image = gymnasium.spaces.Box(0, 255, (64, 64, 1), np.uint8)
    return Spaces({"image": image}, gymnasium.spaces.Discrete(ACTIONS))


def _batch(length: int, batch: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shape = (length, batch)
    rows = {
        "observation/image": rng.integers(0, 256, (*shape, 64, 64, 1), np.uint8),
        "action": rng.integers(0, ACTIONS, shape, np.int32),
        "reward": rng.integers(-1, 2, shape).astype(np.float32),
        "discount": (rng.uniform(size=shape) > 0.01).astype(np.float32),
        "is_first": np.zeros(shape, bool),
    }
    rows["is_first"][0] = True
    return rows


def _act_ms(agent: Any, repeats: int = 200) -> float:
    from envs.api import Step

    zero = np.zeros(1, np.float32)
    step = Step(
        {"image": np.zeros((1, 64, 64, 1), np.uint8)},
        np.zeros(1, np.int32),
        zero,
        zero + 1,
        zero > 0,
        zero > 0,
    )
    state = agent.initial_state(1)
    times = []
    for _ in range(repeats + 20):
        start = time.perf_counter()
        _, state = agent.act(step, state)
        times.append(time.perf_counter() - start)
    return float(np.median(times[20:])) * 1e3
