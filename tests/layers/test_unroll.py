"""Folding over time, against a Python loop and tf.scan."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from layers.unroll import unroll

T, B, S = 5, 2, 3
KERNEL = np.random.default_rng(9).normal(0, 0.6, (S, S)).astype("float32")
LENGTHS = pytest.mark.parametrize("steps", [1, 2, T])
KNOWN = pytest.mark.parametrize("known", ["all", "length", "batch", "none"])


class Inputs(NamedTuple):
    push: tf.Tensor
    extra: dict


class State(NamedTuple):
    wide: tf.Tensor
    count: tf.Tensor


def step(state, inputs):
    """Nested inputs, state and outputs of several dtypes, and a state that is not put out."""
    kept = tf.where(inputs.extra["first"][:, None], 0.0, state.wide)
    wide = tf.tanh(kept @ KERNEL + inputs.push) * inputs.extra["scale"]
    count = state.count + tf.cast(inputs.extra["first"], tf.int32)
    outputs = {"sum": tf.reduce_sum(wide, -1), "both": (kept * inputs.push, count)}
    return State(wide, count), outputs


def nested_inputs(steps=T):
    rng = np.random.default_rng(steps)
    push = tf.constant(rng.normal(size=(steps, B, S)), tf.float32)
    first = tf.constant(rng.uniform(size=(steps, B)) < 0.3)
    scale = tf.constant(rng.normal(size=steps), tf.float32)
    inputs = Inputs(push, {"first": first, "scale": scale})
    wide = tf.constant(rng.normal(size=(B, S)), tf.float32)
    return inputs, State(wide, tf.zeros([B], tf.int32))


def loop(inputs, state):
    """The oracle: a Python loop."""
    outputs = []
    for t in range(len(inputs.push)):
        now = tf.nest.map_structure(lambda x, t=t: x[t], inputs)
        state, out = step(state, now)
        outputs.append(out)
    return state, tf.nest.map_structure(lambda *xs: tf.stack(xs), *outputs)


def scan(inputs, state):
    """The same with tf.scan, which stacks the states too."""
    now = tf.nest.map_structure(lambda x: x[0], inputs)
    _, like = step(state, now)
    states, outputs = tf.scan(
        lambda carry, now: step(carry[0], now), inputs, (state, like)
    )
    return tf.nest.map_structure(lambda x: x[-1], states), outputs


def results(fold, inputs, state):
    """Values, and the gradients of a loss of outputs and last state."""
    sources = [inputs.push, inputs.extra["scale"], state.wide]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        last, outputs = fold(inputs, state)
        weight = tf.range(1.0, tf.cast(tf.shape(outputs["sum"])[0], tf.float32) + 1)
        loss = tf.reduce_sum(weight[:, None] * outputs["sum"] ** 2)
        loss += tf.reduce_sum(outputs["both"][0] ** 2) + tf.reduce_sum(last.wide**3)
    return last, outputs, tape.gradient(loss, sources)


def assert_same(got, want):
    tf.nest.assert_same_structure(got, want)
    for a, b in zip(tf.nest.flatten(got), tf.nest.flatten(want), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def folded(inputs, state):
    return unroll(step, inputs, state)


def specs(inputs, state, known):
    """Signatures of which length, batch, both or neither is known."""

    def of_input(x):
        shape = list(x.shape)
        shape[0] = shape[0] if known in ("all", "length") else None
        if len(shape) > 1 and known not in ("all", "batch"):
            shape[1] = None
        return tf.TensorSpec(shape, x.dtype)

    def of_state(x):
        batch = x.shape[0] if known in ("all", "batch") else None
        return tf.TensorSpec([batch, *x.shape[1:]], x.dtype)

    return [
        tf.nest.map_structure(of_input, inputs),
        tf.nest.map_structure(of_state, state),
    ]


@LENGTHS
@pytest.mark.parametrize("oracle", [loop, scan])
def test_an_eager_unroll_is_the_loop_in_values_and_gradients(steps, oracle):
    inputs, state = nested_inputs(steps)
    assert_same(results(folded, inputs, state), results(oracle, inputs, state))


@LENGTHS
@KNOWN
def test_a_compiled_unroll_is_the_loop_whatever_sizes_are_known(steps, known):
    inputs, state = nested_inputs(steps)
    compiled = tf.function(
        lambda inputs, state: results(folded, inputs, state),
        input_signature=specs(inputs, state, known),
    )
    assert_same(compiled(inputs, state), results(loop, inputs, state))


@KNOWN
def test_a_tape_around_a_compiled_unroll_gives_the_gradients_of_the_loop(known):
    inputs, state = nested_inputs()
    compiled = tf.function(folded, input_signature=specs(inputs, state, known))
    got, want = results(compiled, inputs, state), results(loop, inputs, state)
    assert_same(got, want)


def test_a_graph_of_unknown_length_serves_every_length():
    compiled = tf.function(folded, input_signature=specs(*nested_inputs(), "none"))
    for steps in (1, 3, T):
        inputs, state = nested_inputs(steps)
        assert_same(compiled(inputs, state), loop(inputs, state))


@pytest.mark.parametrize("known", ["all", "none"])
def test_variables_used_in_the_step_get_the_gradients_of_the_loop(known):
    kernel = tf.Variable(KERNEL)
    inputs, state = nested_inputs()

    def own_step(carry, push):
        carry = tf.tanh(carry @ kernel + push)
        return carry, carry[:, 0]

    def slope(push, carry, by_hand=False):
        with tf.GradientTape() as tape:
            if by_hand:
                outputs = []
                for now in push:
                    carry, out = own_step(carry, now)
                    outputs.append(out)
                outputs = tf.stack(outputs)
            else:
                carry, outputs = unroll(own_step, push, carry)
            loss = tf.reduce_sum(outputs**2) + tf.reduce_sum(carry)
        return tape.gradient(loss, kernel)

    shapes = ([T, B, S], [B, S]) if known == "all" else ([None] * 3, [None, S])
    signature = [tf.TensorSpec(shape) for shape in shapes]
    compiled = tf.function(slope, input_signature=signature)
    want = slope(inputs.push, state.wide, by_hand=True)
    for got in (slope(inputs.push, state.wide), compiled(inputs.push, state.wide)):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_a_single_tensor_goes_in_and_comes_out_as_one():
    last, outputs = unroll(
        lambda total, x: (total + x, total), tf.constant([1, 2, 3, 4]), tf.constant(10)
    )
    assert int(last) == 20
    np.testing.assert_array_equal(outputs, [10, 11, 13, 16])


def all_ops(graph):
    """The operations of a graph and of every function in it."""
    yield from graph.get_operations()
    for name in graph._functions:
        yield from graph._get_function(name).graph.get_operations()


@pytest.mark.parametrize("steps", [7, None])
def test_a_large_state_is_not_stacked_over_time(steps):
    def count(carry, x):
        return carry + x, tf.reduce_max(carry)

    @tf.function(input_signature=[tf.TensorSpec([steps]), tf.TensorSpec([11, 13])])
    def total(x, carry):
        return unroll(count, x, carry)

    last, outputs = total(tf.ones(7), tf.zeros([11, 13]))
    np.testing.assert_array_equal(last, np.full((11, 13), 7))
    np.testing.assert_array_equal(outputs, np.arange(7))
    graph = total.get_concrete_function().graph
    shapes = [x.shape for op in all_ops(graph) for x in op.outputs]
    large = [s for s in shapes if s.rank is not None and s[-2:] == [11, 13]]
    assert large and not [s for s in large if s.rank > 2]
    stacked = [op for op in all_ops(graph) if op.type == "TensorListReserve"]
    assert len(stacked) <= 1  # for the outputs; an unrolled graph has none
