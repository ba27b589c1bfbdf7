"""The contract between agents, environments and the driver, and nothing else."""

import abc
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from envs.api import Spaces, Step, VectorEnv

__all__ = [
    "Agent",
    "Batch",
    "Metrics",
    "Mode",
    "Spaces",
    "State",
    "Step",
    "Tree",
    "VectorEnv",
]

Mode = Literal["sample", "greedy", "random"]
State = Mapping[str, Any]  # key -> array or tensor [B, ...]; has `seed`, int32 [B, 2]
Batch = Mapping[
    str, Any
]  # key -> [T, B, ...], rows: the fields of Step ('observation/KEY'), and of State
Metrics = dict[str, float]
Tree = dict[
    str, Any
]  # nested dicts with arrays, numbers, strings and lists of these as leaves


class Agent(abc.ABC):
    """A learner and its policy: act and observe on batches of rows, train when updates are due.

    Attributes:
        spaces: The spaces of one row, as the environment gave them.
        env_steps: Environment steps observed (reset rows are none), over all rows.
        updates: Updates made.
        collect_mode: The mode in which to act while collecting data ('random' while the replay is filled).
        row_state: The state fields that a stored row holds.
    """

    spaces: Spaces
    env_steps: int = 0
    updates: int = 0
    collect_mode: Mode = "sample"
    row_state: tuple[str, ...] = ()

    @abc.abstractmethod
    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns the state before the first step: zeros, no last action, and `seed` [B, 2] int32."""

    @abc.abstractmethod
    def act(
        self, step: Step, state: State, mode: Mode = "sample"
    ) -> tuple[np.ndarray, State]:
        """Chooses actions: a pure function of (step, state, weights), in every mode.

        Args:
            step: The arriving step, [B, ...]; only observation, reward and is_first are read.
            state: As returned by `initial_state` or by the last `act`.
            mode: 'sample' | 'greedy' | 'random' (uniform).

        Returns:
            The actions, [B] or [B, n], and the next state.
        """

    @abc.abstractmethod
    def observe(self, step: Step, state: State) -> None:
        """Takes the arriving step and the state that `act` returned with the action that led to it."""

    @abc.abstractmethod
    def train(self) -> Metrics | None:
        """Makes every update that is due (none, one or several); returns their mean metrics, or None."""

    @abc.abstractmethod
    def update(self, batch: Batch) -> Mapping[str, Any]:
        """The compiled update: rows [T, B, ...] -> float32 scalars, `loss` among them."""

    @abc.abstractmethod
    def get_state(self) -> Tree:
        """Returns all that training needs to go on: weights, optimizers, counters, replay."""

    @abc.abstractmethod
    def set_state(self, tree: Tree, learn: bool = True) -> None:
        """Inverts `get_state`; with `learn` False only what acting needs is read."""
