"""Actions as numbers for nets, and the head that chooses them, for every kind of action space."""

from collections.abc import Callable

import gymnasium
import tensorflow as tf

import layers
from envs.api import Action
from layers.head import Head


class Choices:
    """Discrete and MultiDiscrete actions: one-hot codes side by side, chosen by a `FactoredHead`.

    Args:
        space: The action space.
        units: Hidden units of each factor's branch; 0 for none.
    """

    def __init__(self, space: Action, units: int) -> None:
        self._several = isinstance(space, gymnasium.spaces.MultiDiscrete)
        classes = space.nvec if self._several else [space.n]  # type: ignore[union-attr]
        self.head = layers.FactoredHead([int(k) for k in classes], units, name="policy")
        self.size = sum(self.head.classes)

    def encode(self, action: tf.Tensor) -> tf.Tensor:
        """[...] or [..., n] int32 -> [..., A] float32."""
        return self.head.encode(action if self._several else action[..., None])

    def decode(self, value: tf.Tensor) -> tf.Tensor:
        """Inverts `encode`."""
        indices = self.head.indices(value)
        return indices if self._several else indices[..., 0]

    def distribution(self, parameters: tf.Tensor) -> object:
        """The TFP distribution of actions as the environment takes them."""
        from tensorflow_probability import distributions as tfd

        if not self._several:
            return tfd.Categorical(logits=parameters)
        parts = [
            tfd.Independent(tfd.Categorical(logits=part[..., None, :]), 1)
            for part in self.head.split(parameters)
        ]
        return tfd.Blockwise(parts)


class Continuous:
    """Box actions in [-1, 1], chosen by a head for real numbers.

    Args:
        space: The action space.
        make_head: A -> the head.
    """

    def __init__(self, space: Action, make_head: Callable[[int], Head]) -> None:
        self.size = int(space.shape[0])  # type: ignore[index]
        self.head = make_head(self.size)

    def encode(self, action: tf.Tensor) -> tf.Tensor:
        """[..., A] as it is."""
        return action

    def decode(self, value: tf.Tensor) -> tf.Tensor:
        """[..., A] as it is."""
        return value

    def distribution(self, parameters: tf.Tensor) -> object:
        """The TFP distribution of actions."""
        return self.head.distribution(parameters)


def make(space: Action, units: int) -> Choices | Continuous:
    """Returns what fits the space."""
    if isinstance(space, gymnasium.spaces.Box):
        return Continuous(
            space, lambda size: layers.TruncatedNormalHead(size, name="policy")
        )
    return Choices(space, units)
