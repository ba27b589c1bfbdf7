"""On-policy windows, and the only two functions that shift: rows into transitions, TF-Agents' trajectories into rows."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from agents.api import Batch, Tree

Parts = Mapping[str, Any]
_FIRST, _LAST = 0, 2  # of dm_env and TF-Agents


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


def from_trajectories(trajectory: Any, parts: Parts, state: Parts) -> dict[str, Any]:
    """Shifts TF-Agents' frames, each of which holds the action that follows it, into rows.

        observation_i, is_first_i and is_last_i of frame i + 1;  action_i, reward_i, discount_i and state_i of frame i

    Args:
        trajectory: With the fields of a TF-Agents Trajectory, tensors [B, T + 1, ...].
        parts: Key -> [B, T + 1, ...], its observation.
        state: Field -> [B, T + 1, ...], of the state returned with the frame's action (from its policy info).

    Returns:
        Rows, key -> [T, B, ...]: one fewer than frames, for nothing is known of what led to the first.
    """
    import tensorflow as tf  # tensors came, so it is loaded already

    def before(value: tf.Tensor, at_reset: Any) -> tf.Tensor:
        value = swap_time(value)[:-1]
        flag = is_first[(..., *[tf.newaxis] * (len(value.shape) - 2))]
        return tf.where(flag, tf.cast(at_reset, value.dtype), value)

    kind = swap_time(trajectory.step_type)[1:]
    is_first = kind == _FIRST
    rows = {f"observation/{key}": swap_time(v)[1:] for key, v in parts.items()}
    rows |= {
        "action": before(trajectory.action, 0),
        "reward": before(trajectory.reward, 0),
        "discount": before(trajectory.discount, 1),
        "is_first": is_first,
        "is_last": kind == _LAST,
    }
    return rows | {f"state/{k}": swap_time(v)[:-1] for k, v in state.items()}


def swap_time(value: Any) -> Any:
    """Returns a tensor [A, B, ...] as [B, A, ...]."""
    import tensorflow as tf

    return tf.transpose(value, [1, 0, *range(2, len(value.shape))])


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
