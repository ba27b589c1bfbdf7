"""How bias and variance change with the temperature, and which estimator varies less."""

import functools

import numpy as np
import pytest

import estimators
from tests.estimators import toys

SOFT = functools.partial(estimators.gumbel_softmax, hard=False)
HARD = functools.partial(estimators.gumbel_softmax, hard=True)
ONE_BIT = toys.Toy("bernoulli", np.array([0.3]), np.array([0.6]))
EVERY_TOY = pytest.mark.parametrize("name", toys.TOYS)


def integrated(sampler, toy, kind, temperature, count=1 << 16):
    """The mean gradient by quadrature over the noise."""
    noise = toys.quasi_noise(toy, count)
    got = toys.sampled_gradient(sampler, toy, kind, noise, temperature=temperature)
    return got.mean(0)


def distance(a, b):
    return np.linalg.norm(a - b)


def test_the_mean_over_one_bits_noise_is_the_integral_written_out():
    odds, u = np.exp(0.3), (np.arange(2_000_000) + 0.5) / 2_000_000
    y = odds * u / (1 - u + odds * u)  # sigmoid(0.3 + log u - log(1 - u))
    got = integrated(SOFT, ONE_BIT, "lin", 1.0)
    assert got[0] == pytest.approx(0.6 * np.mean(y * (1 - y)), rel=1e-5)


@pytest.mark.parametrize("kind", toys.KINDS)
def test_gumbel_softmax_of_a_bit_tends_to_the_exact_gradient(kind):
    truth = ONE_BIT.truth(kind)[1]
    far, near = (
        distance(integrated(SOFT, ONE_BIT, kind, t), truth) for t in (0.4, 0.01)
    )
    assert near < 0.05 * far and near < 4e-3 * np.linalg.norm(truth)


@pytest.mark.parametrize("kind", toys.KINDS)
def test_hard_gumbel_softmax_of_a_bit_tends_to_the_mean_of_reinmax(kind):
    limit = toys.exact_mean(estimators.reinmax, ONE_BIT, kind)
    far, near = (
        distance(integrated(HARD, ONE_BIT, kind, t), limit) for t in (0.4, 0.01)
    )
    assert near < 0.05 * far and near < 7e-3 * np.linalg.norm(limit)
    truth = ONE_BIT.truth(kind)[1]
    if kind == "exp":
        assert distance(limit, truth) > 0.02 * np.linalg.norm(truth)
    else:
        np.testing.assert_allclose(limit, truth, atol=1e-6)


@EVERY_TOY
def test_gumbel_softmax_tends_to_the_exact_gradient(name):
    toy = toys.TOYS[name]
    truth = toy.truth("exp")[1]
    far, nearer, near = (
        distance(integrated(SOFT, toy, "exp", t, 1 << 17), truth)
        for t in (1.0, 0.3, 0.05)
    )
    assert near < 0.4 * nearer < 0.3 * far


@EVERY_TOY
def test_hard_gumbel_softmax_tends_to_the_mean_of_reinmax(name):
    toy = toys.TOYS[name]
    limit = toys.exact_mean(estimators.reinmax, toy, "exp")
    far, nearer, near = (
        distance(integrated(HARD, toy, "exp", t, 1 << 17), limit)
        for t in (1.0, 0.3, 0.05)
    )
    assert near < 0.4 * nearer < 0.3 * far
    assert near < 0.3 * distance(limit, toy.truth("exp")[1])


def test_the_bias_of_gumbel_softmax_halves_with_the_temperature():
    truth = toys.A.truth("quad")[1]
    bias = [
        distance(integrated(SOFT, toys.A, "quad", t, 1 << 17), truth)
        for t in (1.0, 0.5, 0.25, 0.125)
    ]
    np.testing.assert_allclose(bias, [0.1307, 0.0788, 0.0421, 0.0211], atol=6e-4)
    ratio = np.divide(bias[:-1], bias[1:])
    assert (np.diff(ratio) > 0).all() and ratio[-1] == pytest.approx(2, abs=0.06)


def test_the_bias_of_gumbel_softmax_on_a_linear_cost_is_the_measured_one():
    truth = toys.A.truth("lin")[1]
    bias = [
        distance(integrated(SOFT, toys.A, "lin", t), truth) for t in (2.0, 1.0, 0.5)
    ]
    np.testing.assert_allclose(bias, [0.157, 0.083, 0.0325], atol=3e-3)  # of 100k draws


