"""What heads share: features in, float32 parameters out, distributions beside them."""

import abc
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class Head(keras.layers.Layer, abc.ABC):
    """Base of heads: `call` gives float32 parameters, pure methods interpret them.

    The last dense layers multiply in the compute dtype; everything after them is float32.
    Inside graphs use `sample`, `mode`, `log_prob`, `entropy`; `distribution` builds the
    TensorFlow Probability object, which must not leave the function it is built in.

    Call arguments:
        features: [..., F].

    Returns:
        [..., P] float32, the parameters.
    """

    event_rank = 0

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        return keras.layers.Dense(units, dtype=self.dtype_policy, name=name)

    @property
    @abc.abstractmethod
    def parameters_shape(self) -> tuple[int, ...]:
        """The shape of the parameters of one row."""

    @abc.abstractmethod
    def distribution(self, parameters: tf.Tensor) -> Any:
        """Returns the float32 TFP distribution of batch shape [...]."""

    @abc.abstractmethod
    def sample(self, parameters: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Turns noise of `noise_shape` into samples, a pure function."""

    @abc.abstractmethod
    def mode(self, parameters: tf.Tensor) -> tf.Tensor:
        """Returns the most probable value."""

    @abc.abstractmethod
    def log_prob(self, parameters: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """Returns log p(value), [...], summed over the event."""

    @abc.abstractmethod
    def entropy(self, parameters: tf.Tensor) -> tf.Tensor:
        """Returns the entropy in nats, [...], summed over the event."""

    @abc.abstractmethod
    def noise_shape(self, batch_shape: Sequence[int]) -> list[int]:
        """The shape of the noise that `sample` wants for parameters [*batch_shape, P]."""

    @abc.abstractmethod
    def noise(self, batch_shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
        """Draws the noise that `sample` wants, float32, from a seed [2]."""

    def compute_output_spec(self, features: Any) -> Any:
        shape = (*features.shape[:-1], *self.parameters_shape)
        return keras.KerasTensor(shape, dtype="float32")
