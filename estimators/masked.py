"""Means over what counts."""

import tensorflow as tf


def masked_mean(x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns the mean of x [...] where the mask [...] is 1; 0 if it is nowhere."""
    return tf.math.divide_no_nan(tf.reduce_sum(x * mask), tf.reduce_sum(mask))