def test_the_variance_of_gumbel_softmax_grows_as_one_over_the_temperature():
    noise = toys.quasi_noise(toys.A, 1 << 17)
    cold, colder = (
        toys.total_variance(
            toys.sampled_gradient(SOFT, toys.A, "quad", noise, temperature=t)
        )
        for t in (0.08, 0.04)
    )
    assert colder / cold == pytest.approx(2, abs=0.25)


@EVERY_TOY
@pytest.mark.parametrize("sampler", [SOFT, HARD], ids=["soft", "hard"])
def test_gumbel_softmax_vanishes_as_the_temperature_rises(name, sampler):
    toy = toys.TOYS[name]
    norms = [
        np.linalg.norm(integrated(sampler, toy, "exp", t, 4096)) for t in (1, 100, 1e4)
    ]
    assert norms[1] < 0.03 * norms[0] and norms[2] < 3e-4 * norms[0]


@EVERY_TOY
@pytest.mark.parametrize("temperature", [0.01, 1e-3, 1e-6])
@pytest.mark.parametrize("sampler", [SOFT, HARD], ids=["soft", "hard"])
def test_gumbel_softmax_stays_finite_at_very_low_temperatures(
    name, temperature, sampler
):
    toy = toys.TOYS[name]
    noise = toys.quasi_noise(toy, 20_000)
    got = toys.sampled_gradient(sampler, toy, "exp", noise, temperature=temperature)
    assert np.isfinite(got).all()


@EVERY_TOY
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_rao_blackwellisation_keeps_the_mean_and_lowers_the_variance(name, temperature):
    toy, cost, count = toys.TOYS[name], toys.TOYS[name].cost("exp"), 50_000
    want = integrated(HARD, toy, "exp", temperature, 1 << 17)
    _, plain = toys.draw("st_gumbel_softmax", toy, cost, count, temperature=temperature)
    toys.assert_unbiased(plain, want, 4.5)
    variances = [toys.total_variance(plain)]
    for samples in (1, 10, 100):
        rows = count if samples < 100 else 20_000
        _, gradient = toys.draw(
            "gumbel_rao", toy, cost, rows, temperature=temperature, samples=samples
        )
        toys.assert_unbiased(gradient, want, 4.5)
        variances.append(toys.total_variance(gradient))
    plain, one, ten, hundred = variances
    assert one == pytest.approx(plain, rel=0.06)
    assert ten < 0.95 * plain and hundred < 1.01 * ten
    # V[M samples] = V[all] + E V[given the sample] / M: the gain of ten is nine tenths of the whole.
    assert plain - ten == pytest.approx(0.9 / 0.99 * (plain - hundred), rel=0.15)


def variance_of(toy, kind, name, **options):
    _, gradient = toys.draw(name, toy, toy.cost(kind), 100_000, **options)
    return toys.total_variance(gradient)


@pytest.mark.parametrize("kind", ["quad", "exp"])
@EVERY_TOY
def test_the_variances_are_in_the_known_order(name, kind):
    toy = toys.TOYS[name]
    v = functools.partial(variance_of, toy, kind)
    assert v("score_function", baseline=toy.best_baseline(kind)) < v("score_function")
    assert v("rloo", samples=4) < v("rloo", samples=2) < v("score_function")
    assert v("disarm") < v("arm")
    for temperature in (0.5, 1.0):
        soft = v("gumbel_softmax", temperature=temperature)
        assert soft < v("st_gumbel_softmax", temperature=temperature)
    assert v("straight_through") < v("reinmax")


@pytest.mark.parametrize("kind", toys.KINDS)
def test_disarm_beats_leaving_one_of_two_out_on_bits_at_equal_cost(kind):
    assert variance_of(toys.B, kind, "disarm") < variance_of(toys.B, kind, "rloo")


def test_known_exceptions_hold_too():
    v = functools.partial(variance_of, toys.A, "quad")
    assert v("rebar", temperature=0.1, weight=1.0) > 4 * v("score_function")
    assert v("rebar", temperature=0.1, weight=0.05) < v("score_function")
    assert v("muprop") > 5 * v("score_function", baseline=toys.A.best_baseline("quad"))
