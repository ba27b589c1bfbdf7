"""FTW's core against a twin in NumPy, and what must hold of two timescales."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import layers
from estimators import gaussian_kl
from layers.unroll import unroll

I, U, Z, N, W, K, B, T = 3, 4, 2, 5, 3, 2, 4, 12  # noqa: E741
BOTH = pytest.mark.parametrize("slots", [N, 0])


def make(period=3, slow_gradient=1.0, slots=N, scale=0.7):
    """A core with random weights, so that nothing is zero by chance."""
    core = layers.TwoTimescaleLSTM(
        U, Z, period, slow_gradient, slots=slots, width=W, heads=K
    )
    core.build((None, I + 1 + Z))
    rng = np.random.default_rng(7)
    for weight in core.trainable_variables:
        weight.assign(rng.normal(0, scale, weight.shape))
    return core


def inputs(steps=T, seed=0, resets=True):
    """x [T, B, I], is_first [T, B] and noise [T, B, Z]; rows 1 and 2 begin anew on the way."""
    rng = np.random.default_rng(seed)
    first = np.zeros((steps, B), bool)
    if resets:
        for step, row in ((4, 1), (3, 2), (4, 2), (10, 2)):
            if step < steps:
                first[step, row] = True
    x = rng.normal(size=(steps, B, I)).astype("float32")
    return x, first, rng.normal(size=(steps, B, Z)).astype("float32")


def run(core, x, first, noise, state=None):
    """The last state and the outputs [T, B, ...]."""
    start = core.initial_state(B) if state is None else state

    def step(state, now):
        return core.step(state, *now)

    parts = tuple(map(tf.convert_to_tensor, (x, first, noise)))
    return unroll(step, parts, start)


def states_of(core, x, first, noise):
    """The state after each step."""
    state, found = core.initial_state(B), []
    for t in range(len(x)):
        state, _ = core.step(state, *map(tf.constant, (x[t], first[t], noise[t])))
        found.append(state)
    return found


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


class TwinMemory:
    """Rows that are written one per step, the least used one when all are full, and read by content."""

    def __init__(self, slots):
        self.rows, self.usage, self.count = np.zeros((slots, W)), np.zeros(slots), 0

    def write(self, value):
        row, slots = self.count, len(self.rows)
        if self.count >= slots:
            row = int(np.argmin(self.usage))
            self.usage[row] = np.delete(self.usage, row).mean()
        self.rows[row] = value
        self.count += 1

    def read(self, keys, sharpness):
        found = []
        for key, beta in zip(keys, sharpness, strict=True):
            lengths = np.linalg.norm(self.rows, axis=1) * np.linalg.norm(key)
            cosine = self.rows @ key / np.where(lengths > 0, lengths, 1)
            weights = np.exp(beta * cosine) / np.exp(beta * cosine).sum()
            self.usage += weights
            found.append(weights @ self.rows)
        return np.concatenate(found)


def twin_core(weights, inputs, state, memory):
    """One of the two networks, for one row: (h, c, read) -> the same, mean and deviation."""
    h, c, read = state
    x = np.concatenate([inputs, read])
    gates = x @ weights["kernel"] + h @ weights["recurrent"] + weights["bias"]
    i, f, g, o = np.split(gates, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    features = h
    if memory is not None:
        memory.write(h @ weights["write_w"] + weights["write_b"])
        interface = h @ weights["read_w"] + weights["read_b"]
        keys = interface[: K * W].reshape(K, W)
        read = memory.read(keys, softplus(interface[K * W :]))
        features = np.concatenate([h, read])
    mean, raw = np.split(features @ weights["stat_w"] + weights["stat_b"], 2)
    return (h, c, read), mean, softplus(raw) * 0.1 / np.log(2) + 1e-6


def twin_run(core, x, first, noise, period, slots):
    """Outputs [T, B, 5Z]: latent, posterior, prior; written from the equations, in double precision."""
    named = ["kernel", "recurrent", "bias", "stat_w", "stat_b"]
    named += ["write_w", "write_b", "read_w", "read_b"] if slots else []
    parts = [
        dict(zip(named, (w.numpy().astype(float) for w in part.weights), strict=True))
        for part in (core.slow, core.fast)
    ]
    out = np.zeros((len(x), B, 5 * Z))
    for b in range(B):
        for t in range(len(x)):
            if t == 0 or first[t, b]:
                slow = fast = (np.zeros(U), np.zeros(U), np.zeros(K * W * bool(slots)))
                z, age = np.zeros(Z), 0
                memory = TwinMemory(slots) if slots else None
            if age % period == 0:
                slow, prior_mean, prior_std = twin_core(parts[0], fast[0], slow, memory)
            fed = np.concatenate([x[t, b], prior_mean, prior_std, z])
            fast, mean, std = twin_core(parts[1], fed, fast, memory)
            z, age = mean + std * noise[t, b], age + 1
            out[t, b] = np.concatenate([z, mean, std, prior_mean, prior_std])
    return out


@BOTH
@pytest.mark.parametrize("period", [1, 3, 7])
def test_the_core_is_the_twin_with_resets_and_a_memory_that_overflows(period, slots):
    core, given = make(period, slots=slots), inputs()
    _, out = run(core, *given)
    found = np.concatenate([out.latent, out.posterior, out.prior], -1)
    wanted = twin_run(core, *given, period, slots)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-4)


@BOTH
def test_an_rnn_over_the_cell_is_the_unrolled_step(slots):
    core, (x, first, noise) = make(slots=slots), inputs()
    _, out = run(core, x, first, noise)
    rnn = keras.layers.RNN(core, return_sequences=True, dtype="float32")
    rows = np.concatenate([x, first[..., None], noise], -1).swapaxes(0, 1)
    flat = np.concatenate([out.latent, out.posterior, out.prior], -1)
    np.testing.assert_allclose(rnn(rows), flat.swapaxes(0, 1), rtol=1e-5, atol=1e-6)


def test_the_slow_network_ticks_by_each_rows_own_count():
    core, given = make(period=3), inputs()
    _, out = run(core, *given)
    first = given[1]
    for b in range(B):
        age = 0
        for t in range(T):
            age = 0 if first[t, b] else age
            assert bool(out.tick[t, b]) == (age % 3 == 0)
            age += 1


def test_between_ticks_the_slow_network_and_its_distribution_are_held_bit_for_bit():
    core, given = make(period=4), inputs(resets=False)
    found = states_of(core, *given)
    for t in range(1, T):
        held = [
            (found[t].slow, found[t - 1].slow),
            (found[t].prior, found[t - 1].prior),
        ]
        same = [
            np.array_equal(a, b)
            for pair in held
            for a, b in zip(*map(tf.nest.flatten, pair), strict=True)
        ]
        assert all(same) if t % 4 else not any(same)
        # It writes at ticks only: one row more per step, two at ticks.
        grown = found[t].memory.count - found[t - 1].memory.count
        assert set(grown.numpy()) == {2 if t % 4 == 0 else 1}


def test_a_pixel_reaches_the_slow_network_at_the_next_tick_and_not_before():
    core, (x, first, noise) = make(period=4), inputs(resets=False)
    changed = x.copy()
    changed[5] += 1.0  # ticks are at 0, 4 and 8
    _, before = run(core, x, first, noise)
    _, after = run(core, changed, first, noise)
    np.testing.assert_array_equal(before.prior[:8], after.prior[:8])
    assert np.all(np.any(before.prior[8].numpy() != after.prior[8].numpy(), -1))
    assert np.all(np.any(before.posterior[5].numpy() != after.posterior[5].numpy(), -1))


@pytest.mark.parametrize("cut", [6, 5, 1])
def test_windows_joined_by_the_state_are_one_window(cut):
    core, given = make(period=4), inputs()
    whole_state, whole = run(core, *given)
    middle, first = run(core, *(part[:cut] for part in given))
    last, second = run(core, *(part[cut:] for part in given), middle)
    for a, b, both in zip(first, second, whole, strict=True):
        np.testing.assert_allclose(tf.concat([a, b], 0), both, rtol=1e-5, atol=1e-6)
    for a, b in zip(*map(tf.nest.flatten, (last, whole_state)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_reset_row_is_a_new_row():
    core, (x, first, noise) = make(), inputs(resets=False)
    first[5, 1] = True
    _, out = run(core, x, first, noise)
    again = (part[5:] for part in (x, np.zeros_like(first), noise))
    _, fresh = run(core, *again)
    for a, b in zip(out, fresh, strict=True):
        np.testing.assert_allclose(a[5:, 1], b[:, 1], rtol=1e-5, atol=1e-6)


def test_a_new_period_needs_no_new_graph():
    core, given = make(period=1), inputs(resets=False)
    compiled = tf.function(lambda *now: run(core, *now))
    ticks = {}
    for period in (1, 4, 7):
        core.period.assign(period)
        _, out = compiled(*map(tf.constant, given))
        ticks[period] = np.flatnonzero(out.tick[:, 0]).tolist()
    assert ticks == {1: list(range(T)), 4: [0, 4, 8], 7: [0, 7]}
    assert compiled.experimental_get_tracing_count() == 1


def gradients(core, loss):
    """The gradients of a loss of the outputs with respect to the slow network's weights."""
    x, first, noise = inputs(resets=False)
    with tf.GradientTape() as tape:
        _, out = run(core, x, first, noise)
        value = loss(out)
    wanted = [weight.value for weight in core.slow.trainable_variables]
    found = tape.gradient(value, wanted, unconnected_gradients="zero")
    return [np.asarray(each) for each in found]


