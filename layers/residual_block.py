"""A bottleneck residual block."""

from typing import Any

import keras
import tensorflow as tf

from layers.leading import Shape


@keras.saving.register_keras_serializable("zoo")
class ResidualBlock(keras.layers.Layer):
    """relu(shortcut(x) + W3 * relu(W2 * relu(W1 * x))): convolutions 1x1, 3x3, 1x1 of D, D / 2 and D channels.

    W1 has the stride; so has the shortcut, a 1x1 convolution where the shape changes and the identity where not. With
    `upsample` every pixel is doubled in height and width before W2 and in the shortcut.

    Args:
        depth: D.
        stride: Of W1.
        upsample: Whether the map is doubled.

    Call arguments:
        inputs: [N, H, W, C].

    Returns:
        [N, H', W', D] in the compute dtype.

    References:
        He et al. 2015 (arXiv 1512.03385), figure 5, without batch norm.
    """

    def __init__(
        self, depth: int, stride: int = 1, upsample: bool = False, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.depth, self.stride, self.upsample = depth, stride, upsample

        def conv(name: str, filters: int, size: int) -> Any:
            return keras.layers.Conv2D(
                filters,
                size,
                padding="same",
                dtype=self.dtype_policy,
                name=name,
            )

        self.convs = [
            conv("conv_0", depth, 1),
            conv("conv_1", max(1, depth // 2), 3),
            conv("conv_2", depth, 1),
        ]
        self.shortcut = conv("shortcut", depth, 1)
        self.double = keras.layers.UpSampling2D(dtype=self.dtype_policy, name="double")

    def build(self, shape: Shape) -> None:
        self.is_identity = self.stride == 1 and shape[-1] == self.depth
        if not self.is_identity:
            self.shortcut.build(shape)
        for conv in self.convs:
            conv.build(shape)
            shape = (*shape[:-1], conv.filters)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        first, *others = self.convs
        # What a 1x1 convolution with a stride sees; those corrupt memory on CPUs: BUILD.md.
        inputs = inputs[:, :: self.stride, :: self.stride]
        short = inputs if self.is_identity else self.shortcut(inputs)
        x = tf.nn.relu(first(inputs))
        if self.upsample:
            x, short = self.double(x), self.double(short)
        for conv in others[:-1]:
            x = tf.nn.relu(conv(x))
        return tf.nn.relu(tf.cast(short, self.compute_dtype) + others[-1](x))

    def compute_output_shape(self, shape: Shape) -> Shape:
        def size(n: int | None) -> int | None:
            if n is None:
                return None
            return -(-n // self.stride) * (2 if self.upsample else 1)

        return (shape[0], size(shape[1]), size(shape[2]), self.depth)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "depth": self.depth,
            "stride": self.stride,
            "upsample": self.upsample,
        }
