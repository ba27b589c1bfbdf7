"""Loads TensorFlow without its start-up chatter, which neither a variable nor a flag turns off."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

_HARMLESS = ("failed call to cuInit", "Could not find cuda drivers", "port.cc:")


@contextlib.contextmanager
def _held_stderr() -> Iterator[Any]:
    """Sends what C++ writes to stderr into a file meanwhile."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield held
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)


def load() -> None:
    """Imports TensorFlow and looks for devices; shows of its log only errors that may matter."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    text = ""
    try:
        with _held_stderr() as held:
            try:
                import tensorflow as tf
                import tensorflow_probability  # noqa: F401

                tf.config.list_physical_devices()
            finally:
                held.seek(0)
                text = held.read().decode(errors="replace")
    except BaseException:
        sys.stderr.write(text)
        raise
    for line in text.splitlines():
        if line.startswith(("E", "F")) and not any(part in line for part in _HARMLESS):
            print(line, file=sys.stderr)
