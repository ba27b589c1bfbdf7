import keras
import numpy as np
import pytest
import tensorflow as tf

import layers
from layers import memory
from tests.layers.test_memory import FORMS, Twin

H, Z, K, N, B, T = 3, 2, 2, 5, 4, 12
EVERY_FORM = pytest.mark.parametrize("form", FORMS)


def small_cell(form="a", slots=N, scale=1.0, **kwargs):
    """A cell whose keys are random, so that its reads differ from row to row."""
    cell = layers.MERLINMemoryCell(
        slots, Z, controller=H, heads=K, form=form, decay=0.8, **kwargs
    )
    cell.build()
    rng = np.random.default_rng(5)
    cell.set_weights([rng.normal(0, scale, x.shape) for x in cell.get_weights()])
    return cell


def random_inputs(steps=T, seed=0):
    """[B, T, H + Z + 1]; row 0 is never first, row 1 at step 4, row 2 at 3 and 9, row 3 at 0 and 1."""
    x = np.random.default_rng(seed).normal(size=(B, steps, H + Z + 1))
    x[..., -1] = 0
    for row, step in ((1, 4), (2, 3), (2, 9), (3, 0), (3, 1)):
        x[row, step, -1] = 1
    return x.astype("float32")


def unroll(cell, inputs, initial_state=None):
    """The outputs and the last states of an RNN over the cell."""
    rnn = keras.layers.RNN(
        cell, return_sequences=True, return_state=True, dtype="float32"
    )
    outputs, *states = rnn(inputs, initial_state=initial_state)
    return outputs, states


def twin_reads(cell, inputs, form, slots=N):
    """The reads [B, T, K * W] and the last memory of each batch row, in double precision."""
    kernel, bias = (x.astype("float64") for x in cell.get_weights())
    width = Z if form == "none" else 2 * Z
    reads, twins = [], []
    for row in inputs.astype("float64"):
        twin = Twin(slots, width)
        for x in row:
            if x[-1]:
                twin = Twin(slots, width)
            interface = x[:H] @ kernel + bias
            keys = interface[: K * width].reshape(K, width)
            sharpness = np.log1p(np.exp(interface[K * width :]))
            read, weights = twin.read(keys, sharpness)
            twin.use(weights)
            twin.write(x[H:-1], form, 0.8)
            reads.append(read.reshape(-1))
        twins.append(twin)
    return np.reshape(reads, (len(inputs), -1, K * width)), twins


@EVERY_FORM
def test_an_rnn_over_the_cell_is_the_twin_with_resets_and_overflow(form):
    cell, inputs = small_cell(form), random_inputs()
    got, states = unroll(cell, inputs)
    want, twins = twin_reads(cell, inputs, form)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    fields = dict(zip(memory.Memory._fields, states, strict=True))
    if form == "none":
        del fields["trace"]
    for name, state in fields.items():
        flat = np.stack([np.ravel(getattr(twin, name)) for twin in twins])
        assert state.dtype == tf.float32
        np.testing.assert_allclose(state, flat, rtol=1e-4, atol=1e-5, err_msg=name)
    assert [twin.count for twin in twins] == [12, 8, 3, 11]
    plain = keras.layers.RNN(cell, return_sequences=True, dtype="float32")
    np.testing.assert_array_equal(plain(inputs), got)


