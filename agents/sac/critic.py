"""The critics: two nets that value an action in a state; a choice is read as its one-hot code."""

from collections.abc import Sequence

import keras
import tensorflow as tf

import layers


class TwinCritic(keras.layers.Layer):
    """Q_1 and Q_2 of an action a in a state s.

        mlp       Q_i(s, a) = MLP_i([s, a])
        linear    Q_i(s, a) = sum_k a_k MLP_i(s)_k

    A choice comes as its one-hot code, or as several side by side, so that one net serves every estimator: a relaxed sample is
    read as it is, and an expectation evaluates the same net at the codes of all actions. Where it is linear, there is one
    output per action, as in Christodoulou 2019; values of several choices add up.

    Args:
        units: Sizes of the hidden layers of each, ReLU.
        linear_in: Numbers of a code, A, where it is linear; else None.

    Call arguments:
        embed: [..., E], of observations.
        action: [..., A].

    Returns:
        [2, ...] float32.
    """

    def __init__(
        self,
        units: Sequence[int],
        linear_in: int | None = None,
        name: str = "critic",
    ) -> None:
        super().__init__(dtype="float32", name=name)
        self.linear = linear_in is not None
        self.nets = [
            layers.MLP(tuple(units), "relu", output=linear_in or 1, dtype="float32")
            for _ in range(2)
        ]

    def build(self, input_shape: object = None) -> None:
        """Does nothing: the nets are built by the first call."""
        self.built = True

    def call(self, embed: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
        """See the class."""
        if self.linear:
            return tf.stack(
                [tf.reduce_sum(action * net(embed), -1) for net in self.nets]
            )
        inputs = tf.concat([embed, action], -1)
        return tf.stack([net(inputs)[..., 0] for net in self.nets])

    def at_each(self, embed: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """Q of every action of a table: embed [..., E], actions [N, A] -> [2, ..., N]."""
        if self.linear:
            each = tf.stack([net(embed) for net in self.nets])
            # No broadcast matmul: TensorFlow 2.21's corrupts memory on CPUs (BUILD.md).
            return tf.tensordot(each, actions, [[-1], [1]])
        leading = tf.shape(embed)[:-1]
        number, size = actions.shape
        shape = tf.concat([leading, [number, size]], 0)
        tabled = tf.broadcast_to(actions, shape)
        repeated = tf.repeat(embed[..., None, :], number, -2)
        return self(repeated, tabled)
