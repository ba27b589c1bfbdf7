"""Products with the weights of a dense layer, in a chosen dtype."""

import keras
import tensorflow as tf


def affine(dense: keras.layers.Dense, x: tf.Tensor, dtype: str) -> tf.Tensor:
    """W x (+ b): the product in `dtype`, the sum and the result in float32.

    Usable outside of `__call__`, where Keras casts nothing.

    Args:
        dense: A built layer; its activation is not applied.
        x: [..., D].
        dtype: Of the matrix product.

    Returns:
        [..., units] float32.
    """
    kernel = tf.cast(dense.kernel.value, dtype)
    x = tf.cast(x, dtype)
    if x.shape.rank == 2:
        y = tf.matmul(x, kernel)
    else:
        y = tf.tensordot(x, kernel, 1)
    y = tf.cast(y, tf.float32)
    return y + tf.cast(dense.bias.value, tf.float32) if dense.use_bias else y