@EVERY_FORM
def test_an_rnn_over_the_cell_is_its_steps_by_hand(form):
    cell, inputs = small_cell(form), random_inputs()
    got, states = unroll(cell, inputs)
    state = cell.initial_state(B)
    for t in range(T):
        state = memory.reset(state, tf.constant(inputs[:, t, -1] > 0))
        state, read, weights = cell.step(state, inputs[:, t, :H], inputs[:, t, H:-1])
        np.testing.assert_allclose(got[:, t], read, rtol=1e-5, atol=1e-6)
        assert weights.shape == (B, K, N)
        np.testing.assert_allclose(np.sum(weights, -1), 1, rtol=1e-6)
    for flat, part in zip(states, state, strict=True):
        part = np.reshape(part, (B, -1))
        np.testing.assert_allclose(flat, part, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", ["a", "b"])
def test_forty_steps_are_two_windows_of_twenty_with_the_state_carried(form):
    cell, inputs = small_cell(form, slots=7), random_inputs(40)
    inputs[2, 20, -1] = 1
    want, want_states = unroll(cell, inputs)
    first, states = unroll(cell, inputs[:, :20])
    second, states = unroll(cell, inputs[:, 20:], states)
    got = np.concatenate([first, second], 1)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    for carried, whole in zip(states, want_states, strict=True):
        np.testing.assert_allclose(carried, whole, rtol=1e-5, atol=1e-6)


@EVERY_FORM
def test_a_row_that_is_reset_goes_on_as_a_fresh_cell(form):
    cell, inputs = small_cell(form), random_inputs()
    got, states = unroll(cell, inputs)
    for row, begin in ((1, 4), (2, 9), (3, 1)):
        later = inputs[row : row + 1, begin:].copy()
        later[..., -1] = 0
        fresh, fresh_states = unroll(cell, later)
        np.testing.assert_allclose(got[row, begin:], fresh[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(got[row, begin], np.zeros(got.shape[-1]))
        for state, want in zip(states, fresh_states, strict=True):
            np.testing.assert_allclose(state[row], want[0], rtol=1e-5, atol=1e-6)


def test_a_reset_of_some_rows_changes_no_other_row():
    cell, inputs = small_cell(), random_inputs()
    got, _ = unroll(cell, inputs)
    inputs[1:, 1:, -1] = 0
    without, _ = unroll(cell, inputs)
    np.testing.assert_array_equal(got[0], without[0])
    assert np.all(np.any(got[1:] != without[1:], (1, 2)))


def test_no_gradient_and_no_value_crosses_a_reset():
    cell, inputs = small_cell(), tf.constant(random_inputs())
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs, _ = unroll(cell, inputs)
        loss = tf.reduce_sum(outputs[1, 4:] ** 2)
    gradient = tape.gradient(loss, inputs).numpy()
    np.testing.assert_array_equal(gradient[1, :4], np.zeros((4, H + Z + 1)))
    assert np.all(np.any(gradient[1, 4:-1, H:-1], -1))


@pytest.mark.parametrize("at", [0, 1, 6, T - 1])
def test_the_read_of_a_step_does_not_depend_on_the_value_of_that_step(at):
    cell, inputs = small_cell(), random_inputs()
    inputs[..., -1] = 0
    want, _ = unroll(cell, inputs)
    inputs[:, at, H:-1] += 1
    got, _ = unroll(cell, inputs)
    np.testing.assert_array_equal(got[:, : at + 1], want[:, : at + 1])
    if at + 1 < T:
        assert np.all(np.any(got[:, at + 1] != want[:, at + 1], -1))


@EVERY_FORM
@pytest.mark.parametrize("stop", [False, True])
def test_a_read_trains_the_values_written_before_unless_writes_are_stopped(form, stop):
    cell = small_cell(form, slots=9, stop_write=stop, scale=0.5)
    inputs = random_inputs()[:, :6]
    inputs[..., -1] = 0
    inputs = tf.constant(inputs)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        outputs, _ = unroll(cell, inputs)
        losses = [tf.reduce_sum(outputs[:, t] ** 2) for t in range(6)]
    for t, loss in enumerate(losses):
        gradient = tape.gradient(loss, inputs).numpy()
        aims, values = gradient[..., :H], gradient[..., H:-1]
        reached = np.any(values, -1)
        assert not reached[:, t:].any()
        assert np.all(reached[:, :t] != stop)
        assert not np.any(np.delete(aims, t, 1))
        assert t == 0 or np.all(np.any(aims[:, t], -1))


def test_stopping_writes_changes_no_value():
    inputs = random_inputs()
    free, _ = unroll(small_cell(), inputs)
    stopped, _ = unroll(small_cell(stop_write=True), inputs)
    np.testing.assert_array_equal(free, stopped)


def test_the_state_starts_empty_with_the_documented_shapes():
    for form, width in (("a", 2 * Z), ("none", Z)):
        cell = small_cell(form)
        state = cell.initial_state(B)
        assert state.rows.shape == (B, N, width)
        assert state.written.shape == state.trace.shape == state.usage.shape == (B, N)
        assert state.count.shape == (B,) and state.count.dtype == tf.int32
        assert not any(np.any(part) for part in state)
        flat = cell.get_initial_state(B)
        assert [x.shape[0] for x in flat] == [B] * 5
        assert [x.dtype for x in flat] == [tf.float32] * 5
        assert [int(np.prod(x.shape[1:])) for x in flat] == [N * width, N, N, N, 1]
        assert unroll(cell, random_inputs())[0].shape == (B, T, K * width)


def test_a_cell_under_bfloat16_computes_in_float32():
    cell, inputs = small_cell(dtype="mixed_bfloat16"), random_inputs()
    got, states = unroll(cell, inputs)
    assert {x.dtype for x in (got, *states)} == {tf.float32}
    np.testing.assert_allclose(
        got, twin_reads(cell, inputs, "a")[0], rtol=1e-4, atol=1e-5
    )


def test_a_compiled_run_of_unknown_batch_and_length_is_the_eager_one():
    cell, inputs = small_cell(), random_inputs()
    rnn = keras.layers.RNN(cell, return_sequences=True, dtype="float32")
    want = rnn(inputs)
    spec = tf.TensorSpec([None, None, H + Z + 1])
    compiled = tf.function(rnn, input_signature=[spec])
    np.testing.assert_allclose(compiled(inputs), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decay", [-0.1, 1.1])
def test_a_decay_outside_zero_and_one_is_an_error(decay):
    with pytest.raises(ValueError, match=r"decay.*1\.1|decay.*-0\.1"):
        layers.MERLINMemoryCell(N, Z, controller=H, decay=decay)


@pytest.mark.parametrize("key", ["slots", "size", "controller", "heads"])
def test_a_size_below_one_is_an_error(key):
    sizes = {"slots": N, "size": Z, "controller": H, "heads": K} | {key: 0}
    with pytest.raises(ValueError, match=f"{key}=0 came, but a number of at least 1"):
        layers.MERLINMemoryCell(**sizes)


def test_inputs_of_another_width_are_an_error_that_says_what_belongs_into_them():
    cell = small_cell()
    with pytest.raises(ValueError, match=r"7 numbers came, but 6 .*controller=3, size"):
        cell(tf.zeros([B, H + Z + 2]), cell.get_initial_state(B))


def test_an_unknown_form_is_named_in_the_error():
    with pytest.raises(ValueError, match=r"form.*'d'|'d'.*form"):
        layers.MERLINMemoryCell(N, Z, controller=H, form="d")
