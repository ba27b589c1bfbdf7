import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import layers

GRID = np.linspace(-1, 1, 400_001)


def truncated(mean, std):
    """Parameters [1, 2] of one truncated normal."""
    return tf.constant([[mean, std]], tf.float32)


def density(mean, std):
    """The truncated normal's density on the grid, normalised by integration."""
    bell = np.exp(-0.5 * ((GRID - mean) / std) ** 2)
    return bell / np.trapezoid(bell, GRID)


def constant_head(head, mean_bias, std_bias):
    """A head that gives the same raw outputs for all features."""
    head.build((None, 3))
    head.mean_dense.set_weights([np.zeros((3, 1)), np.array([mean_bias])])
    head.std_dense.set_weights([np.zeros((3, 1)), np.array([std_bias])])
    return head


def test_truncated_normal_gives_the_published_numbers():
    head = constant_head(layers.TruncatedNormalHead(1), 0.3, -0.4)
    parameters = head(tf.ones([1, 3]))
    np.testing.assert_allclose(parameters, [[0.2913126, 1.000332]], rtol=1e-6)
    value = tf.constant([[0.5]])
    np.testing.assert_allclose(head.mode(parameters), [[0.2913126]], rtol=1e-6)
    np.testing.assert_allclose(head.log_prob(parameters, value), [-0.5289882], 1e-6)
    np.testing.assert_allclose(head.entropy(parameters), [0.6722194], rtol=1e-6)
    distribution = head.distribution(parameters)
    np.testing.assert_allclose(distribution.log_prob(value), [-0.5289882], rtol=1e-6)
    np.testing.assert_allclose(distribution.entropy(), [0.6722194], rtol=1e-5)
    np.testing.assert_allclose(distribution.mode(), [[0.2913126]], rtol=1e-6)


@pytest.mark.parametrize("mean", [-0.99, 0.0, 0.7, 1.0])
@pytest.mark.parametrize("std", [0.1, 0.5, 2.1])
def test_truncated_normal_agrees_with_numerical_integration(mean, std):
    head, parameters = layers.TruncatedNormalHead(1), truncated(mean, std)
    p = density(mean, std)
    entropy = -np.trapezoid(p * np.log(np.maximum(p, 1e-300)), GRID)
    np.testing.assert_allclose(head.entropy(parameters), [entropy], atol=2e-5)
    for i in (150_000, 200_000, 380_000):
        got = head.log_prob(parameters, tf.constant([[GRID[i]]], tf.float32))
        np.testing.assert_allclose(got, [np.log(p[i])], rtol=1e-4, atol=1e-4)


def test_truncated_normal_gives_no_probability_outside_of_its_interval():
    head = layers.TruncatedNormalHead(1)
    outside = head.log_prob(truncated(0.0, 1.0), tf.constant([[1.01]]))
    assert np.isneginf(outside).all()


@pytest.mark.parametrize(("mean", "std"), [(0.3, 0.4), (-0.9, 1.0), (0.99, 0.1)])
def test_truncated_normal_samples_have_its_quantiles(mean, std):
    head = layers.TruncatedNormalHead(1)
    u = np.linspace(0.01, 0.99, 99)
    p = density(mean, std)
    cumulative = np.concatenate([[0], np.cumsum((p[1:] + p[:-1]) / 2)]) * 2 / 400_000
    want = np.interp(u, cumulative, GRID)
    parameters = tf.repeat(truncated(mean, std), 99, 0)
    got = head.sample(parameters, tf.constant(u[:, None], tf.float32))
    np.testing.assert_allclose(got[:, 0], want, atol=2e-5)


def test_truncated_normal_samples_carry_the_gradient_of_the_quantile():
    head, noise = layers.TruncatedNormalHead(1), tf.constant([[0.3]])
    parameters = truncated(0.2, 0.6)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        sample = head.sample(parameters, noise)
    got = tape.gradient(sample, parameters).numpy()[0]
    for i, direction in enumerate(([[1.0, 0.0]], [[0.0, 1.0]])):
        shift = 1e-2 * np.array(direction, "float32")
        above, below = (head.sample(parameters + s, noise) for s in (shift, -shift))
        np.testing.assert_allclose(got[i], (above - below)[0, 0] / 2e-2, rtol=1e-2)


