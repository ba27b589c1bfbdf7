"""Recurrence: a step over time, and states that begin anew."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def unroll(
    step: Callable[[Any, Any], tuple[Any, Any]], inputs: Any, state: Any
) -> tuple[Any, Any]:
    """Folds a step over the first axis; unlike `tf.scan` it does not stack the states, which may be large.

    Args:
        step: (state, inputs of one step) -> (next state, outputs of that step); nests of tensors.
        inputs: A nest of [T, ...], T at least 1.
        state: The state before the first step; a nest whose shapes stay.

    Returns:
        The last state, and the outputs as a nest of [T, ...].
    """
    flat = tf.nest.flatten(inputs)
    length = flat[0].shape[0] or tf.shape(flat[0])[0]

    def at(t: Any) -> Any:
        return tf.nest.map_structure(lambda part: part[t], inputs)

    # The first step outside of the loop tells the outputs' shapes.
    state, outputs = step(state, at(0))
    arrays = tf.nest.map_structure(
        lambda part: tf.TensorArray(part.dtype, length, element_shape=part.shape).write(
            0, part
        ),
        outputs,
    )

    def body(t: tf.Tensor, state: Any, arrays: Any) -> tuple[tf.Tensor, Any, Any]:
        state, outputs = step(state, at(t))
        arrays = tf.nest.map_structure(
            lambda array, part: array.write(t, part), arrays, outputs
        )
        return t + 1, state, arrays

    _, state, arrays = tf.while_loop(
        lambda t, *_: t < length,
        body,
        (tf.constant(1), state, arrays),
        maximum_iterations=length,
    )
    return state, tf.nest.map_structure(lambda array: array.stack(), arrays)


def reset_rows(state: Any, is_first: tf.Tensor) -> Any:
    """Returns a nest of [B, ...] with zeros in the rows where `is_first` [B] bool is set."""

    def reset(part: tf.Tensor) -> tf.Tensor:
        flag = is_first[(..., *[tf.newaxis] * (part.shape.rank - 1))]
        return tf.where(flag, tf.zeros([], part.dtype), part)

    with tf.name_scope("reset"):  # by which profiles find it
        return tf.nest.map_structure(reset, state)
