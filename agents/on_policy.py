"""What every agent that learns from its own latest steps shares: collecting windows, and training on each."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agents import rows as rows_lib
from agents.api import Metrics, Spaces, State, Step, Tree
from agents.learner import Learner, NonFiniteError, not_finite
from agents.rollout import Rollout


class OnPolicyAgent(Learner):
    """An agent that makes one update on each window of T transitions, which is T + 1 rows.

    A batch has, beside the rows, 'start/FIELD' [B, ...] for the fields of `start_state`.

    Args:
        spaces: The spaces of one row.
        length: T.
        seed: Seeds weights and noise.
    """

    def __init__(self, spaces: Spaces, length: int, seed: int = 0) -> None:
        self.spaces = spaces
        self.length = length
        self.seed = seed
        self._rollout: Rollout | None = None
        self._start: dict[str, Any] = {}  # before the first row of the window
        self._latest: dict[str, Any] = {}  # before its latest row

    def observe(self, step: Step, state: State) -> None:
        """Collects one row per environment."""
        rows = rows_lib.flatten(step, state, self.row_state)
        if self._rollout is None:
            self._open_rollout(rows_lib.spec(rows), len(step.is_first))
            self._start = self._pick(state)
        assert self._rollout is not None
        self._rollout.add(rows)
        self._latest = self._pick(state)
        self.env_steps += int(np.count_nonzero(~step.is_first))

    @property
    def window(self) -> int:
        """T + 1."""
        return self.length + 1

    def env_steps_at(self, updates: int, batch: int) -> int:
        """Returns the environment steps in so many updates, resets counted."""
        return updates * self.length * batch

    def updates_due(self) -> int:
        """Returns 1 when a window is full."""
        return int(self._rollout is not None and self._rollout.full)

    def train(self) -> Metrics | None:
        """Makes the update on a full window; raises NonFiniteError on a loss that is not finite."""
        if not self.updates_due():
            return None
        if self.on_update:
            self.on_update(0, 1)
        return self.learn(self.take_window())

    def take_window(self) -> dict[str, Any]:
        """Returns the full window, rows and the state before them, and begins the next with its last row."""
        assert self._rollout is not None
        start = {f"start/{key}": np.asarray(v) for key, v in self._start.items()}
        self._start = self._latest
        return self._rollout.take() | start

    def drop_window(self) -> None:
        """Forgets the rows collected so far."""
        self._rollout = None

    def learn(self, batch: Mapping[str, Any]) -> Metrics:
        """Makes an update on a window, whoever collected it; raises NonFiniteError on a loss that is not finite."""
        metrics = {key: float(value) for key, value in self.update(batch).items()}
        if not np.isfinite(metrics["loss"]):
            raise NonFiniteError(not_finite(self, metrics))
        self.updates += 1
        return metrics

    def get_state(self) -> Tree:
        """Returns counters, variables and the window collected so far."""
        rollout = self._rollout
        window = None
        if rollout is not None:
            window = {
                "batch": rollout.batch,
                "spec": {key: list(value) for key, value in rollout.spec.items()},
                "content": rollout.get_state(),
                "start": _to_arrays(self._start),
                "latest": _to_arrays(self._latest),
            }
        return super().get_state() | {"rollout": window}

    def set_state(self, tree: Tree, learn: bool = True) -> None:
        """Inverts `get_state`; raises ValueError where names or shapes differ."""
        super().set_state(tree, learn)
        if learn and tree["rollout"] is not None:
            spec = rows_lib.spec_from_json(tree["rollout"]["spec"])
            self._open_rollout(spec, tree["rollout"]["batch"])
            assert self._rollout is not None
            self._rollout.set_state(tree["rollout"]["content"])
            self._start = tree["rollout"].get("start", {})
            self._latest = tree["rollout"].get("latest", {})

    def _pick(self, state: State) -> dict[str, Any]:
        return {key: state[key] for key in self.start_state}

    def _open_rollout(self, spec: rows_lib.RowSpec, batch: int) -> None:
        self._rollout = Rollout(self.length, spec, batch)


def _to_arrays(state: Mapping[str, Any]) -> Tree:
    return {key: np.asarray(value) for key, value in state.items()}
