"""This process: how it was started, what it runs on, and how signals end it."""

import contextlib
import os
import resource
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

# Variables by which a process computes in one thread, to be set before it starts.
ONE_THREAD = dict.fromkeys(
    ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1"
)


@contextlib.contextmanager
def stop_on_signals(stop: Callable[[int, Any], None]) -> Iterator[None]:
    """Lets SIGINT and SIGTERM call `stop` instead; in threads other than the main one nothing changes."""
    handlers = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            handlers[number] = signal.signal(number, stop)
    except ValueError:
        handlers = {}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def python() -> str:
    """Returns what to type for this Python: 'python' where that is it, else its path from here."""
    found = shutil.which("python")
    if found and os.path.abspath(found) == sys.executable:
        return "python"
    path = os.path.relpath(sys.executable)
    return shlex.quote(sys.executable if path.startswith("..") else path)


def command() -> str:
    """Returns the command that goes on with what this process did; --fresh would start over."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    start = f"{python()} -m {spec.name}" if spec else f"{python()} {sys.argv[0]}"
    fresh = ("-fresh", "--fresh", "--fresh=true", "--fresh=True")
    arguments = [argument for argument in sys.argv[1:] if argument not in fresh]
    return shlex.join([*start.split(), *arguments])


def device() -> str:
    """Returns the name of the GPU, or that there is none."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "no GPU, on the CPU"
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")


def peak_bytes() -> int:
    """Returns the process's peak resident memory; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
