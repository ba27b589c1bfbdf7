"""The contract of models that learn from data without an environment."""

import abc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from agents.api import Metrics, Tree
from agents.learner import assign

__all__ = ["Metrics", "Model"]


class Model(abc.ABC):
    """A learner on images: batches in, metrics out; saved and resumed bit for bit.

    Attributes:
        config: A frozen dataclass.
        seed: Seeds weights and samples.
        updates: Updates made.
        at_once: How many updates `updates_on` is best given.
    """

    at_once: int = 50

    def __init__(self, config: Any, seed: int):
        self.config = config
        self.seed = seed
        self.updates = 0

    @abc.abstractmethod
    def variables(self) -> Mapping[str, Any]:
        """Returns every variable of weights and optimizers by a stable name."""

    @abc.abstractmethod
    def updates_on(self, images: np.ndarray) -> Metrics:
        """Makes an update per batch of images [S, B, ...] uint8; returns the means of `loss` and its parts."""

    @abc.abstractmethod
    def evaluate(
        self,
        images: np.ndarray,
        samples: int,
        progress: Callable[[int], None] | None = None,
        seed: int = 0,
    ) -> Metrics:
        """Returns metrics of images [N, ...] uint8 that it was not trained on."""

    @abc.abstractmethod
    def verdict(self, results: Mapping[str, Any]) -> str:
        """Returns what results.json says of the test images, in words."""

    def pictures(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Returns pictures [H, W] or [H, W, 3] uint8 by name, of what it makes of images [N, ...] uint8."""
        return {}

    def update(self, batch: np.ndarray) -> Metrics:
        """Makes one update on images [B, ...] uint8; returns `loss` and its parts."""
        return self.updates_on(batch[None])

    def get_state(self) -> Tree:
        """Returns all that training needs to go on."""
        values = {k: np.asarray(v.numpy()) for k, v in self.variables().items()}
        return {"updates": self.updates, "variables": values}

    def set_state(self, tree: Tree) -> None:
        """Inverts `get_state`; raises ValueError where names or shapes differ."""
        assign(self.variables(), tree["variables"])
        self.updates = tree["updates"]
