"""FTW's convolutions from images to a vector."""

from typing import Any

import keras
import tensorflow as tf

from layers import leading
from layers.leading import Shape


@keras.saving.register_keras_serializable("zoo")
class FTWEncoder(keras.layers.Layer):
    """Two convolutions with strides, two residual ones without, then one dense layer.

    h = relu(W2 * relu(W1 * x)), 8x8 with stride 4 and 4x4 with stride 2;  h1 = W3 * h + h,  h2 = W4 * relu(h1) + h1;
    W relu(h2) + b

    Args:
        depth: Channels of the first convolution; the others have twice as many.
        units: Size of the result.

    Call arguments:
        images: [..., H, W, C] in [0, 1]; any leading dimensions.

    Returns:
        [..., units] in the compute dtype.

    References:
        Jaderberg et al. 2019 (arXiv 1807.01281), figure S10 (a) of the supplement.
    """

    # Open: the figure prints neither strides nor padding.

    def __init__(self, depth: int = 32, units: int = 256, **kwargs: Any):
        super().__init__(**kwargs)
        self.depth, self.units = depth, units

        def conv(name: str, filters: int, size: int, stride: int = 1) -> Any:
            return keras.layers.Conv2D(
                filters,
                size,
                stride,
                padding="same",
                dtype=self.dtype_policy,
                name=name,
            )

        self.convs = [
            conv("conv_0", depth, 8, 4),
            conv("conv_1", 2 * depth, 4, 2),
            conv("conv_2", 2 * depth, 3),
            conv("conv_3", 2 * depth, 3),
        ]
        self.dense = keras.layers.Dense(units, dtype=self.dtype_policy, name="dense")

    def build(self, shape: Shape) -> None:
        height, width, depth = shape[-3:]
        for conv in self.convs:
            conv.build((None, height, width, depth))
            stride = conv.strides[0]
            height, width, depth = (
                -(-height // stride),
                -(-width // stride),
                conv.filters,
            )
        self.dense.build((None, height * width * depth))

    def call(self, images: tf.Tensor) -> tf.Tensor:
        x, restore = leading.merge(images, 3)
        first, second, third, fourth = self.convs
        x = tf.nn.relu(second(tf.nn.relu(first(x))))
        x = third(x) + x
        x = fourth(tf.nn.relu(x)) + x
        x = tf.nn.relu(tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]]))
        return tf.cast(restore(self.dense(x)), self.compute_dtype)

    def compute_output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-3], self.units)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"depth": self.depth, "units": self.units}
