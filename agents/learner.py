"""What every learning agent shares: named variables and counters, saved and restored."""

import abc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from agents.api import Agent, Mode, Tree

Policy = Callable[..., tuple[Any, Mapping[str, Any]]]


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
