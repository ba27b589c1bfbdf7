"""Strided convolutions over images."""

import math
from typing import Any

import keras
import tensorflow as tf

from layers import leading
from layers.leading import Shape
from layers.mlp import make_norm


@keras.saving.register_keras_serializable("zoo")
class ConvEncoder(keras.layers.Layer):
    """Convolutions of stride 2 without padding, depth doubling, then flattened.

    With the defaults 64x64xC -> 31x31x48 -> 14x14x96 -> 6x6x192 -> 2x2x384 -> 1536.

    Args:
        depth: Channels of the first convolution.
        kernels: Kernel sizes, one per convolution.
        activation: Name of a Keras activation.
        norm: 'none' or 'layer' (over the channels, in float32, before the activation).

    Call arguments:
        images: [..., H, W, C], preprocessed floats; any leading dimensions.

    Returns:
        [..., features] in the compute dtype.

    Raises:
        ValueError: If the image is smaller than the kernels need.

    References:
        Hafner et al. 2021 (arXiv 2010.02193), appendix; Ha & Schmidhuber 2018
        (arXiv 1803.10122).
    """

    def __init__(
        self,
        depth: int = 48,
        kernels: tuple[int, ...] = (4, 4, 4, 4),
        activation: str = "elu",
        norm: str = "none",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.depth = depth
        self.kernels = tuple(kernels)
        self.norm = norm
        self.activation = keras.activations.get(activation)
        self.convs = [
            keras.layers.Conv2D(
                depth * 2**i, kernel, 2, dtype=self.dtype_policy, name=f"conv_{i}"
            )
            for i, kernel in enumerate(self.kernels)
        ]
        self.norms = [make_norm(norm, f"norm_{i}") for i in range(len(self.kernels))]

    def build(self, shape: Shape) -> None:
        maps = self._maps(shape)
        for conv, norm, before, after in zip(
            self.convs, self.norms, maps, maps[1:], strict=False
        ):
            conv.build(before)
            if norm is not None:
                norm.build(after)

    def _maps(self, shape: Shape) -> list[Shape]:
        """The shapes of the image and of every map after it, [None, h, w, c]."""
        height, width = shape[-3:-1]
        maps: list[Shape] = [(None, *shape[-3:])]
        for i, kernel in enumerate(self.kernels):
            height, width = (height - kernel) // 2 + 1, (width - kernel) // 2 + 1
            if min(height, width) < 1:
                raise ValueError(
                    f"{self.name} got images of shape {tuple(shape[-3:])}, too small "
                    f"for kernels {self.kernels}: give larger images (64x64 fits the "
                    "defaults) or fewer kernels."
                )
            maps.append((None, height, width, self.depth * 2**i))
        return maps

    def call(self, images: tf.Tensor) -> tf.Tensor:
        x, restore = leading.merge(images, 3)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = conv(x)
            x = x if norm is None else norm(x)
            x = self.activation(x)
        x = tf.reshape(x, [-1, math.prod(x.shape[1:])])
        return tf.cast(restore(x), self.compute_dtype)

    def compute_output_shape(self, shape: Shape) -> Shape:
        _, height, width, channels = self._maps(tuple(shape))[-1]
        return (*shape[:-3], height * width * channels)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "depth": self.depth,
            "kernels": self.kernels,
            "activation": keras.activations.serialize(self.activation),
            "norm": self.norm,
        }
