"""Dense layers and residual blocks from features to an image."""

from typing import Any

import keras
import tensorflow as tf

from layers import leading
from layers.leading import Shape
from layers.residual_block import ResidualBlock

_HALVINGS = 3  # of an encoder's blocks


@keras.saving.register_keras_serializable("zoo")
class ResidualDecoder(keras.layers.Layer):
    """The mirror image of `ResidualEncoder`: two dense layers of ReLU units, then six blocks, three of which double.

    Args:
        shape: (H, W, C) of the image; H and W are multiples of 8.
        depth: D, channels of the blocks.
        units: Size of the first dense layer.

    Call arguments:
        features: [..., F].

    Returns:
        [..., H, W, C] float32, without an activation (logits of pixels in [0, 1]).

    Raises:
        ValueError: If H or W is no multiple of 8.

    References:
        Wayne et al. 2018 (arXiv 1803.10760), methods.
    """

    # Differs: the paper has transposed convolutions of stride 2 and size 1x1, which leave holes; pixels are doubled here.

    def __init__(
        self,
        shape: tuple[int, int, int],
        depth: int = 64,
        units: int = 500,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.depth, self.units = depth, units
        factor = 2**_HALVINGS
        if shape[0] % factor or shape[1] % factor:
            raise ValueError(
                f"height and width must be multiples of {factor}, got {shape[0]}x{shape[1]}"
            )
        self._small = (shape[0] // factor, shape[1] // factor, depth)
        policy = self.dtype_policy
        self.dense = [
            keras.layers.Dense(units, "relu", dtype=policy, name="dense_0"),
            keras.layers.Dense(
                self._small[0] * self._small[1] * depth,
                "relu",
                dtype=policy,
                name="dense_1",
            ),
        ]
        self.blocks = [
            ResidualBlock(depth, upsample=i % 2 == 1, dtype=policy, name=f"block_{i}")
            for i in range(2 * _HALVINGS)
        ]
        self.output_conv = keras.layers.Conv2D(
            shape[-1], 1, dtype=policy, name="output"
        )

    def build(self, shape: Shape) -> None:
        self.dense[0].build(shape)
        self.dense[1].build((None, self.units))
        before: Shape = (None, *self._small)
        for block in self.blocks:
            block.build(before)
            before = block.compute_output_shape(before)
        self.output_conv.build(before)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        x, restore = leading.merge(features, 1)
        for dense in self.dense:
            x = dense(x)
        x = tf.reshape(x, [-1, *self._small])
        for block in self.blocks:
            x = block(x)
        return restore(tf.cast(self.output_conv(x), tf.float32))

    def compute_output_spec(self, features: Any) -> Any:
        return keras.KerasTensor((*features.shape[:-1], *self.shape), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "shape": self.shape,
            "depth": self.depth,
            "units": self.units,
        }
