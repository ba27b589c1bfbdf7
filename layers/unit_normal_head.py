"""A head for real values: a normal of unit variance, that is, squared error."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from estimators import unit_normal_log_prob
from layers import leading
from layers.head import Head
from layers.leading import Shape


@keras.saving.register_keras_serializable("zoo")
class UnitNormalHead(Head):
    """x ~ Normal(W f + b, 1), independent over `shape`; the mean is also the mode.

    Args:
        shape: The shape E of one value; () for scalars.

    Call arguments:
        features: [..., F].

    Returns:
        [..., *E] float32, the mean.
    """

    def __init__(self, shape: tuple[int, ...] = (), **kwargs: Any):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.event_rank = len(self.shape)
        self.dense = self._dense(math.prod(self.shape), "dense")

    def build(self, shape: Shape) -> None:
        self.dense.build(shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        x, restore = leading.merge(features, 1)
        mean = tf.cast(self.dense(x), tf.float32)
        return restore(tf.reshape(mean, [-1, *self.shape]))

    @property
    def parameters_shape(self) -> tuple[int, ...]:
        return self.shape

    def distribution(self, parameters: tf.Tensor) -> Any:
        """tfd.Normal(mean, 1), the last axes independent."""
        from tensorflow_probability import distributions as tfd

        return tfd.Independent(tfd.Normal(parameters, 1.0), self.event_rank)

    def sample(self, parameters: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """mean + noise, noise standard normal."""
        return parameters + noise

    def mode(self, parameters: tf.Tensor) -> tf.Tensor:
        """The mean."""
        return parameters

    def log_prob(self, parameters: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """-(x - mean)^2 / 2 - log(2 pi) / 2, summed over E."""
        return unit_normal_log_prob(parameters, value, self.event_rank)

    def entropy(self, parameters: tf.Tensor) -> tf.Tensor:
        """log(2 pi e) / 2 for each element of E."""
        entropy = 0.5 * math.log(2 * math.pi * math.e) * math.prod(self.shape)
        batch = tf.shape(parameters)[: parameters.shape.rank - self.event_rank]
        return tf.fill(batch, tf.constant(entropy, tf.float32))

    def noise_shape(self, batch_shape: Sequence[int]) -> list[int]:
        return [*batch_shape, *self.shape]

    def noise(self, batch_shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
        """Standard normal."""
        shape = self.noise_shape(batch_shape)
        return tf.random.stateless_normal(shape, seed, alg="philox")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"shape": self.shape}