def of_latent(out):
    return tf.reduce_sum(tf.square(out.latent))


def test_the_factor_scales_what_flows_from_fast_to_slow_and_nothing_else():
    whole, none = make(slots=0), make(slots=0)
    none.slow_gradient.assign(0.0)
    np.testing.assert_array_equal(
        run(whole, *inputs())[1].latent, run(none, *inputs())[1].latent
    )
    assert all(np.any(each != 0) for each in gradients(whole, of_latent))
    assert not any(np.any(each != 0) for each in gradients(none, of_latent))

    def kl(out):
        return tf.reduce_sum(gaussian_kl(out.posterior, out.prior))

    # The KL reaches the slow network by its own distribution, whatever the factor.
    assert all(np.any(each != 0) for each in gradients(none, kl))


def test_half_a_factor_halves_the_gradient_of_a_step():
    half, whole = make(slots=0), make(slots=0)
    half.slow_gradient.assign(0.5)
    x, first, noise = (tf.constant(part[0]) for part in inputs(resets=False))

    def of(core):
        with tf.GradientTape() as tape:
            _, out = core.step(core.initial_state(B), x, first, noise)
            value = of_latent(out)
        return tape.gradient(value, [w.value for w in core.slow.statistics.weights])

    for a, b in zip(of(half), of(whole), strict=True):
        np.testing.assert_allclose(a, b / 2, rtol=1e-5, atol=1e-8)