@pytest.mark.parametrize("u", [2.0**-126, 1e-7, 0.5, 1 - 2.0**-24])
@pytest.mark.parametrize(("mean", "std"), [(-1.0, 0.1), (1.0, 0.1), (1.0, 2.1)])
def test_truncated_normal_is_finite_at_the_edges(mean, std, u):
    head, parameters = layers.TruncatedNormalHead(1), truncated(mean, std)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        sample = head.sample(parameters, tf.constant([[u]]))
        log_prob = head.log_prob(parameters, sample)
    assert np.abs(sample).max() <= 1 - 1e-6 + 1e-9
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient([sample, log_prob], parameters)).all()


def test_a_clipped_sample_keeps_its_gradient():
    head, parameters = layers.TruncatedNormalHead(1), truncated(0.0, 2.0)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        sample = head.sample(parameters, tf.constant([[1 - 2.0**-24]]))
    np.testing.assert_allclose(sample, [[1 - 1e-6]], rtol=1e-7)
    assert np.isfinite(tape.gradient(sample, parameters)).all()


def test_bernoulli_gives_the_published_numbers():
    head, logit = layers.BernoulliHead(), tf.constant([2.0])
    soft, zero = tf.constant([0.999]), tf.constant([0.0])
    for log_prob in (
        lambda y: head.log_prob(logit, y),
        head.distribution(logit).log_prob,
    ):
        np.testing.assert_allclose(log_prob(soft), [-0.12892798], rtol=1e-6)
        np.testing.assert_allclose(log_prob(zero), [-2.126928], rtol=1e-6)
    np.testing.assert_allclose(head.mean(logit), [0.8807971], rtol=1e-6)


def test_bernoulli_samples_compare_the_noise_with_the_probability():
    head, logit = layers.BernoulliHead(), tf.constant([2.0, 2.0, -1.0])
    sample = head.sample(logit, tf.constant([0.88, 0.89, 0.2]))
    np.testing.assert_array_equal(sample, [1, 0, 1])
    np.testing.assert_array_equal(head.mode(logit), [1, 1, 0])


def test_tanh_normal_has_the_stated_parameters():
    head = constant_head(layers.TanhNormalHead(1), 3.0, -0.4)
    want = [[5 * np.tanh(0.6), np.log1p(np.exp(-0.4)) + 0.1]]
    np.testing.assert_allclose(head(tf.ones([1, 3])), want, rtol=1e-6)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.5), (0.8, 1.0)])
def test_tanh_normal_agrees_with_numerical_integration(mean, std):
    head = layers.TanhNormalHead(1, samples=20_000)
    parameters = truncated(mean, std)
    a = np.linspace(-1 + 1e-5, 1 - 1e-5, 400_001)
    x = np.arctanh(a)
    p = np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi) * (1 - a**2))
    got = head.log_prob(parameters, tf.constant([[a[250_000]]], tf.float32))
    np.testing.assert_allclose(got, [np.log(p[250_000])], rtol=1e-4)
    np.testing.assert_allclose(
        head.mean(parameters), [[np.trapezoid(a * p, a)]], atol=0.02
    )
    entropy = -np.trapezoid(p * np.log(p), a)
    np.testing.assert_allclose(head.entropy(parameters), [entropy], atol=0.03)
    np.testing.assert_allclose(head.mode(parameters), [[a[p.argmax()]]], atol=0.02)


def test_tanh_normal_is_finite_where_the_tanh_saturates():
    head, parameters = layers.TanhNormalHead(1), truncated(5.0, 3.0)
    sample = head.sample(parameters, tf.constant([[4.0]]))
    assert float(sample[0, 0]) == 1.0
    assert np.isfinite(head.log_prob(parameters, sample)).all()
    assert np.isfinite(head.entropy(parameters)).all()


HEADS = {
    "normal": (lambda: layers.UnitNormalHead((2, 3)), (2, 3)),
    "scalar": (lambda: layers.UnitNormalHead(), ()),
    "bernoulli": (lambda: layers.BernoulliHead(), ()),
    "onehot": (lambda: layers.OneHotHead(4), (4,)),
    "truncated": (lambda: layers.TruncatedNormalHead(3), (3,)),
    "tanh": (lambda: layers.TanhNormalHead(3), (3,)),
}


