import itertools

import numpy as np
import pytest
import tensorflow as tf

import estimators
from estimators import exact
from tests.estimators import toys


@pytest.mark.parametrize(("name", "kind"), toys.PUBLISHED)
def test_the_tests_own_enumeration_gives_the_published_numbers(name, kind):
    value, gradient = toys.TOYS[name].truth(kind)
    want_value, want_gradient = toys.PUBLISHED[name, kind]
    assert value == pytest.approx(want_value, abs=1e-6)
    np.testing.assert_allclose(gradient.ravel(), want_gradient, atol=1e-6)


@pytest.mark.parametrize("kind", toys.KINDS)
@pytest.mark.parametrize("name", toys.TOYS)
def test_the_expectation_agrees_with_an_enumeration_by_conditioning(name, kind):
    toy = toys.TOYS[name]
    value, gradient = toy.truth(kind)
    got = exact.expectation(toy.logits, toy.cost(kind), toy.latent)
    assert got.value == pytest.approx(value, abs=2e-6)
    np.testing.assert_allclose(got.gradient, gradient, atol=2e-6)


@pytest.mark.parametrize("name", toys.TOYS)
def test_the_gradient_is_that_of_the_value_by_finite_differences(name):
    toy, step = toys.TOYS[name], 1e-2
    gradient = exact.expectation(toy.logits, toy.cost("exp"), toy.latent).gradient
    for index in np.ndindex(toy.logits.shape):
        shift = np.zeros(toy.logits.shape)
        shift[index] = step
        above, below = (
            exact.expectation(toy.logits + side, toy.cost("exp"), toy.latent).value
            for side in (shift, -shift)
        )
        assert gradient[index] == pytest.approx((above - below) / 2 / step, abs=2e-4)


def test_states_are_all_samples_each_once():
    classes = exact.states((2, 3))
    assert classes.shape == (9, 2, 3) and classes.dtype == np.float32
    pairs = {tuple(z.argmax(-1)) for z in classes}
    assert pairs == set(itertools.product(range(3), repeat=2))
    np.testing.assert_array_equal(classes.sum(-1), 1)
    bits = exact.states((4,), "bernoulli")
    assert {tuple(z) for z in bits} == set(itertools.product([0, 1], repeat=4))


@pytest.mark.parametrize("kind", ["quad", "exp"])
@pytest.mark.parametrize("name", toys.TOYS)
def test_quality_gives_the_score_functions_known_variance_and_no_bias(name, kind):
    toy = toys.TOYS[name]
    z, (_, truth) = toy.states, toy.truth(kind)
    score = toy.f(z, kind).reshape(-1, *[1] * truth.ndim) * (z - toy.mean)
    variance = np.tensordot(toy.probability(z), (score - truth) ** 2, 1)
    got = exact.quality("score_function", toy.logits, toy.cost(kind), toy.latent)
    assert got.draws == 100_000
    assert got.variance == pytest.approx(variance.sum(), rel=0.03)
    np.testing.assert_allclose(
        got.standard_error, np.sqrt(variance / 100_000), rtol=0.04
    )
    assert got.bias == pytest.approx(np.linalg.norm(got.mean - truth), abs=2e-6)
    assert got.z < 4


def test_quality_measures_the_known_bias_and_variance_of_straight_through():
    toy = toys.A
    z, p = toy.states, toy.mean
    estimate = toy.jacobian(p, toy.slope(z, "quad"))
    q = toy.probability(z)
    mean = np.tensordot(q, estimate, 1)
    got = exact.quality("straight_through", toy.logits, toy.cost("quad"))
    np.testing.assert_allclose(got.mean, mean, atol=4e-3)
    bias = np.linalg.norm(mean - toy.truth("quad")[1])
    assert got.bias == pytest.approx(bias, abs=4e-3)
    variance = np.tensordot(q, (estimate - mean) ** 2, 1).sum()
    assert got.variance == pytest.approx(variance, rel=0.03)
    assert got.z > 100


def test_quality_depends_on_the_seed_and_not_on_the_size_of_batches_in_kind():
    toy = toys.B
    one, again, other, small = (
        exact.quality("rloo", toy.logits, toy.cost("exp"), toy.latent, **sizes)
        for sizes in (
            {"draws": 5000, "seed": 1},
            {"draws": 5000, "seed": 1},
            {"draws": 5000, "seed": 2},
            {"draws": 5000, "seed": 1, "batch": 1999},
        )
    )
    np.testing.assert_array_equal(one.mean, again.mean)
    assert (one.mean != other.mean).all()
    assert small.draws == 5000
    assert small.z < 4.5 and small.variance == pytest.approx(one.variance, rel=0.3)


def test_quality_takes_a_function_of_the_users_own():
    toy = toys.A

    def twice(logits, cost, seed, latent):
        made = estimators.score_function(logits, cost, seed, latent)
        return made._replace(surrogate=2 * made.surrogate)

    got = exact.quality(twice, toy.logits, toy.cost("quad"), draws=50_000)
    truth = toy.truth("quad")[1]
    assert got.bias == pytest.approx(np.linalg.norm(truth), rel=0.05)
    np.testing.assert_allclose(got.mean, 2 * truth, atol=0.02)


def test_gradients_are_independent_estimates_of_the_shape_of_the_logits():
    toy = toys.PAIR
    got = exact.gradients(
        "rloo", toy.logits, toy.cost("quad"), toy.latent, 500, [3, 4], {"samples": 4}
    )
    assert got.shape == (500, 2, 3)
    assert len(np.unique(got.reshape(500, -1), axis=0)) > 100
    np.testing.assert_allclose(got.sum(-1), 0, atol=1e-5)


def test_a_cost_that_ignores_the_sample_has_no_gradient():
    made = exact.expectation(toys.A.logits, lambda z: 3 + 0 * z[..., 0, 0])
    assert made.value == pytest.approx(3, abs=1e-6)
    np.testing.assert_allclose(made.gradient, 0, atol=1e-6)


def test_too_many_states_are_refused_with_their_number(monkeypatch):
    with pytest.raises(ValueError, match=r"1,073,741,824 samples; at most 1,048,576"):
        exact.expectation(np.zeros([30]), lambda z: z[..., 0], "bernoulli")
    with pytest.raises(ValueError, match="10,000,000 samples"):
        exact.states((7, 10))
    monkeypatch.setattr(exact, "MOST", 16)
    assert len(exact.states((4,), "bernoulli")) == 16
    with pytest.raises(ValueError, match="32 samples; at most 16"):
        exact.states((5,), "bernoulli")


@pytest.mark.parametrize("shape", [(5, 2, 3), (3,)])
def test_logits_of_more_or_less_than_one_latent_are_refused(shape):
    with pytest.raises(ValueError, match=r"\[N, K\]"):
        exact.states(shape)


def test_a_cost_of_the_wrong_shape_is_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"\(4, 1\).*\(4, 1, 4\).*expected \(4,\)"):
        exact.expectation(toys.A.logits, lambda z: tf.reduce_sum(z, -1))
