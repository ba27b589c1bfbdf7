"""The critics: two nets that read an observation and an action as numbers, one-hot where it is a choice."""

from collections.abc import Sequence

import keras
import tensorflow as tf

import layers


class TwinCritic(keras.layers.Layer):
    """Q_1 and Q_2 of an action a in a state s: Q_i(s, a) = MLP_i([s, a]).

    A choice comes as its one-hot code, or as several side by side, so that one net serves every estimator: a relaxed sample is
    read as it is, and an expectation evaluates the same net at the codes of all actions.

    Args:
        units: Sizes of the hidden layers of each, ReLU.

    Call arguments:
        embed: [..., E], of observations.
        action: [..., A].

    Returns:
        [2, ...] float32.
    """

    def __init__(self, units: Sequence[int], name: str = "critic") -> None:
        super().__init__(dtype="float32", name=name)
        self.nets = [
            layers.MLP(tuple(units), "relu", output=1, dtype="float32")
            for _ in range(2)
        ]

    def build(self, input_shape: object = None) -> None:
        """Does nothing: the nets are built by the first call."""
        self.built = True

    def call(self, embed: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """See the class."""
        inputs = tf.concat([embed, action], -1)
        return tf.stack([net(inputs)[..., 0] for net in self.nets])

    def at_each(self, embed: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """Q of every action of a table: embed [..., E], actions [N, A] -> [2, ..., N]."""
        leading = tf.shape(embed)[:-1]
        number, size = actions.shape
        shape = tf.concat([leading, [number, size]], 0)
        tabled = tf.broadcast_to(actions, shape)
        repeated = tf.repeat(embed[..., None, :], number, -2)
        return self(repeated, tabled)
