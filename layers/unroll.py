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

    # Not part[t], whose gradient is as large as all T of them at each step.
    series = tf.nest.map_structure(
        lambda part: tf.TensorArray(
            part.dtype, length, element_shape=part.shape[1:]
        ).unstack(part),
        inputs,
    )

    def at(t: Any) -> Any:
        return tf.nest.map_structure(lambda array: array.read(t), series)

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
    """Returns a nest of [B, ...] with zeros in the rows where `is_first` [B] bool is set; where none is, as it came."""
    flat = tf.nest.flatten(state)
    is_any = tf.reduce_any(is_first)

    def zero(part: tf.Tensor) -> tf.Tensor:
        flag = tf.reshape(is_first, [-1] + [1] * (part.shape.rank - 1))
        return tf.where(flag, tf.zeros([], part.dtype), part)

    # Large states are not copied at each step of an episode, nor are their gradients.
    @tf.custom_gradient
    def reset(*parts: tf.Tensor) -> tuple[list[tf.Tensor], Callable]:
        after = tf.cond(is_any, lambda: [*map(zero, parts)], lambda: [*parts])
        return after, lambda *slopes: reset(*slopes)

    floats = [i for i, part in enumerate(flat) if part.dtype.is_floating]
    after = {i: zero(part) for i, part in enumerate(flat) if i not in floats}
    after |= zip(floats, reset(*(flat[i] for i in floats)), strict=True)
    return tf.nest.pack_sequence_as(state, [after[i] for i in range(len(flat))])