def test_the_latent_is_the_mean_plus_noise_times_the_deviation_and_trains_both():
    core, (x, first, noise) = make(), inputs()
    _, out = run(core, x, first, noise)
    mean, std = tf.split(out.posterior, 2, -1)
    np.testing.assert_allclose(out.latent, mean + std * noise, rtol=1e-5, atol=1e-6)
    assert np.all(std > 0)
    with tf.GradientTape() as tape:
        _, again = run(core, x, first, noise)
        value = of_latent(again)
    kernel = tape.gradient(value, core.fast.statistics.kernel.value).numpy()
    assert np.all(np.any(kernel != 0, 0))  # every mean and every deviation


def test_what_the_slow_network_writes_the_fast_one_reads_in_the_same_step():
    core = make(period=4)
    x, first, noise = (tf.constant(part[0]) for part in inputs())
    state, _ = core.step(core.initial_state(B), x, first, noise)
    written = core.slow.written(state.slow.hidden)
    np.testing.assert_allclose(state.memory.rows[:, 0], written, rtol=1e-6)
    own = core.fast.written(state.fast.hidden)
    np.testing.assert_allclose(state.memory.rows[:, 1], own, rtol=1e-6)


def test_deviations_begin_at_a_tenth():
    core = layers.TwoTimescaleLSTM(U, Z, slots=N, width=W)
    core.build((None, I + 1 + Z))
    x, first, noise = (tf.zeros_like(part[0]) for part in inputs())
    _, out = core.step(core.initial_state(B), x, first, noise)
    # The slow network's hidden state is zero at first; what it reads is its own first row.
    np.testing.assert_allclose(out.prior[:, Z:], np.full((B, Z), 0.1), atol=0.05)


def test_period_and_factor_go_with_the_config():
    core = make(period=5, slow_gradient=0.25)
    core.period.assign(9)
    again = layers.TwoTimescaleLSTM.from_config(core.get_config())
    again.build((None, I + 1 + Z))
    assert (int(again.period), float(again.slow_gradient)) == (9, 0.25)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"period": 0}, "period must be at least 1, got 0"),
        ({"slow_gradient": 1.5}, "slow_gradient must be in"),
        ({"slots": -1}, "slots must be 0 or more"),
        ({"heads": 0}, "heads must be at least 1"),
    ],
)
def test_bad_sizes_are_told_in_one_sentence(options, said):
    with pytest.raises(ValueError, match=said):
        layers.TwoTimescaleLSTM(U, Z, **options)
