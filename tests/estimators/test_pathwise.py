import numpy as np
import pytest
import tensorflow as tf

import estimators

LOGITS = np.array([1.0, 0.0, -1.0], "float32")


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("noise", np.eye(3, dtype="float32") * 5)
def test_straight_through_gives_the_published_gradient_whatever_the_sample(noise):
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        sample = estimators.straight_through(logits, noise)
        loss = tf.reduce_sum(sample * [1.0, 2.0, 4.0])
    np.testing.assert_array_equal(sample, np.eye(3)[np.argmax(noise)])
    want = [-0.3424794, 0.1187373, 0.2237422]
    np.testing.assert_allclose(tape.gradient(loss, logits), want, atol=2e-7)


@pytest.mark.parametrize("hard", ["straight_through", "gumbel"])
def test_hard_samples_hold_nothing_but_zeros_and_ones(hard):
    logits = tf.random.stateless_normal([1000, 32], [1, 2]) * 5
    noise = estimators.gumbel_noise([1000, 32], [3, 4])
    if hard == "gumbel":
        sample = estimators.gumbel_softmax(logits, noise, 0.3, hard=True)
    else:
        sample = estimators.straight_through(logits, noise)
    assert sample.dtype == tf.float32
    np.testing.assert_array_equal(
        sample, np.eye(32)[np.argmax(logits.numpy() + noise.numpy(), -1)]
    )


def test_gumbel_argmax_draws_classes_with_their_softmax_probabilities():
    noise = estimators.gumbel_noise([200_000, 3], [5, 6])
    sample = estimators.straight_through(tf.broadcast_to(LOGITS, [200_000, 3]), noise)
    np.testing.assert_allclose(
        tf.reduce_mean(sample, 0), softmax(LOGITS), atol=4 * 0.5 / 200_000**0.5
    )


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_gumbel_softmax_has_the_value_and_gradient_of_the_relaxation(hard, temperature):
    noise = np.array([0.3, 1.2, -0.4], "float32")
    weight = np.array([1.0, 2.0, 4.0], "float32")
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        sample = estimators.gumbel_softmax(logits, noise, temperature, hard)
        loss = tf.reduce_sum(sample * weight)
    relaxed = softmax((LOGITS + noise) / temperature)
    want = np.eye(3)[relaxed.argmax()] if hard else relaxed
    np.testing.assert_allclose(sample, want, rtol=1e-6, atol=1e-7)
    gradient = relaxed * (weight - relaxed @ weight) / temperature
    np.testing.assert_allclose(tape.gradient(loss, logits), gradient, atol=1e-6)


def test_a_temperature_tensor_changes_without_a_new_trace():
    traces = []

    @tf.function
    def sample(temperature):
        traces.append(1)
        return estimators.gumbel_softmax(LOGITS, LOGITS * 0, temperature)

    cold, warm = sample(tf.constant(0.1)), sample(tf.constant(10.0))
    assert float(cold[0]) > float(warm[0])
    assert len(traces) == 1


def test_gumbel_noise_is_finite_reproducible_and_gumbel():
    noise = estimators.gumbel_noise([1_000_000], [7, 8]).numpy()
    assert noise.dtype == np.float32
    assert np.isfinite(noise).all()
    assert abs(noise.mean() - np.euler_gamma) < 0.006
    assert abs(noise.var() - np.pi**2 / 6) < 0.02
    np.testing.assert_array_equal(noise, estimators.gumbel_noise([1_000_000], [7, 8]))
    assert (noise != estimators.gumbel_noise([1_000_000], [7, 9]).numpy()).any()


def test_uniform_noise_stays_inside_the_open_interval():
    noise = estimators.uniform_noise([5_000_000], [1, 1]).numpy()
    assert noise.min() > 0 and noise.max() < 1


