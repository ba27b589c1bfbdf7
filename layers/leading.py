"""Leading dimensions: merged around nets that want exactly one, then restored."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Shape = tuple[Any, ...]  # sizes; None where unknown


def merge(
    x: tf.Tensor, event_rank: int
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Flattens [*L, *E] to [prod L, *E].

    Args:
        x: [*L, *E], E of static shape.
        event_rank: The rank of E.

    Returns:
        The flattened tensor, and a function [prod L, *F] -> [*L, *F].
    """
    split = x.shape.rank - event_rank
    static, dynamic = x.shape[:split], tf.shape(x)[:split]

    def restore(y: tf.Tensor) -> tf.Tensor:
        if split == 1:
            return y
        event = y.shape[1:]
        if static.is_fully_defined():
            return tf.reshape(y, static + event)
        y = tf.reshape(y, tf.concat([dynamic, event], 0))
        return tf.ensure_shape(y, static + event)

    return tf.reshape(x, [-1, *x.shape[split:]]), restore
