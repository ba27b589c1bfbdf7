"""Log-likelihoods whose parameters are the plain outputs of a network."""

import math

import tensorflow as tf

from estimators import shapes

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def unit_normal_log_prob(
    mean: tf.Tensor, value: tf.Tensor, event_rank: int = 0
) -> tf.Tensor:
    """log p(x) = sum_i -(x_i - mu_i)^2 / 2 - log(2 pi) / 2, a normal of unit variance.

    Args:
        mean: [..., *E], mu.
        value: [..., *E], x.
        event_rank: The rank of E, summed over: 0 for scalars, 3 for images.

    Returns:
        [...] float32.

    Raises:
        ValueError: If the shapes differ.
    """
    mean, value = tf.cast(mean, tf.float32), tf.cast(value, tf.float32)
    shapes.check_same(mean=mean, value=value)
    square = tf.math.squared_difference(value, mean)
    if not event_rank:
        return -0.5 * square - HALF_LOG_2PI
    axes = list(range(-event_rank, 0))
    count = tf.cast(tf.reduce_prod(tf.shape(mean)[-event_rank:]), tf.float32)
    return -0.5 * tf.reduce_sum(square, axes) - count * HALF_LOG_2PI


def bernoulli_log_prob(logits: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """log p(y) = -(y softplus(-l) + (1 - y) softplus(l)), the target y soft or hard.

    Args:
        logits: [...], l.
        target: [...], y in [0, 1].

    Returns:
        [...] float32.

    Raises:
        ValueError: If the shapes differ.
    """
    logits, target = tf.cast(logits, tf.float32), tf.cast(target, tf.float32)
    shapes.check_same(logits=logits, target=target)
    return -(
        target * tf.math.softplus(-logits) + (1 - target) * tf.math.softplus(logits)
    )
