"""The windows that a compiled update takes: their specs, and zeros of their kind."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from agents.compiled import Kind
from agents.named import flatten

# Rows that every agent's losses read beside the observation and the action.
COMMON: Mapping[str, Kind] = {
    "reward": ((), "float32"),
    "discount": ((), "float32"),
    "is_first": ((), "bool"),
    "state/seed": ((2,), "int32"),
}


def specs(
    window: int, rows: Mapping[str, Kind], start: Any
) -> dict[str, tf.TensorSpec]:
    """Returns the specs of a batch of windows, of any number.

    Args:
        window: Rows of each.
        rows: Key -> shape and dtype of one row.
        start: The state before the first row, nested named tuples [1, ...].
    """
    found = {
        key: tf.TensorSpec((window, None, *shape), dtype)
        for key, (shape, dtype) in rows.items()
    }
    before = {
        f"start/{key}": tf.TensorSpec((None, *value.shape[1:]), value.dtype)
        for key, value in flatten(start).items()
    }
    return found | before


def zeros(of: Mapping[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    """Returns one window of zeros."""
    return {
        key: tf.zeros([n or 1 for n in spec.shape], spec.dtype)
        for key, spec in of.items()
    }
