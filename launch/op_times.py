"""Where the time of a compiled function goes, operation by operation, from TensorFlow's own profiler."""

import collections
import pathlib
import re
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# 'scope/name:Kind'; 'ExecutorState::Process' and 'EagerLocalExecute: Fill' are work around operations.
_OPERATION = re.compile(r"[^ :]+:\w+")


class Op(NamedTuple):
    """What one operation of a graph took in all.

    Attributes:
        seconds: Wall seconds within its kernel.
        runs: How often it ran.
    """

    seconds: float
    runs: int


def profiled(function: Callable[[], Any], repeats: int) -> dict[str, Op]:
    """Calls a function, which should have been called before, and returns its operations by name.

    Args:
        function: Runs graphs; what it computes must be there when it returns.
        repeats: Calls.
    """
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    options = tf.profiler.experimental.ProfilerOptions(
        host_tracer_level=3, python_tracer_level=0, device_tracer_level=0
    )
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder, options):
            for _ in range(repeats):
                function()
        (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    seconds: collections.Counter[str] = collections.Counter()
    runs: collections.Counter[str] = collections.Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            name = plane.event_metadata[event.metadata_id].name
            if _OPERATION.fullmatch(name):
                seconds[name] += event.duration_ps / 1e12
                runs[name] += 1
    return {name: Op(seconds[name], runs[name]) for name in runs}


def share(ops: Mapping[str, Op], cpu: float, scopes: str) -> float:
    """Returns the part of a time that operations with certain names take.

    An operation has the time of its kernel, and of the time that no kernel has an equal part per run: scheduling,
    which is most of it where tensors are small.

    Args:
        ops: Of `profiled`.
        cpu: CPU seconds of as many calls, without the profiler.
        scopes: Regular expression that their names contain.
    """
    inside = [op for name, op in ops.items() if re.search(scopes, name)]
    runs = sum(op.runs for op in ops.values())
    around = max(0.0, cpu - sum(op.seconds for op in ops.values())) / max(1, runs)
    some, every = (
        sum(op.seconds + around * op.runs for op in part)
        for part in (inside, ops.values())
    )
    return some / every
