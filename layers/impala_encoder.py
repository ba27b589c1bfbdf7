"""IMPALA's residual convolutions from images of any size to a vector."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from layers import leading
from layers.leading import Shape


@keras.saving.register_keras_serializable("zoo")
class ImpalaEncoder(keras.layers.Layer):
    """Sections of a convolution, a halving by maxima and two residual blocks, then one dense layer of ReLU units.

    section: x = maxpool(W * x), 3x3 with stride 2;  twice x = x + W2 * relu(W1 * relu(x)), 3x3 each
    relu(W relu(flatten(x)) + b)

    Args:
        channels: Of each section; sides are halved as often.
        units: Size of the result.

    Call arguments:
        images: [..., H, W, C] in [0, 1]; any leading dimensions.

    Returns:
        [..., units] in the compute dtype.

    Raises:
        ValueError: If there is no section.

    References:
        Espeholt et al. 2018 (arXiv 1802.01561), figure 3, right.
    """

    def __init__(
        self, channels: Sequence[int] = (16, 32, 32), units: int = 256, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.channels, self.units = tuple(channels), units
        if not self.channels:
            raise ValueError("channels must be one or more numbers, got none.")

        def conv(depth: int, name: str) -> keras.layers.Conv2D:
            return keras.layers.Conv2D(
                depth, 3, padding="same", dtype=self.dtype_policy, name=name
            )

        self.convs = [
            [conv(depth, f"section_{i}_{j}") for j in range(5)]
            for i, depth in enumerate(self.channels)
        ]
        self.dense = keras.layers.Dense(
            units, "relu", dtype=self.dtype_policy, name="dense"
        )

    def build(self, shape: Shape) -> None:
        height, width, depth = shape[-3:]
        for section in self.convs:
            for conv in section:
                conv.build((None, height, width, depth))
                depth = conv.filters
            height, width = -(-height // 2), -(-width // 2)
        self.dense.build((None, height * width * depth))

    def call(self, images: tf.Tensor) -> tf.Tensor:
        x, restore = leading.merge(images, 3)
        for first, *others in self.convs:
            x = tf.nn.max_pool2d(first(x), 3, 2, "SAME")
            for i in (0, 2):
                inner = others[i](tf.nn.relu(x))
                x += others[i + 1](tf.nn.relu(inner))
        x = tf.nn.relu(tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]]))
        return tf.cast(restore(self.dense(x)), self.compute_dtype)

    def compute_output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-3], self.units)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "channels": list(self.channels),
            "units": self.units,
        }
