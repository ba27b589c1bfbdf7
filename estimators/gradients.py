"""Values whose gradient is another one than their own."""

from collections.abc import Callable

import tensorflow as tf


@tf.custom_gradient
def replace_gradient(
    value: tf.Tensor, surrogate: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns `value` bit for bit; backward, d result := d surrogate.

    Unlike value + surrogate - stop_gradient(surrogate) this rounds nothing.

    Args:
        value: [...], the result; it gets no gradient.
        surrogate: [...], the same shape and dtype, which gets the whole gradient.

    Returns:
        [...], `value`.

    References:
        Bengio et al. 2013 (arXiv 1308.3432).
    """
    return tf.identity(value), lambda upstream: (tf.zeros_like(upstream), upstream)


def scale_gradient(tensor: tf.Tensor, scale: float | tf.Tensor) -> tf.Tensor:
    """Returns `tensor` [...] itself; backward, its gradient is multiplied by `scale`."""

    @tf.custom_gradient
    def scaled(inner: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return tf.identity(inner), lambda upstream: upstream * scale

    return scaled(tensor)


def attach_gradient(
    value: tf.Tensor, tensor: tf.Tensor, gradient: tf.Tensor
) -> tf.Tensor:
    """Returns `value` bit for bit, with its own gradient and, towards `tensor`, `gradient` as well.

    Args:
        value: [*B].
        tensor: [*B, *E], the variable of the estimate.
        gradient: [*B, *E], what d value / d tensor is to be increased by; a constant.

    Returns:
        [*B], `value`.
    """
    rank = value.shape.rank

    @tf.custom_gradient
    def attached(
        value: tf.Tensor, tensor: tf.Tensor, gradient: tf.Tensor
    ) -> tuple[tf.Tensor, Callable]:
        def backward(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            ones = tf.ones(tensor.shape.rank - rank, tf.int32)
            spread = tf.reshape(upstream, tf.concat([tf.shape(upstream), ones], 0))
            return upstream, spread * gradient, tf.zeros_like(gradient)

        return tf.identity(value), backward

    return attached(value, tensor, tf.stop_gradient(gradient))
