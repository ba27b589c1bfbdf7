"""A head for probabilities and flags."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from estimators import bernoulli_log_prob, uniform_noise
from layers.head import Head
from layers.leading import Shape


@keras.saving.register_keras_serializable("zoo")
class BernoulliHead(Head):
    """y ~ Bernoulli(sigma(l)), l = W f + b, a scalar; targets may be soft.

    log p(y) = -(y softplus(-l) + (1 - y) softplus(l)) for any y in [0, 1].

    Call arguments:
        features: [..., F].

    Returns:
        [...] float32, the logit l.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.dense = self._dense(1, "dense")

    def build(self, shape: Shape) -> None:
        self.dense.build(shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.dense(features)[..., 0], tf.float32)

    @property
    def parameters_shape(self) -> tuple[int, ...]:
        return ()

    def distribution(self, parameters: tf.Tensor) -> Any:
        """tfd.Bernoulli with float32 values; its log_prob takes soft targets."""
        from tensorflow_probability import distributions as tfd

        return tfd.Bernoulli(logits=parameters, dtype=tf.float32)

    def sample(self, parameters: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """1 where u < sigma(l), else 0; no gradient."""
        return tf.cast(noise < tf.sigmoid(parameters), tf.float32)

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """sigma(l), [...]."""
        return tf.sigmoid(parameters)

    def mode(self, parameters: tf.Tensor) -> tf.Tensor:
        """1 where l > 0, else 0."""
        return tf.cast(parameters > 0, tf.float32)

    def log_prob(self, parameters: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """-(y softplus(-l) + (1 - y) softplus(l)), y in [0, 1]."""
        return bernoulli_log_prob(parameters, value)

    def entropy(self, parameters: tf.Tensor) -> tf.Tensor:
        """The value of -log_prob at y = sigma(l)."""
        return -bernoulli_log_prob(parameters, tf.sigmoid(parameters))

    def noise_shape(self, batch_shape: Sequence[int]) -> list[int]:
        return list(batch_shape)

    def noise(self, batch_shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
        """Uniform on (0, 1)."""
        return uniform_noise(self.noise_shape(batch_shape), seed)
