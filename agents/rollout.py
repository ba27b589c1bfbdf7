"""On-policy windows, and the one function that shifts rows into transitions."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from agents.api import Batch, Tree


class Transitions(NamedTuple):
    """T transitions s_t, a_t -> r_{t+1}, d_{t+1}, s_{t+1} of B rows.

    Attributes:
        observation: Key -> [T, B, ...], s_t.
        action: [T, B] or [T, B, n], a_t, chosen on s_t.
        reward: [T, B], r_{t+1}, received on arriving in s_{t+1}.
        discount: [T, B], d_{t+1}, 0 where s_{t+1} is terminal.
        next_observation: Key -> [T, B, ...], s_{t+1}.
        mask: [T, B] float32, 0 where s_{t+1} is the first of an episode, so that no transition joins the two (a last row
            and the first after it, or a cut); else 1.
        state: Field -> [T, B, ...], of the state returned with a_t: log-probabilities and the like.
    """

    observation: dict[str, Any]
    action: Any
    reward: Any
    discount: Any
    next_observation: dict[str, Any]
    mask: Any
    state: dict[str, Any]


def to_transitions(rows: Batch) -> Transitions:
    """Shifts rows, each of which holds the action that led to it, into transitions.

        s_t = observation_t, a_t = action_{t+1}, r_{t+1} = reward_{t+1}, d_{t+1} = discount_{t+1}

    Args:
        rows: Key -> [T + 1, B, ...], arrays or tensors.

    Returns:
        Transitions of the same kind, [T, B, ...].
    """
    observation = _part(rows, "observation/")
    return Transitions(
        observation={key: value[:-1] for key, value in observation.items()},
        action=rows["action"][1:],
        reward=rows["reward"][1:],
        discount=rows["discount"][1:],
        next_observation={key: value[1:] for key, value in observation.items()},
        mask=_to_float(~rows["is_first"][1:]),
        state={key: value[1:] for key, value in _part(rows, "state/").items()},
    )


class Rollout:
    """Collects rows until a window of T transitions is full: T + 1 rows, the last being the next window's first.

    Args:
        length: T, transitions per window.
        spec: Key -> (shape, dtype) of one row.
        batch: B, rows that arrive together.
    """

    def __init__(
        self, length: int, spec: Mapping[str, tuple[Any, Any]], batch: int
    ) -> None:
        self.length = length
        self.spec = {
            key: (tuple(shape), np.dtype(dtype).name)
            for key, (shape, dtype) in spec.items()
        }
        self.batch = batch
        self._count = 0
        self._rows = self._empty()

    @property
    def full(self) -> bool:
        """Whether T + 1 rows are there."""
        return self._count == self.length + 1

    def add(self, rows: Mapping[str, np.ndarray]) -> None:
        """Adds one row per environment, key -> [B, ...].

        Raises:
            RuntimeError: If the window is full.
        """
        if self.full:
            raise RuntimeError(
                f"the window has its {self.length + 1} rows; take() it before adding more"
            )
        for key, window in self._rows.items():
            window[self._count] = rows[key]
        self._count += 1

    def take(self) -> dict[str, np.ndarray]:
        """Returns the window, key -> [T + 1, B, ...], the caller's to keep, and begins the next with its last row.

        Raises:
            RuntimeError: If the window is not full.
        """
        if not self.full:
            raise RuntimeError(
                f"the window has {self._count} of {self.length + 1} rows; add more before take()"
            )
        window, self._rows = self._rows, self._empty()
        for key, rows in window.items():
            self._rows[key][0] = rows[-1]
        self._count = 1
        return window

    def get_state(self) -> Tree:
        """Returns the rows collected so far."""
        rows = {key: value[: self._count].copy() for key, value in self._rows.items()}
        return {"count": self._count, "rows": rows}

    def set_state(self, tree: Tree) -> None:
        """Inverts `get_state`; raises ValueError where rows of another kind were saved."""
        saved = {
            key: (value.shape[1:], value.dtype.name)
            for key, value in tree["rows"].items()
        }
        wanted = {
            key: ((self.batch, *shape), dtype)
            for key, (shape, dtype) in self.spec.items()
        }
        if saved != wanted or tree["count"] > self.length + 1:
            raise ValueError(
                f"the window saved has {tree['count']} rows of {saved}; expected at most {self.length + 1} rows "
                f"of {wanted}: use the same environment and agent, or a new logdir"
            )
        self._count = tree["count"]
        for key, value in tree["rows"].items():
            self._rows[key][: self._count] = value

    def _empty(self) -> dict[str, np.ndarray]:
        return {
            key: np.zeros((self.length + 1, self.batch, *shape), dtype)
            for key, (shape, dtype) in self.spec.items()
        }


def _part(rows: Batch, prefix: str) -> dict[str, Any]:
    return {
        key.removeprefix(prefix): value
        for key, value in rows.items()
        if key.startswith(prefix)
    }


def _to_float(flag: Any) -> Any:
    if isinstance(flag, np.ndarray):
        return flag.astype(np.float32)
    import tensorflow as tf  # a tensor came, so it is loaded already

    return tf.cast(flag, tf.float32)
