"""What every learning agent shares: named variables and counters, saved and restored."""

import abc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from agents.api import Agent, Batch, Metrics, Mode, Tree

Policy = Callable[..., tuple[Any, Mapping[str, Any]]]
Distribution = Callable[..., tuple[Any, Any, Mapping[str, Any]]]


class NonFiniteError(ArithmeticError):
    """A loss or gradient of the model is NaN or infinite; the weights are those before that update."""


class Learner(Agent):
    """An agent whose weights, optimizers and counters are variables with stable names.

    What it learns from (replay, window) is added to the state by its subclass.

    Attributes:
        can_report: Whether the weights that `report` reads are there; a policy may have been saved without them.
    """

    can_report: bool = True

    @abc.abstractmethod
    def variables(self) -> Mapping[str, Any]:
        """Returns every variable of weights, optimizers and counters by a stable name."""

    def raw_variables(self, names: set[str]) -> list[Any]:
        """Returns the tf.Variables of these names in their order: those of Keras 3 are shells around them."""
        found = self.variables()
        return [_raw(found[name]) for name in sorted(names)]

    def policy(self, mode: Mode) -> Policy:
        """Returns what `act` computes, as a function that TensorFlow can trace.

        Args:
            mode: 'sample' or 'greedy'.

        Returns:
            (observation, reward [B], is_first [B], state) -> (action [B] or [B, n], state), all tensors.

        Raises:
            ValueError: If the agent acts without TensorFlow.
        """
        raise ValueError(f"{type(self).__name__} acts outside of TensorFlow's graphs")

    def distribution(self) -> Distribution:
        """Returns what `policy('sample')` draws from, as a function that TensorFlow can trace.

        Returns:
            (observation, reward [B], is_first [B], state) -> (a TFP distribution of actions, action [B] or [B, n],
            state); action and state are those of `policy('sample')`.

        Raises:
            NotImplementedError: If the agent has none.
        """
        raise NotImplementedError(f"{type(self).__name__} has no action distribution")

    def scheduled(self) -> Mapping[str, float]:
        """Returns the values that the config's schedules have at `env_steps`, by name; here there are none."""
        return {}

    def update_step(
        self, batch: Batch, scheduled: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What `update` computes, for TensorFlow to trace: rows and `scheduled()` as tensors -> float32 scalars."""
        raise NotImplementedError(f"{type(self).__name__} updates outside of graphs")

    @property
    @abc.abstractmethod
    def window(self) -> int:
        """Rows of a batch for `update`."""

    @abc.abstractmethod
    def env_steps_at(self, updates: int, batch: int) -> int:
        """Returns the environment steps at which so many updates, on batches of so many windows, are made."""

    @abc.abstractmethod
    def acting_names(self) -> set[str]:
        """Returns the names among `variables` that acting reads."""

    def report_names(self) -> set[str]:
        """Returns the names among `variables` that `report` reads beside those of acting."""
        return set()

    def get_state(self) -> Tree:
        """Returns counters and variables."""
        return self._state(set(self.variables()))

    def acting_state(self, report: bool = True) -> Tree:
        """Returns the part of the state that `set_state(tree, learn=False)` reads.

        Args:
            report: Whether to hold what only `report` reads as well.
        """
        return self._state(
            self.acting_names() | (self.report_names() if report else set())
        )

    def _state(self, names: set[str]) -> Tree:
        values = {
            name: np.asarray(variable.numpy())
            for name, variable in self.variables().items()
            if name in names
        }
        return {
            "env_steps": self.env_steps,
            "updates": self.updates,
            "variables": values,
        }

    def set_state(self, tree: Tree, learn: bool = True) -> None:
        """Inverts `get_state`; raises ValueError where names or shapes differ.

        With `learn` False it inverts `acting_state` as well.
        """
        self.env_steps, self.updates = tree["env_steps"], tree["updates"]
        wanted = self.variables()
        self.can_report = learn or self.report_names() <= tree["variables"].keys()
        names = set(wanted) if learn else self.acting_names()
        if self.can_report:
            names |= self.report_names()
        assign({name: wanted[name] for name in names}, tree["variables"])


def not_finite(agent: Agent, metrics: Metrics) -> str:
    """Returns what is to be said of an update whose loss is not finite."""
    bad = [key for key, value in metrics.items() if not np.isfinite(value)]
    return (
        f"update {agent.updates} at environment step {agent.env_steps}: not finite: {', '.join(bad)}. "
        "The step was not made. Try precision float32, smaller learning rates, or "
        "check the scale of rewards and observations."
    )


def _raw(variable: Any) -> Any:
    # A tf.Variable has a method of that name.
    return variable if callable(variable.value) else variable.value


def assign(variables: Mapping[str, Any], values: Mapping[str, np.ndarray]) -> None:
    """Assigns saved values by name.

    Raises:
        ValueError: If a name is missing or a shape differs; nothing is assigned then.
    """
    for name, variable in variables.items():
        if name not in values:
            raise ValueError(f"the saved weights have no {name}")
        if tuple(variable.shape) != tuple(values[name].shape):
            raise ValueError(
                f"the saved {name} has shape {tuple(values[name].shape)}, the model's has "
                f"{tuple(variable.shape)}: another size or preset"
            )
    for name, variable in variables.items():
        variable.assign(values[name])
