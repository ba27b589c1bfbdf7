import itertools

import numpy as np
import pytest
import tensorflow as tf

import estimators

POST = np.array([[[1.0, 0.0, -1.0], [0.5, 0.5, 2.0]]], "float32")
PRIOR = np.array([[[0.0, 0.0, 0.0], [1.0, -1.0, 0.0]]], "float32")
POST_GRADIENT = [
    [0.0565175, -0.0281541, -0.0283634],
    [-0.0628589, -0.0011465, 0.0640054],
]
PRIOR_GRADIENT = [
    [-0.2655261, 0.0708838, 0.1946422],
    [0.4087681, -0.0514002, -0.3573681],
]


def balance_with_gradients(post, prior, *args, **kwargs):
    post, prior = tf.constant(post), tf.constant(prior)
    with tf.GradientTape() as tape:
        tape.watch([post, prior])
        loss, value = estimators.kl_balance(post, prior, *args, **kwargs)
    return float(loss), float(value), *tape.gradient(loss, [post, prior])


def balance_written_out(post, prior, balance, free, free_avg, forward):
    """Two divergences with stopped gradients, as the algorithm is printed."""
    post, prior = tf.constant(post), tf.constant(prior)
    with tf.GradientTape() as tape:
        tape.watch([post, prior])
        stop, kl = tf.stop_gradient, estimators.categorical_kl
        if forward:
            to_post, to_prior = kl(stop(prior), post), kl(prior, stop(post))
        else:
            to_post, to_prior = kl(post, stop(prior)), kl(stop(post), prior)
        if free_avg:
            to_post, to_prior = tf.reduce_mean(to_post), tf.reduce_mean(to_prior)
        to_post = tf.reduce_mean(tf.maximum(to_post, free))
        to_prior = tf.reduce_mean(tf.maximum(to_prior, free))
        loss = (1 - balance) * to_post + balance * to_prior
    return float(loss), *tape.gradient(loss, [post, prior])


def test_kl_balance_gives_the_published_values_and_gradients():
    loss, value, to_post, to_prior = balance_with_gradients(POST, PRIOR, 0.8, 0.0)
    assert loss == pytest.approx(0.8419994, abs=3e-7)
    assert value == pytest.approx(0.8419994, abs=3e-7)
    np.testing.assert_allclose(to_post[0], POST_GRADIENT, atol=3e-7)
    np.testing.assert_allclose(to_prior[0], PRIOR_GRADIENT, atol=3e-7)


@pytest.mark.parametrize("free", [1.0, 2.0])
def test_free_nats_floor_the_loss_and_stop_its_gradient(free):
    loss, value, to_post, to_prior = balance_with_gradients(POST, PRIOR, 0.8, free)
    assert loss == free
    assert value == pytest.approx(0.8419994, abs=3e-7)
    assert not to_post.numpy().any() and not to_prior.numpy().any()


@pytest.mark.parametrize("free_avg", [True, False])
@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("balance", [0.0, 0.3, 0.8, 1.0])
def test_kl_balance_equals_the_two_stopped_divergences(balance, forward, free_avg):
    rng = np.random.default_rng(0)
    post, prior = rng.normal(size=(2, 5, 3, 4, 6)).astype("float32")
    for free in (0.0, 3.0):
        got = balance_with_gradients(post, prior, balance, free, free_avg, forward)
        want = balance_written_out(post, prior, balance, free, free_avg, forward)
        assert got[0] == pytest.approx(want[0], rel=1e-6)
        np.testing.assert_allclose(got[2], want[1], atol=1e-7)
        np.testing.assert_allclose(got[3], want[2], atol=1e-7)


def test_a_balance_of_one_half_is_one_plain_kl_with_a_floor_in_each_state():
    rng = np.random.default_rng(0)
    post, prior = rng.normal(size=(2, 8, 4, 6)).astype("float32")
    loss, value, to_post, _ = balance_with_gradients(post, prior, 0.5, 3.0)
    plain = estimators.categorical_kl(tf.constant(post), tf.constant(prior)).numpy()
    assert plain.min() < 3 < plain.max()
    assert loss == pytest.approx(np.maximum(plain, 3).mean(), rel=1e-6)
    assert value == pytest.approx(plain.mean(), rel=1e-6)
    above = np.abs(to_post.numpy()).sum((1, 2)) > 0
    np.testing.assert_array_equal(above, plain > 3)


def test_categorical_kl_and_entropies_agree_with_enumeration():
    classes = list(itertools.product(range(3), repeat=2))

    def joint(logits):
        probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        return np.array([probs[0, i] * probs[1, j] for i, j in classes])

    p, q = joint(POST[0].astype(float)), joint(PRIOR[0].astype(float))
    kl = estimators.categorical_kl(tf.constant(POST), tf.constant(PRIOR))
    np.testing.assert_allclose(kl, [(p * np.log(p / q)).sum()], rtol=1e-5)
    for logits, probs, published in ((POST, p, 1.6642189), (PRIOR, q, 1.931008)):
        entropy = estimators.categorical_entropy(tf.constant(logits))
        np.testing.assert_allclose(entropy, [-(probs * np.log(probs)).sum()], rtol=1e-5)
        np.testing.assert_allclose(entropy, [published], rtol=1e-6)


def test_gaussian_kl_and_entropy_agree_with_numerical_integration():
    p, q = np.array([[0.3, -0.5, 0.7, 1.2]]), np.array([[0.0, 0.2, 1.5, 0.9]])
    x = np.linspace(-15, 15, 200_001)

    def density(mean, std):
        return (
            np.exp(-0.5 * ((x - mean) / std) ** 2) / std / np.sqrt(2 * np.pi) + 1e-300
        )

    kl = entropy = 0.0
    for s in range(2):
        dp, dq = density(p[0, s], p[0, 2 + s]), density(q[0, s], q[0, 2 + s])
        kl += np.trapezoid(dp * np.log(dp / dq), x)
        entropy -= np.trapezoid(dp * np.log(dp), x)
    np.testing.assert_allclose(estimators.gaussian_kl(p, q), [kl], rtol=1e-5)
    np.testing.assert_allclose(estimators.gaussian_entropy(p), [entropy], rtol=1e-5)


def test_kl_balance_takes_gaussian_parameters_too():
    p, q = tf.constant([[0.3, 0.7]]), tf.constant([[0.0, 1.5]])
    loss, value = estimators.kl_balance(
        p, q, 0.8, 0.0, divergence=estimators.gaussian_kl
    )
    np.testing.assert_allclose(loss, estimators.gaussian_kl(p, q)[0])
    np.testing.assert_allclose(value, loss)


def test_divergences_are_float32_whatever_comes():
    p = tf.cast(POST, tf.bfloat16)
    assert estimators.categorical_kl(p, p).dtype == tf.float32
    assert estimators.categorical_entropy(p).dtype == tf.float32


def test_states_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="q has shape"):
        estimators.categorical_kl(tf.constant(POST), tf.constant(PRIOR[:, :1]))
