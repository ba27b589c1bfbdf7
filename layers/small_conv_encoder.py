"""Convolutions of stride 1 for small images."""

import math
from typing import Any

import keras
import tensorflow as tf

from layers import leading
from layers.leading import Shape
from layers.mlp import make_norm


@keras.saving.register_keras_serializable("zoo")
class SmallConvEncoder(keras.layers.Layer):
    """3x3 convolutions that keep the size, then flattened; for images under 32 pixels a side.

    Args:
        depth: Channels of every convolution.
        layers: Number of convolutions.
        activation: Name of a Keras activation.
        norm: 'none' or 'layer' (over the channels, in float32, before the activation).

    Call arguments:
        images: [..., H, W, C], preprocessed floats; any leading dimensions.

    Returns:
        [..., H * W * depth] in the compute dtype.

    Raises:
        ValueError: If there is no layer.
    """

    def __init__(
        self,
        depth: int = 16,
        layers: int = 2,
        activation: str = "elu",
        norm: str = "none",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if layers < 1:
            raise ValueError(f"layers must be at least 1, got {layers}.")
        self.depth = depth
        self.norm = norm
        self.activation = keras.activations.get(activation)
        self.convs = [
            keras.layers.Conv2D(
                depth, 3, padding="same", dtype=self.dtype_policy, name=f"conv_{i}"
            )
            for i in range(layers)
        ]
        self.norms = [make_norm(norm, f"norm_{i}") for i in range(layers)]

    def build(self, shape: Shape) -> None:
        before = (None, *shape[-3:])
        for conv, norm in zip(self.convs, self.norms, strict=True):
            conv.build(before)
            before = (*before[:-1], self.depth)
            if norm is not None:
                norm.build(before)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        x, restore = leading.merge(images, 3)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = conv(x)
            x = x if norm is None else norm(x)
            x = self.activation(x)
        x = tf.reshape(x, [-1, math.prod(x.shape[1:])])
        return tf.cast(restore(x), self.compute_dtype)

    def compute_output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-3], shape[-3] * shape[-2] * self.depth)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "depth": self.depth,
            "layers": len(self.convs),
            "activation": keras.activations.serialize(self.activation),
            "norm": self.norm,
        }
