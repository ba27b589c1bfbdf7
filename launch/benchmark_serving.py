"""The cases of `--suite=serving`: what an action of an exported policy costs, in the process and through JSON over HTTP.

A policy with fresh weights, which cost what trained ones do. `in_process` calls the loaded SavedModel's `sample`; `rest` is the
same through `launch.rest`, which speaks TensorFlow Serving's JSON, from a client on the same machine that keeps its
connection: client and server together, so that its CPU time is that of both; `json` is the encoding and decoding alone,
on both sides. The state travels with every call, as it does with TensorFlow Serving.

TensorFlow Serving reads and writes JSON in C++, which is faster: `rest` is an upper bound for it, `in_process` a lower one.
"""

import gc
import http.client
import json
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from envs.api import Spaces
from launch.measures import Row, machine_case, measured

Arrays = dict[str, np.ndarray]
BATCHES = (1, 8, 32)
PRESETS = ("minatar", "atari_small")
_CALLS = 20  # per repeat


def preset_case(preset: str) -> Callable[[int], list[Row]]:
    """Milliseconds per call and kilobytes of JSON for each batch size; the median of `repeats` x 20 calls."""

    def case(repeats: int) -> list[Row]:
        import agents

        agent = agents.make("dreamerv2", spaces(preset), preset, seed=0)
        with tempfile.TemporaryDirectory() as folder:
            agent.export(f"{folder}/policy", untrained=True)
            return list(_measure(preset, f"{folder}/policy", repeats * _CALLS))

    return case


CASES: dict[str, Callable[[int], list[Row]]] = {
    "machine": machine_case,
    **{preset: preset_case(preset) for preset in PRESETS},
}


def spaces(preset: str) -> Spaces:
    """Returns those of MinAtar's Breakout, or of an Atari game with all actions."""
    from gymnasium.spaces import Box, Discrete

    if preset == "minatar":
        kind: Any = bool
        return Spaces({"image": Box(0, 1, (10, 10, 4), kind)}, Discrete(3))
    return Spaces({"image": Box(0, 255, (64, 64, 1), np.uint8)}, Discrete(18))


def _measure(preset: str, folder: str, calls: int) -> Iterator[Row]:
    import tensorflow as tf

    from launch import rest

    start = time.perf_counter()
    loaded = tf.saved_model.load(folder)
    yield measured(f"{preset}/load", time.perf_counter() - start, "s")
    policy, initial = loaded.signatures["sample"], loaded.signatures["initial_state"]

    def act(inputs: Arrays) -> Arrays:
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        return {key: value.numpy() for key, value in policy(**tensors).items()}

    with rest.serving(folder) as address, _Client(address) as client:
        # TensorFlow's 400,000 objects, which a client does not have, would be searched at every few lists.
        gc.collect()
        gc.freeze()
        for batch in BATCHES:
            state = initial(batch=tf.constant(batch), seed=tf.constant(0))
            fed = _inputs(policy, batch) | {k: v.numpy() for k, v in state.items()}
            start = time.perf_counter()
            reply = act(fed)
            if batch == BATCHES[0]:
                first = (time.perf_counter() - start) * 1e3
                yield measured(f"{preset}/first_call", first, "ms")
            fed |= {key: value for key, value in reply.items() if key in fed}
            name = f"{preset}/batch_{batch}"
            yield from _timed(f"{name}/in_process", partial(act, fed), calls)
            yield from _timed(f"{name}/rest", partial(client.act, fed), calls)
            yield _timed(f"{name}/json", partial(_json, fed, reply), calls)[0]
            yield measured(f"{name}/request", len(_body(fed)) / 1e3, "kB")
            yield measured(f"{name}/reply", len(_reply(reply)) / 1e3, "kB")


def _inputs(policy: Any, batch: int) -> Arrays:
    """Random observations and what else a step has."""
    rng = np.random.default_rng(0)
    found = {}
    for name, spec in policy.structured_input_signature[1].items():
        shape = (batch, *spec.shape[1:])
        drawn = rng.integers(2 if spec.dtype.is_bool else 256, size=shape)
        found[name] = drawn.astype(spec.dtype.as_numpy_dtype)
    return found | {"is_first": np.zeros(batch, bool)}


def _body(inputs: Arrays) -> bytes:
    lists = {key: value.tolist() for key, value in inputs.items()}
    return json.dumps({"signature_name": "sample", "inputs": lists}).encode()


class _Client:
    """A connection that is kept."""

    def __init__(self, address: str) -> None:
        self._parts = urllib.parse.urlsplit(address)
        self._http = http.client.HTTPConnection(self._parts.netloc)

    def __enter__(self) -> "_Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def act(self, inputs: Arrays) -> Any:
        self._http.request("POST", self._parts.path, _body(inputs))
        return json.loads(self._http.getresponse().read())["outputs"]


def _json(fed: Arrays, reply: Arrays) -> None:
    """Encodes and decodes a request and its reply."""
    given = json.loads(_body(fed))["inputs"]
    for key, value in fed.items():
        np.asarray(given[key], value.dtype)
    json.loads(_reply(reply))


def _reply(outputs: Arrays) -> bytes:
    lists = {key: value.tolist() for key, value in outputs.items()}
    return json.dumps({"outputs": lists}).encode()


def _timed(name: str, function: Callable[[], Any], calls: int) -> list[Row]:
    """CPU and wall milliseconds: each the median over blocks of calls, after two that warm up."""
    for _ in range(2):
        function()
    cpu, wall = [], []
    for _ in range(calls // _CALLS):
        cpu_start, start = time.process_time(), time.perf_counter()
        for _ in range(_CALLS):
            function()
        cpu.append((time.process_time() - cpu_start) / _CALLS)
        wall.append((time.perf_counter() - start) / _CALLS)
    return [
        measured(f"{name}_cpu", float(np.median(cpu)) * 1e3, "CPU ms"),
        measured(f"{name}_wall", float(np.median(wall)) * 1e3, "ms"),
    ]
