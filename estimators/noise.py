"""Random numbers as pure functions of a seed: the same eagerly, in graphs and under XLA."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

Shape = Sequence[Any]  # sizes, numbers or scalar tensors; or an integer tensor

TINY = 2.0**-126  # the smallest normal float32: its double logarithm is finite


def uniform_noise(shape: Shape, seed: tf.Tensor) -> tf.Tensor:
    """Draws u from the open interval (0, 1), by the counter-based generator Philox.

    Args:
        shape: The shape of the result.
        seed: [2] integers; the result is a pure function of it.

    Returns:
        [*shape] float32, a multiple of 2^-23 less than 1; in place of 0 the smallest normal number.
    """
    # XLA draws the same bits as TensorFlow and makes other floats of them, so they are made here.
    bits = tf.random.stateless_uniform(
        shape, seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    low = tf.bitwise.bitwise_and(bits, tf.constant(2**23 - 1, tf.uint32))
    return tf.maximum(tf.cast(low, tf.float32) * 2.0**-23, TINY)


def gumbel_noise(shape: Shape, seed: tf.Tensor) -> tf.Tensor:
    """Draws g = -log(-log(u)), u uniform on (0, 1): Gumbel(0, 1), always finite.

    Args:
        shape: The shape of the result.
        seed: [2] integers; the result is a pure function of it.

    Returns:
        [*shape] float32.

    References:
        Jang et al. 2017 (arXiv 1611.01144), section 2.1.
    """
    return -tf.math.log(-tf.math.log(uniform_noise(shape, seed)))


def logistic_noise(shape: Shape, seed: tf.Tensor) -> tf.Tensor:
    """Draws l = log(u) - log(1 - u): Logistic(0, 1), the difference of two Gumbel(0, 1), always finite.

    Args:
        shape: The shape of the result.
        seed: [2] integers; the result is a pure function of it.

    Returns:
        [*shape] float32.

    References:
        Maddison et al. 2017 (arXiv 1611.00712), section 3.2.
    """
    u = uniform_noise(shape, seed)
    return tf.math.log(u) - tf.math.log1p(-u)
