import keras
import numpy as np
import pytest
import tensorflow as tf

import layers
from layers.deep_lstm_cell import LSTMState

U, X, B, T = 3, 4, 5, 6
DEPTHS = pytest.mark.parametrize("depth", [1, 2])
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def small_cell(depth, **kwargs):
    cell = layers.DeepLSTMCell(U, depth, **kwargs)
    cell.build((None, X))
    rng = np.random.default_rng(depth)
    cell.set_weights([rng.normal(0, 0.7, x.shape) for x in cell.get_weights()])
    return cell


def random_inputs(seed=0):
    return np.random.default_rng(seed).normal(size=(B, T, X)).astype("float32")


def random_state(depth, seed=1):
    draw = np.random.default_rng(seed).normal(size=(2, B, depth, U))
    return LSTMState(*tf.constant(draw, tf.float32))


def twin_step(weights, x, hidden, cell):
    """One step of every layer in double precision, with Keras' order of the gates."""
    out, hidden, cell = None, hidden.copy(), cell.copy()
    for layer in range(hidden.shape[1]):
        kernel, recurrent, bias = weights[3 * layer : 3 * layer + 3]
        read = x if layer == 0 else np.concatenate([x, out], -1)
        gates = read @ kernel + hidden[:, layer] @ recurrent + bias
        i, f, o = (1 / (1 + np.exp(-gates[:, n * U : (n + 1) * U])) for n in (0, 1, 3))
        candidate = np.tanh(gates[:, 2 * U : 3 * U])
        cell[:, layer] = f * cell[:, layer] + i * candidate
        out = hidden[:, layer] = o * np.tanh(cell[:, layer])
    return hidden.reshape(len(x), -1), hidden, cell


def twin_run(cell, inputs, state):
    weights = [x.astype("float64") for x in cell.get_weights()]
    hidden, memory = (np.asarray(x, "float64") for x in state)
    outputs = []
    for t in range(inputs.shape[1]):
        out, hidden, memory = twin_step(weights, inputs[:, t], hidden, memory)
        outputs.append(out)
    return np.stack(outputs, 1), hidden, memory


@DEPTHS
def test_a_step_from_any_state_is_the_formula_written_out(depth):
    cell, inputs, state = small_cell(depth), random_inputs(), random_state(depth)
    want, hidden, memory = twin_run(cell, inputs[:, :1], state)
    out, after = cell.step(inputs[:, 0], state)
    np.testing.assert_allclose(out, want[:, 0], **CLOSE)
    np.testing.assert_allclose(after.hidden, hidden, **CLOSE)
    np.testing.assert_allclose(after.cell, memory, **CLOSE)


@DEPTHS
@pytest.mark.parametrize("fresh", [True, False])
def test_an_rnn_over_the_cell_is_the_formula_written_out(depth, fresh):
    cell, inputs = small_cell(depth), random_inputs()
    state = cell.initial_state(B) if fresh else random_state(depth)
    rnn = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    start = None if fresh else [tf.reshape(x, [B, -1]) for x in state]
    got, *states = rnn(inputs, initial_state=start)
    want, hidden, memory = twin_run(cell, inputs, state)
    np.testing.assert_allclose(got, want, **CLOSE)
    np.testing.assert_allclose(states[0], hidden.reshape(B, -1), **CLOSE)
    np.testing.assert_allclose(states[1], memory.reshape(B, -1), **CLOSE)


@DEPTHS
def test_an_rnn_over_the_cell_is_its_steps_by_hand(depth):
    cell, inputs = small_cell(depth), random_inputs()
    got = keras.layers.RNN(cell, return_sequences=True)(inputs)
    state = cell.initial_state(B)
    for t in range(T):
        out, state = cell.step(inputs[:, t], state)
        np.testing.assert_allclose(got[:, t], out, **CLOSE)
        np.testing.assert_allclose(out, tf.reshape(state.hidden, [B, -1]))


def test_one_layer_is_the_lstm_of_keras_in_values_and_gradients():
    cell, inputs = small_cell(1), tf.constant(random_inputs())
    lstm = keras.layers.LSTM(U, return_sequences=True)
    lstm.build(inputs.shape)
    lstm.set_weights(cell.get_weights())
    results = []
    for rnn in (keras.layers.RNN(cell, return_sequences=True), lstm):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = rnn(inputs)
            loss = tf.reduce_sum(outputs**2)
        sources = [inputs, *rnn.trainable_weights]
        results.append([outputs, *tape.gradient(loss, sources)])
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@DEPTHS
def test_forget_gates_start_open_and_other_biases_at_zero(depth):
    cell = layers.DeepLSTMCell(U, depth)
    cell.build((None, X))
    weights = cell.get_weights()
    assert len(weights) == 3 * depth
    for layer in range(depth):
        kernel, recurrent, bias = weights[3 * layer : 3 * layer + 3]
        assert kernel.shape == (X if layer == 0 else X + U, 4 * U)
        assert recurrent.shape == (U, 4 * U)
        want = np.repeat([0, 1, 0, 0], U)  # i, f, c, o
        np.testing.assert_array_equal(bias, want)


def test_the_second_layer_reads_the_input_and_the_first_layer_at_the_same_step():
    cell, inputs, state = small_cell(2), random_inputs(), random_state(2)
    weights = cell.get_weights()
    weights[3][X:] = 0  # what the second layer reads of the first
    cut = small_cell(2)
    cut.set_weights(weights)
    x = tf.constant(inputs[:, 0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        tape.watch(state.hidden)
        second, direct = cell.step(x, state)[0][:, U:], cut.step(x, state)[0][:, U:]
    assert np.all(np.any(tape.gradient(direct, x), -1))
    reached = np.any(tape.gradient(second, state.hidden), -1)
    np.testing.assert_array_equal(reached, np.ones((B, 2), bool))
    reached = np.any(tape.gradient(direct, state.hidden), -1)
    np.testing.assert_array_equal(reached, [[False, True]] * B)


@DEPTHS
def test_the_state_starts_at_zero_in_float32_under_bfloat16_too(depth):
    cell = small_cell(depth, dtype="mixed_bfloat16")
    state = cell.initial_state(B)
    for part in state:
        assert part.shape == (B, depth, U) and part.dtype == tf.float32
        assert not np.any(part)
    for part in cell.get_initial_state(B):
        assert part.shape == (B, depth * U) and part.dtype == tf.float32
    inputs = random_inputs()
    out, after = cell.step(inputs[:, 0], state)
    assert {x.dtype for x in (out, *after)} == {tf.float32}
    want, *_ = twin_run(cell, inputs, state)
    np.testing.assert_allclose(out, want[:, 0], **CLOSE)
    got = keras.layers.RNN(cell, return_sequences=True, dtype="float32")(inputs)
    np.testing.assert_allclose(got, want, **CLOSE)


@DEPTHS
def test_a_step_on_bfloat16_is_computed_in_float32(depth):
    cell, state = small_cell(depth, dtype="mixed_bfloat16"), random_state(depth)
    x = tf.cast(random_inputs()[:, 0], tf.bfloat16)
    out, after = cell.step(x, state)
    assert {x.dtype for x in (out, *after)} == {tf.float32}
    want, _ = cell.step(tf.cast(x, tf.float32), state)
    np.testing.assert_allclose(out, want, **CLOSE)