def test_scale_gradient_keeps_the_value_and_scales_the_gradient():
    x = tf.constant([0.1, 7.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = estimators.scale_gradient(x, 0.2)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_allclose(tape.gradient(y, x), [0.2, 0.2])


def test_replace_gradient_keeps_the_value_and_moves_the_gradient():
    value, surrogate = tf.constant([1.0]), tf.constant([0.3])
    with tf.GradientTape() as tape:
        tape.watch([value, surrogate])
        y = 3 * estimators.replace_gradient(value, surrogate)
    np.testing.assert_array_equal(y, [3.0])
    to_value, to_surrogate = tape.gradient(y, [value, surrogate])
    np.testing.assert_array_equal(to_value, [0.0])
    np.testing.assert_array_equal(to_surrogate, [3.0])


def test_noise_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="noise has shape"):
        estimators.straight_through(LOGITS, LOGITS[None])


SAMPLERS = {
    "straight_through": {},
    "slope_annealed_straight_through": {"slope": 2.0},
    "reinmax": {},
    "darn": {},
    "gumbel_softmax": {"temperature": 0.5, "hard": True},
    "gumbel_rao": {"seed": [1, 2], "temperature": 0.5},
}
EVERY_SAMPLER = pytest.mark.parametrize("name", SAMPLERS)


@EVERY_SAMPLER
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("shape", [[4], [3, 4], [2, 5, 3, 4]])
def test_ties_give_exactly_one_class_and_gradients_of_the_logits_dtype(
    name, dtype, shape
):
    logits = tf.zeros(shape, dtype)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        z = getattr(estimators, name)(
            logits, noise=tf.zeros(shape, dtype), **SAMPLERS[name]
        )
        loss = tf.reduce_sum(z * [1.0, 2.0, 3.0, 4.0])
    gradient = tape.gradient(loss, logits)
    assert z.dtype == tf.float32 and z.shape == shape
    np.testing.assert_array_equal(z, np.broadcast_to([1, 0, 0, 0], shape))
    assert gradient.dtype == logits.dtype and gradient.shape == shape
    assert np.isfinite(tf.cast(gradient, tf.float32)).all()


@EVERY_SAMPLER
def test_zero_noise_gives_the_mode_of_classes_and_of_bits(name):
    sample = getattr(estimators, name)
    z = sample(LOGITS[None] * [[1], [-1]], noise=np.zeros([2, 3]), **SAMPLERS[name])
    np.testing.assert_array_equal(z, [[1, 0, 0], [0, 0, 1]])
    bits = sample(LOGITS, noise=np.zeros(3), latent="bernoulli", **SAMPLERS[name])
    np.testing.assert_array_equal(bits, [1, 0, 0])


def test_hard_samples_in_half_precision_are_one_hot_in_every_row():
    logits = tf.cast(tf.random.stateless_normal([50_000, 10], [1, 2]), tf.bfloat16)
    noise = estimators.gumbel_noise([50_000, 10], [3, 4])
    z = estimators.gumbel_softmax(logits, noise, 0.5, hard=True).numpy()
    assert set(np.unique(z)) == {0.0, 1.0}
    assert (z.sum(-1) == 1).all()


@pytest.mark.parametrize("shape", [[7, 3], [100_003]])
@pytest.mark.parametrize(
    "draw",
    [estimators.uniform_noise, estimators.gumbel_noise, estimators.logistic_noise],
    ids=lambda draw: draw.__name__,
)
def test_noise_is_the_same_eagerly_in_graphs_and_under_xla(draw, shape):
    want = draw(shape, [11, 3])
    assert want.dtype == tf.float32 and np.isfinite(want).all()
    for jit in (False, True):
        run = tf.function(lambda seed: draw(shape, seed), jit_compile=jit)
        got = run(tf.constant([11, 3]))
        if draw is estimators.uniform_noise:
            np.testing.assert_array_equal(got, want)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_uniform_noise_of_a_seed_stays_what_it_was():
    want = [0.44993877, 0.33454776, 0.65066266, 0.6798283, 0.56118965]
    for seed in ([11, 3], tf.constant([11, 3]), tf.constant([11, 3], tf.int64)):
        np.testing.assert_allclose(estimators.uniform_noise([5], seed), want, rtol=1e-7)


def test_uniform_noise_is_uniform_and_independent_of_its_neighbours():
    u = estimators.uniform_noise([1_000_000], [2, 9]).numpy().astype(float)
    share, _ = np.histogram(u, 100, (0, 1))
    assert np.sum((share - 1e4) ** 2 / 1e4) < 160  # chi squared of 99 degrees
    centred = u - 0.5
    for lag in (1, 2, 3, 4, 1000):
        correlation = np.mean(centred[lag:] * centred[:-lag]) * 12
        assert abs(correlation) < 4.5e-3


def test_logistic_noise_has_the_moments_of_a_logistic_variable():
    noise = estimators.logistic_noise([1_000_000], [7, 8]).numpy()
    assert abs(noise.mean()) < 4.5 * 1.8138 / 1000
    assert abs(noise.var() - np.pi**2 / 3) < 0.03
