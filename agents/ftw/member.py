"""A member of a population: an agent that learns from its own rows, and may become a copy of another."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from agents.api import Metrics, Tree
from agents.fleet import Joined
from agents.ftw.agent import FTW
from agents.learner import NonFiniteError


class Studied(NamedTuple):
    """What came of an update.

    Attributes:
        metrics: Empty where there was none.
        broken: Why its loss is not finite; empty where it is.
        bytes: Of the weights that acting reads.
    """

    metrics: Metrics
    broken: str
    bytes: int


# What came of a call, the weights that acting reads, and all that learning needs to go on.
Published = tuple[Studied, Tree, Tree]


class Member(Joined, FTW):
    """FTW as its population wants it: the same class in the population's process, where it is an agent like any other, and as
    a process of its own, where `study`, `inherit` and `restore` are called, each of which returns `Published`.
    """

    def study(self, rows: Mapping[str, Any]) -> Published:
        """Makes an update on a window of its own rows, unless its loss is not finite."""
        metrics, broken = {}, ""
        try:
            metrics = self.learn(rows)
        except NonFiniteError as error:
            broken = str(error)
        self.env_steps += int(np.count_nonzero(~rows["is_first"][1:]))
        return self.publish(metrics, broken)

    def inherit(self, parent: Tree, hyper: Mapping[str, Any]) -> Published:
        """Takes over weights, moments and counters of a parent's state, with hyperparameters of its own."""
        self.set_state(parent | {"env_steps": self.env_steps, "rollout": None})
        self.set_hyper(hyper)
        return self.publish()

    def restore(self, state: Tree, hyper: Mapping[str, Any] | None = None) -> Published:
        """Goes on from a state of its own, with other hyperparameters where they come; a window under way is dropped."""
        self.set_state(state | {"rollout": None})
        self.drop_window()
        self.set_hyper(hyper or {})
        return self.publish()

    def publish(self, metrics: Metrics | None = None, broken: str = "") -> Published:
        """Returns its weights and its state."""
        weights = self.acting_state(report=False)
        size = sum(value.nbytes for value in weights["variables"].values())
        return Studied(metrics or {}, broken, size), weights, self.get_state()
