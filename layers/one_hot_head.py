"""A head for choices."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from estimators import gumbel_noise, straight_through
from layers.head import Head
from layers.leading import Shape


@keras.saving.register_keras_serializable("zoo")
class OneHotHead(Head):
    """z ~ OneHotCategorical(softmax(W f + b)), sampled with straight-through gradients.

    Args:
        classes: K.

    Call arguments:
        features: [..., F].

    Returns:
        [..., K] float32, the logits.
    """

    event_rank = 1

    def __init__(self, classes: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.classes = classes
        self.dense = self._dense(classes, "dense")

    def build(self, shape: Shape) -> None:
        self.dense.build(shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.dense(features), tf.float32)

    @property
    def parameters_shape(self) -> tuple[int, ...]:
        return (self.classes,)

    def distribution(self, parameters: tf.Tensor) -> Any:
        """tfd.OneHotCategorical, float32, with straight-through samples."""
        from layers.distributions import StraightThroughOneHot

        return StraightThroughOneHot(logits=parameters)

    def sample(self, parameters: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """onehot(argmax(logits + g)), with the gradient of the probabilities."""
        return straight_through(parameters, noise)

    def mode(self, parameters: tf.Tensor) -> tf.Tensor:
        """onehot(argmax(logits))."""
        return tf.one_hot(tf.argmax(parameters, -1), self.classes, dtype=tf.float32)

    def log_prob(self, parameters: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """sum_k z_k log softmax(logits)_k."""
        return tf.reduce_sum(value * tf.nn.log_softmax(parameters), -1)

    def entropy(self, parameters: tf.Tensor) -> tf.Tensor:
        """-sum_k p_k log p_k."""
        log_p = tf.nn.log_softmax(parameters)
        return -tf.reduce_sum(tf.exp(log_p) * log_p, -1)

    def noise_shape(self, batch_shape: Sequence[int]) -> list[int]:
        return [*batch_shape, self.classes]

    def noise(self, batch_shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
        """Gumbel(0, 1)."""
        return gumbel_noise(self.noise_shape(batch_shape), seed)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"classes": self.classes}
