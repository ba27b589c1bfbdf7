"""Dense layers from features to the mean of a small image."""

import math
from typing import Any

import keras
import tensorflow as tf

from layers import leading
from layers.leading import Shape
from layers.mlp import MLP


@keras.saving.register_keras_serializable("zoo")
class DenseDecoder(keras.layers.Layer):
    """An MLP whose output is reshaped to an image; for images under 32 pixels a side.

    Args:
        shape: (H, W, C) of the image.
        units: Sizes of the hidden layers.
        activation: Name of a Keras activation.
        norm: 'none' or 'layer'.

    Call arguments:
        features: [..., F].

    Returns:
        [..., H, W, C] float32, the mean.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        units: tuple[int, ...] = (400, 400),
        activation: str = "elu",
        norm: str = "none",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.mlp = MLP(
            units,
            activation,
            norm,
            math.prod(self.shape),
            dtype=self.dtype_policy,
            name="mlp",
        )

    def build(self, shape: Shape) -> None:
        self.mlp.build(shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        x, restore = leading.merge(features, 1)
        mean = tf.cast(self.mlp(x), tf.float32)
        return restore(tf.reshape(mean, [-1, *self.shape]))

    def compute_output_spec(self, features: Any) -> Any:
        return keras.KerasTensor((*features.shape[:-1], *self.shape), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        mlp = self.mlp.get_config()
        shared = {key: mlp[key] for key in ("units", "activation", "norm")}
        return super().get_config() | {"shape": self.shape} | shared
