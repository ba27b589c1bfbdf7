"""Rows: a Step and the state fields an agent declares, as one flat dict of arrays."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from agents.api import State, Step

RowSpec = dict[
    str, tuple[tuple[int, ...], str]
]  # key -> (shape of one row, dtype name)


def flatten(
    step: Step, state: State, fields: Iterable[str] = ()
) -> dict[str, np.ndarray]:
    """Returns 'observation/KEY', 'action', 'reward', 'discount', 'is_first', 'is_last', 'info/KEY', 'state/FIELD'.

    Args:
        step: [B, ...].
        state: The state returned with the action that led to the step.
        fields: The fields of the state to keep.
    """
    rows = {f"observation/{key}": value for key, value in step.observation.items()}
    rows |= {
        "action": step.action,
        "reward": step.reward,
        "discount": step.discount,
        "is_first": step.is_first,
        "is_last": step.is_last,
    }
    rows |= {f"info/{key}": value for key, value in step.info.items()}
    rows |= {f"state/{field}": np.asarray(state[field]) for field in fields}
    return rows


def spec(rows: Mapping[str, np.ndarray]) -> RowSpec:
    """Returns the shape and dtype of one row under each key."""
    return {key: (value.shape[1:], value.dtype.name) for key, value in rows.items()}


def row_bytes(row_spec: RowSpec) -> int:
    """Returns the size of one row in bytes."""
    return sum(
        int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        for shape, dtype in row_spec.values()
    )


def spec_from_json(data: Mapping[str, Any]) -> RowSpec:
    """Returns the spec whose tuples went through JSON as lists."""
    return {key: (tuple(shape), dtype) for key, (shape, dtype) in data.items()}