@pytest.mark.parametrize("kind", HEADS)
def test_pure_methods_and_the_distribution_agree(kind):
    make, event = HEADS[kind]
    keras.utils.set_random_seed(0)
    head = make()
    parameters = head(tf.random.stateless_normal([5, 2, 7], [0, 1]))
    sample = head.sample(parameters, head.noise([5, 2], [3, 4]))
    assert sample.dtype == parameters.dtype == tf.float32
    assert sample.shape == head.mode(parameters).shape == (5, 2, *event)
    distribution = head.distribution(parameters)
    log_prob = head.log_prob(parameters, sample)
    assert log_prob.shape == head.entropy(parameters).shape == (5, 2)
    np.testing.assert_allclose(
        log_prob, distribution.log_prob(sample), rtol=1e-4, atol=1e-4
    )
    drawn = distribution.sample(seed=[1, 2])
    assert drawn.shape == sample.shape and drawn.dtype == tf.float32
    if kind != "tanh":  # the library has neither its entropy nor its mode
        np.testing.assert_allclose(
            head.entropy(parameters), distribution.entropy(), rtol=1e-4, atol=1e-5
        )
        best = head.log_prob(parameters, head.mode(parameters)).numpy()
        assert (best >= log_prob.numpy() - 1e-5).all()


@pytest.mark.parametrize("kind", HEADS)
def test_samples_are_a_pure_function_of_parameters_and_noise(kind):
    head = HEADS[kind][0]()
    parameters = head(tf.random.stateless_normal([6, 7], [0, 1]))
    noise = head.noise([6], [3, 4])
    assert noise.shape == head.noise_shape([6]) and noise.dtype == tf.float32
    np.testing.assert_array_equal(noise, head.noise([6], [3, 4]))
    compiled = tf.function(head.sample)
    np.testing.assert_allclose(
        compiled(parameters, noise), head.sample(parameters, noise), rtol=1e-5
    )


@pytest.mark.parametrize("kind", ["normal", "onehot", "truncated", "tanh"])
def test_samples_and_log_probs_carry_gradients_to_the_parameters(kind):
    head = HEADS[kind][0]()
    features = tf.random.stateless_normal([6, 7], [0, 1])
    head.build(features.shape)
    noise = head.noise([6], [3, 4])
    with tf.GradientTape(persistent=True) as tape:
        parameters = head(features)
        sample = head.sample(parameters, noise)
        curved = tf.sin(sample)
        log_prob = head.log_prob(parameters, tf.stop_gradient(sample))
        entropy = head.entropy(parameters)
    assert np.any(tape.gradient(curved, parameters).numpy())
    assert np.any(tape.gradient(log_prob, parameters).numpy())
    if kind != "normal":
        assert np.any(tape.gradient(entropy, parameters).numpy())


def test_distribution_samples_of_choices_are_straight_through():
    head, logits = layers.OneHotHead(3), tf.constant([1.0, 0.0, -1.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        sample = head.distribution(logits).sample(seed=[1, 2])
        loss = tf.reduce_sum(sample * [1.0, 2.0, 4.0])
    assert sorted(sample.numpy()) == [0, 0, 1]
    want = [-0.3424794, 0.1187373, 0.2237422]
    np.testing.assert_allclose(tape.gradient(loss, logits), want, atol=2e-7)


def test_a_factored_head_is_the_outer_product_of_its_factors():
    """The six factors of FTW: 540 joint actions, by enumeration."""
    classes = (5, 3, 3, 3, 2, 2)
    head = layers.FactoredHead(classes)
    parameters = tf.random.stateless_normal([1, sum(classes)], [1, 2])
    joint = np.array(list(itertools.product(*map(range, classes))))
    values = head.encode(joint)
    log_p = head.log_prob(parameters, values).numpy()
    assert len(joint) == 540
    np.testing.assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-5)
    entropy = -(np.exp(log_p) * log_p).sum()
    np.testing.assert_allclose(head.entropy(parameters), [entropy], rtol=1e-5)
    best = head.indices(head.mode(parameters))
    np.testing.assert_array_equal(best[0], joint[log_p.argmax()])
    np.testing.assert_array_equal(head.indices(values), joint)
    distribution = head.distribution(parameters)
    np.testing.assert_allclose(distribution.log_prob(values), log_p, rtol=1e-4)


def test_a_factored_head_draws_each_factor_by_its_own_probabilities():
    head = layers.FactoredHead((2, 3))
    parameters = tf.constant([[1.0, 0.0, 0.5, -0.5, 0.0]])
    draws = 20_000
    noise = head.noise([draws], tf.constant([3, 4]))
    found = head.sample(tf.repeat(parameters, draws, 0), noise)
    wanted = np.concatenate([tf.nn.softmax(p)[0] for p in head.split(parameters)])
    np.testing.assert_allclose(np.mean(found, 0), wanted, atol=0.015)
    pairs = np.asarray(head.indices(found))
    together = np.mean((pairs == (0, 1)).all(1))
    assert together == pytest.approx(wanted[0] * wanted[3], abs=0.015)


def test_a_factored_head_without_classes_is_refused():
    with pytest.raises(ValueError, match="classes must be"):
        layers.FactoredHead(())
