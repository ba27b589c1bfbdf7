"""A transposed convolution of stride 2 in the form that runs fastest at its size."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from layers.leading import Shape

NARROW = 4  # up to so many output channels the subpixel form is the faster one (CPU)


@keras.saving.register_keras_serializable("zoo")
class TransposedConv2D(keras.layers.Layer):
    """Transposed convolution, stride 2, no padding: y[2p+a, 2q+b] += W[a, b] x[p, q].

    Equal in value, gradients and weights (kernel [k, k, filters, C], bias) to
    `keras.layers.Conv2DTranspose(filters, kernel_size, strides=2)`, but computed as
    one matrix product where the map is 1x1, and as a convolution of stride 1 to
    4 * filters channels followed by depth-to-space where the filters are few.

    Args:
        filters: Output channels.
        kernel_size: k, at least 2.

    Call arguments:
        inputs: [N, H, W, C], H and W known.

    Returns:
        [N, 2H - 2 + k, 2W - 2 + k, filters] in the compute dtype.

    Raises:
        ValueError: If k is less than 2.

    References:
        Shi et al. 2016 (arXiv 1609.05158), the subpixel form.
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        if kernel_size < 2:
            raise ValueError(f"kernel_size must be at least 2, got {kernel_size}.")
        self.filters = filters
        self.kernel_size = kernel_size

    def build(self, shape: Shape) -> None:
        k = self.kernel_size
        self.kernel = self.add_weight(
            shape=(k, k, self.filters, shape[-1]),
            initializer="glorot_uniform",
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.filters,), initializer="zeros", name="bias"
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        kernel = tf.convert_to_tensor(self.kernel)
        if tuple(inputs.shape[1:3]) == (1, 1):
            y = _from_one_pixel(inputs, kernel)
        elif self.filters <= NARROW:
            y = _narrow(inputs, kernel)
        else:
            y = _wide(inputs, kernel)
        return tf.nn.bias_add(y, tf.convert_to_tensor(self.bias))

    def compute_output_shape(self, shape: Shape) -> Shape:
        height, width = (2 * (side - 1) + self.kernel_size for side in shape[1:3])
        return (shape[0], height, width, self.filters)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
        }


def _from_one_pixel(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """[N, 1, 1, C] -> [N, k, k, F]."""
    k, _, filters, channels = kernel.shape
    flat = tf.reshape(kernel, [k * k * filters, channels])
    y = tf.matmul(tf.reshape(x, [-1, channels]), flat, transpose_b=True)
    return tf.reshape(y, [-1, k, k, filters])


def _wide(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """[N, H, W, C] -> [N, 2H - 2 + k, 2W - 2 + k, F], the library's own form."""
    k, _, filters, _ = kernel.shape
    height, width = (2 * (side - 1) + k for side in x.shape[1:3])
    shape = [tf.shape(x)[0], height, width, filters]
    return tf.nn.conv2d_transpose(x, kernel, shape, 2, "VALID")


@tf.custom_gradient
def _narrow(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """As `_wide`, for few filters: subpixel form forward, strided convolutions backward."""

    def grad(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        to_kernel = tf.raw_ops.Conv2DBackpropFilter(
            input=upstream,
            filter_sizes=kernel.shape,
            out_backprop=x,
            strides=[1, 2, 2, 1],
            padding="VALID",
        )
        return tf.nn.conv2d(upstream, kernel, 2, "VALID"), to_kernel

    return _subpixel(x, kernel), grad


def _subpixel(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Each 2x2 block of outputs is one vector that depends on m x m inputs, m = ceil(k/2)."""
    k, _, filters, channels = kernel.shape
    odd, taps = k % 2, (k + 1) // 2
    kernel = tf.pad(kernel, [[0, odd], [0, odd], [0, 0], [0, 0]])
    blocks = tf.reshape(kernel, [taps, 2, taps, 2, filters, channels])
    blocks = tf.transpose(tf.reverse(blocks, [0, 2]), [0, 2, 5, 1, 3, 4])
    blocks = tf.reshape(blocks, [taps, taps, channels, 4 * filters])
    margin = [taps - 1, taps - 1]
    padded = tf.pad(x, [[0, 0], margin, margin, [0, 0]])
    y = tf.nn.depth_to_space(tf.nn.conv2d(padded, blocks, 1, "VALID"), 2)
    return y[:, :-1, :-1] if odd else y
