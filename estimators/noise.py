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
        [*shape] float32, at least the smallest normal number, less than 1.
    """
    return tf.random.stateless_uniform(
        shape, seed, minval=TINY, maxval=1.0, alg="philox"
    )


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
