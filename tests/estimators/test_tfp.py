"""TensorFlow Probability as an oracle, where it has the same thing."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import estimators
from estimators import latents
from tests.estimators import toys

DRAWS = 100_000


def assert_same_distribution(got, want):
    """Compares means, products of entries and shares below several levels, within 4.5 standard errors."""
    got, want = np.float64(got), np.float64(want)
    features = [
        lambda y: y,
        lambda y: (y[:, :, None] * y[:, None, :]).reshape(len(y), -1),
        *(lambda y, q=q: np.float64(y < q) for q in (0.01, 0.1, 0.5, 0.9, 0.99)),
    ]
    for feature in features:
        one, two = feature(got), feature(want)
        error = np.sqrt((one.var(0) + two.var(0)) / len(got))
        distance = np.abs(one.mean(0) - two.mean(0))
        np.testing.assert_array_less(distance, 4.5 * error + 1e-5)


@pytest.mark.parametrize("temperature", [0.2, 0.7, 2.0])
def test_gumbel_softmax_has_the_distribution_of_tfps(temperature):
    logits = toys.A.rows(DRAWS)[:, 0]
    noise = estimators.gumbel_noise([DRAWS, 4], [1, 2])
    got = estimators.gumbel_softmax(logits, noise, temperature)
    relaxed = tfp.distributions.RelaxedOneHotCategorical(temperature, logits[0])
    assert_same_distribution(got, relaxed.sample(DRAWS, seed=[3, 4]))


@pytest.mark.parametrize("temperature", [0.2, 0.7, 2.0])
def test_gumbel_softmax_of_bits_has_the_distribution_of_tfps(temperature):
    logits = toys.B.rows(DRAWS)
    noise = estimators.logistic_noise([DRAWS, 3], [1, 2])
    got = estimators.gumbel_softmax(logits, noise, temperature, latent="bernoulli")
    relaxed = tfp.distributions.RelaxedBernoulli(temperature, logits[0])
    assert_same_distribution(got, relaxed.sample(DRAWS, seed=[3, 4]))


def tfp_distribution(toy, logits):
    if toy.latent == "categorical":
        kind = tfp.distributions.OneHotCategorical(logits=logits, dtype=tf.float32)
    else:
        kind = tfp.distributions.Bernoulli(logits=logits, dtype=tf.float32)
    return tfp.distributions.Independent(kind, 1)


@pytest.mark.parametrize("name", toys.TOYS)
def test_the_score_function_is_tfps_for_the_same_samples(name):
    toy = toys.TOYS[name]
    made, gradient = toys.draw("score_function", toy, toy.cost("exp"), 2000)
    logits = tf.constant(toy.logits, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        mean = tfp.monte_carlo.expectation(
            toy.cost("exp"),
            made.sample,
            log_prob=tfp_distribution(toy, logits).log_prob,
            use_reparameterization=False,
        )
    assert float(mean) == pytest.approx(float(tf.reduce_mean(made.cost)), rel=1e-5)
    np.testing.assert_allclose(
        gradient.mean(0), tape.gradient(mean, logits), rtol=1e-4, atol=2e-5
    )


@pytest.mark.parametrize("name", toys.TOYS)
def test_the_log_probability_of_a_sample_is_tfps(name):
    toy = toys.TOYS[name]
    kind, z = latents.get(toy.latent), tf.constant(toy.states, tf.float32)
    logits = tf.constant(toy.logits, tf.float32)
    got = kind.log_prob(logits[None], z)
    np.testing.assert_allclose(
        got, tfp_distribution(toy, logits).log_prob(z), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(np.exp(got), toy.probability(toy.states), rtol=1e-5)


def test_tfps_relaxed_density_is_not_a_number_at_a_one_hot():
    """Why no estimator here evaluates the density of a relaxed sample at a hardened one."""
    relaxed = tfp.distributions.RelaxedOneHotCategorical(0.5, np.float32([1, 0, -1]))
    assert np.isnan(relaxed.log_prob([1.0, 0.0, 0.0]))
    assert np.isfinite(relaxed.log_prob([0.98, 0.01, 0.01]))
