"""Transposed convolutions from features to the mean of an image."""

from typing import Any

import keras
import tensorflow as tf

from layers import leading
from layers.leading import Shape
from layers.mlp import make_norm
from layers.transposed_conv2d import TransposedConv2D


@keras.saving.register_keras_serializable("zoo")
class ConvDecoder(keras.layers.Layer):
    """A dense layer to 1x1 x 32 depth, then transposed convolutions of stride 2.

    With the defaults 1x1x1536 -> 5x5x192 -> 13x13x96 -> 30x30x48 -> 64x64xC. The
    dense and the last layer have neither norm nor activation.

    Args:
        depth: Channels before the last layer; they halve from layer to layer.
        kernels: Kernel sizes, one per transposed convolution.
        shape: (H, W, C) of the image.
        activation: Name of a Keras activation.
        norm: 'none' or 'layer' (over the channels, in float32, before the activation).

    Call arguments:
        features: [..., F].

    Returns:
        [..., H, W, C] float32, the mean.

    Raises:
        ValueError: If the kernels do not lead to H x W.

    References:
        Hafner et al. 2021 (arXiv 2010.02193), appendix; Ha & Schmidhuber 2018
        (arXiv 1803.10122).
    """

    def __init__(
        self,
        depth: int = 48,
        kernels: tuple[int, ...] = (5, 5, 6, 6),
        shape: tuple[int, int, int] = (64, 64, 1),
        activation: str = "elu",
        norm: str = "none",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.depth = depth
        self.kernels = tuple(kernels)
        self.shape = tuple(shape)
        self.norm = norm
        side = 1
        for kernel in self.kernels:
            side = 2 * (side - 1) + kernel
        if self.shape[:2] != (side, side):
            raise ValueError(
                f"kernels {self.kernels} make images of {side}x{side}, but shape is "
                f"{self.shape}: change one of them."
            )
        self.activation = keras.activations.get(activation)
        channels = [depth * 2**i for i in reversed(range(len(self.kernels) - 1))]
        policy = self.dtype_policy
        self.dense = keras.layers.Dense(32 * depth, dtype=policy, name="dense")
        self.convs = [
            TransposedConv2D(filters, kernel, dtype=policy, name=f"conv_{i}")
            for i, (filters, kernel) in enumerate(
                zip([*channels, self.shape[-1]], self.kernels, strict=True)
            )
        ]
        self.norms = [make_norm(norm, f"norm_{i}") for i in range(len(channels))]

    def build(self, shape: Shape) -> None:
        self.dense.build(shape)
        before: Shape = (None, 1, 1, 32 * self.depth)
        for i, conv in enumerate(self.convs):
            conv.build(before)
            before = conv.compute_output_shape(before)
            if i < len(self.norms) and self.norms[i] is not None:
                self.norms[i].build(before)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        x, restore = leading.merge(features, 1)
        x = tf.reshape(self.dense(x), [-1, 1, 1, 32 * self.depth])
        for conv, norm in zip(self.convs, self.norms, strict=False):
            x = conv(x)
            x = x if norm is None else norm(x)
            x = self.activation(x)
        return restore(tf.cast(self.convs[-1](x), tf.float32))

    def compute_output_spec(self, features: Any) -> Any:
        return keras.KerasTensor((*features.shape[:-1], *self.shape), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "depth": self.depth,
            "kernels": self.kernels,
            "shape": self.shape,
            "activation": keras.activations.serialize(self.activation),
            "norm": self.norm,
        }
