"""Bottleneck residual blocks from images to a vector."""

from typing import Any

import keras
import tensorflow as tf

from layers import leading
from layers.leading import Shape
from layers.residual_block import ResidualBlock

STRIDES = (2, 1, 2, 1, 2, 1)


@keras.saving.register_keras_serializable("zoo")
class ResidualEncoder(keras.layers.Layer):
    """Residual blocks without batch norm, then one dense layer of tanh units.

    Blocks of strides 2, 1, 2, 1, 2, 1, each 1x1 (with the stride), 3x3 and 1x1 convolutions of D, D / 2 and D
    channels; flattened; tanh(W x + b).

    Args:
        depth: D.
        units: Size of the result.

    Call arguments:
        images: [..., H, W, C] in [0, 1]; any leading dimensions.

    Returns:
        [..., units] in the compute dtype.

    References:
        Wayne et al. 2018 (arXiv 1803.10760), methods; He et al. 2015 (arXiv 1512.03385).
    """

    def __init__(self, depth: int = 64, units: int = 500, **kwargs: Any):
        super().__init__(**kwargs)
        self.depth, self.units = depth, units
        self.blocks = [
            ResidualBlock(depth, stride, dtype=self.dtype_policy, name=f"block_{i}")
            for i, stride in enumerate(STRIDES)
        ]
        self.dense = keras.layers.Dense(
            units, "tanh", dtype=self.dtype_policy, name="dense"
        )

    def build(self, shape: Shape) -> None:
        before = (None, *shape[-3:])
        for block in self.blocks:
            block.build(before)
            before = block.compute_output_shape(before)
        self.dense.build((None, before[1] * before[2] * before[3]))

    def call(self, images: tf.Tensor) -> tf.Tensor:
        x, restore = leading.merge(images, 3)
        for block in self.blocks:
            x = block(x)
        x = tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])
        return tf.cast(restore(self.dense(x)), self.compute_dtype)

    def compute_output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-3], self.units)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"depth": self.depth, "units": self.units}
