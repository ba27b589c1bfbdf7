import functools

import numpy as np
import pytest
import tensorflow as tf

import estimators
from tests.estimators import toys

EVERY_TOY = pytest.mark.parametrize("name", toys.TOYS)
EVERY_KIND = pytest.mark.parametrize("kind", toys.KINDS)
DRAWS = 20_000


def outcome_mean(name, toy, kind, draws=DRAWS, several=False, **options):
    """The estimator's mean gradient, its outcomes enumerated."""
    made, gradient = toys.draw(name, toy, toy.cost(kind), draws, **options)
    z = made.sample.numpy()
    if not several:
        return toys.mean_over_outcomes(z, gradient, toy.probability)
    return toys.mean_over_outcomes(
        np.swapaxes(z, 0, 1), gradient, lambda z: toy.probability(z).prod(1)
    )


@EVERY_KIND
@EVERY_TOY
@pytest.mark.parametrize("baseline", ["none", "constant", "mean", "optimal"])
def test_the_score_function_is_exact_with_every_baseline(name, kind, baseline):
    toy = toys.TOYS[name]
    value, truth = toy.truth(kind)
    b = {"none": 0, "constant": 2.5, "mean": value}.get(baseline)
    b = toy.best_baseline(kind) if b is None else b
    got = outcome_mean("score_function", toy, kind, baseline=b)
    np.testing.assert_allclose(got, truth, atol=5e-6)


def test_a_running_mean_as_a_baseline_leaves_the_mean_and_lowers_the_variance():
    toy, moments = toys.A, estimators.Moments.zero()
    variance, estimates = [], []
    for step in range(60):
        made, gradient = toys.draw(
            "score_function",
            toy,
            toy.cost("exp"),
            1000,
            seed=(7, step),
            baseline=moments.mean,
        )
        moments = moments.update(made.signal)
        variance.append(toys.total_variance(gradient))
        estimates.append(gradient)
    toys.assert_unbiased(np.concatenate(estimates), toy.truth("exp")[1])
    assert np.mean(variance[1:]) < 0.65 * variance[0]


@pytest.mark.parametrize("name", ["one of four", "three bits"])
def test_a_baseline_of_each_row_is_taken_off_that_rows_cost(name):
    toy = toys.TOYS[name]
    baseline = np.linspace(-3, 3, 500).astype("float32")
    made, gradient = toys.draw(
        "score_function", toy, toy.cost("quad"), 500, baseline=baseline, scale=4.0
    )
    z = made.sample.numpy()
    signal = (toy.f(z, "quad") - baseline) / 4
    want = signal.reshape(-1, *[1] * toy.mean.ndim) * (z - toy.mean)
    np.testing.assert_allclose(gradient, want, atol=2e-6)


def test_the_baseline_gets_no_gradient_from_the_surrogate():
    baseline = tf.Variable(tf.ones([8]))
    with tf.GradientTape() as tape:
        made = estimators.score_function(
            toys.A.rows(8), toys.A.cost("quad"), [0, 1], baseline=baseline
        )
    assert tape.gradient(made.surrogate, baseline) is None


@EVERY_KIND
@EVERY_TOY
def test_nvil_is_exact_but_for_its_scale(name, kind):
    toy = toys.TOYS[name]
    moments = estimators.Moments(tf.constant(0.7), tf.constant(6.25), tf.constant(9.0))
    baseline = tf.fill([DRAWS], 0.4)
    got = outcome_mean("nvil", toy, kind, baseline=baseline, moments=moments)
    np.testing.assert_allclose(2.5 * got, toy.truth(kind)[1], atol=5e-6)


def test_nvil_never_magnifies_a_small_signal():
    toy, small = toys.A, estimators.Moments.zero()
    small = small._replace(variance=tf.constant(0.01))
    options = {"baseline": tf.zeros([DRAWS]), "moments": small}
    got = outcome_mean("nvil", toy, "quad", **options)
    np.testing.assert_allclose(got, toy.truth("quad")[1], atol=5e-6)


def test_the_control_loss_of_nvil_trains_a_baseline_to_each_inputs_expected_cost():
    x = tf.constant(np.repeat(np.eye(2, dtype="float32"), 500, 0))
    offset = tf.linalg.matvec(x, [3.0, -2.0])
    cost, weights = toys.B.cost("quad"), tf.Variable(tf.zeros([2]))
    moments, variances = estimators.Moments.zero(), []
    for step in range(80):
        rows = toys.B.rows(1000)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(rows)
            baseline = tf.linalg.matvec(x, weights)
            made = estimators.nvil(
                rows,
                lambda z: cost(z) + offset,
                [1, step],
                "bernoulli",
                baseline=baseline,
                moments=moments,
            )
            loss = tf.reduce_mean(made.control_loss)
        assert tape.gradient(made.surrogate, weights) is None
        variances.append(
            toys.total_variance(tape.gradient(made.surrogate, rows).numpy())
        )
        weights.assign_sub(0.4 * tape.gradient(loss, weights))
        moments = moments.update(made.signal)
    expected = toys.B.truth("quad")[0] + np.array([3.0, -2.0])
    np.testing.assert_allclose(weights + moments.mean, expected, atol=0.06)
    assert variances[-1] < 0.15 * variances[0]


@EVERY_KIND
@EVERY_TOY
def test_leaving_one_of_two_out_is_exact(name, kind):
    toy = toys.TOYS[name]
    got = outcome_mean("rloo", toy, kind, draws=60_000, several=True)
    np.testing.assert_allclose(got, toy.truth(kind)[1], atol=5e-6)


@EVERY_KIND
@EVERY_TOY
@pytest.mark.parametrize("samples", [3, 4])
def test_leaving_one_out_is_unbiased_with_more_samples(name, kind, samples):
    toy = toys.TOYS[name]
    _, gradient = toys.draw("rloo", toy, toy.cost(kind), 100_000, samples=samples)
    toys.assert_unbiased(gradient, toy.truth(kind)[1], 4.5)


def test_leaving_one_of_two_out_on_bits_is_half_the_product_of_the_differences():
    toy = toys.B
    made, gradient = toys.draw("rloo", toy, toy.cost("exp"), 1000)
    one, two = made.sample.numpy()
    f, g = toy.f(one, "exp"), toy.f(two, "exp")
    np.testing.assert_allclose(
        gradient, 0.5 * (f - g)[:, None] * (one - two), atol=1e-5
    )


@EVERY_KIND
@EVERY_TOY
def test_muprop_is_exact(name, kind):
    toy = toys.TOYS[name]
    got = outcome_mean("muprop", toy, kind)
    np.testing.assert_allclose(got, toy.truth(kind)[1], atol=5e-6)


@EVERY_TOY
def test_muprop_has_no_variance_for_a_linear_cost(name):
    toy = toys.TOYS[name]
    _, gradient = toys.draw("muprop", toy, toy.cost("lin"), 500)
    want = np.broadcast_to(toy.truth("lin")[1], gradient.shape)
    np.testing.assert_allclose(gradient, want, atol=2e-6)


@EVERY_TOY
def test_muprop_equals_its_equation(name):
    toy = toys.TOYS[name]
    made, gradient = toys.draw("muprop", toy, toy.cost("exp"), 500, scale=3.0)
    z, p = made.sample.numpy(), toy.mean
    slope = toy.slope(p, "exp")
    axes = tuple(range(1, z.ndim))
    rest = toy.f(z, "exp") - toy.f(p, "exp") - (slope * (z - p)).sum(axes)
    want = rest.reshape(-1, *[1] * p.ndim) / 3 * (z - p) + toy.jacobian(p, slope)
    np.testing.assert_allclose(gradient, want, atol=2e-5)


# The bound of three samples on the first toy, f = exp(1.5 w . y): log mean f; costs are -log f.
BOUND = 0.283880
BOUND_GRADIENT = [-0.034792, 0.234003, -0.405063, 0.205852]
BOUND_VARIANCE = {"geometric": 0.6026, "arithmetic": 0.6252}


def negative_log_weight(z):
    return -1.5 * toys.A.cost("lin")(z)


def vimco_written_out(z, mean):
    """[M, B, 1, 4] -> the bound [B] and its gradient [B, 1, 4] of samples with weights exp(1.5 w . z)."""
    log_w = 1.5 * toys.A.f(z, "lin")
    bound = np.log(np.exp(log_w).mean(0))
    gradient = np.zeros(z.shape[1:])
    for i in range(len(z)):
        others, without = np.delete(log_w, i, 0), log_w.copy()
        without[i] = (
            others.mean(0) if mean == "geometric" else np.log(np.exp(others).mean(0))
        )
        signal = bound - np.log(np.exp(without).mean(0))
        gradient += signal[:, None, None] * (z[i] - toys.A.mean)
    return bound, gradient


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_vimco_is_exact_for_the_published_bound(mean):
    made, gradient = toys.draw(
        "vimco", toys.A, negative_log_weight, 100_000, samples=3, mean=mean
    )
    weight = functools.partial(np.prod, axis=1)
    z = np.swapaxes(made.sample.numpy(), 0, 1)
    got = toys.mean_over_outcomes(z, gradient, lambda z: weight(toys.A.probability(z)))
    np.testing.assert_allclose(got.ravel(), -np.array(BOUND_GRADIENT), atol=2e-6)
    value = toys.mean_over_outcomes(
        z, np.float64(made.cost), lambda z: weight(toys.A.probability(z))
    )
    assert value == pytest.approx(-BOUND, abs=2e-6)
    assert toys.total_variance(gradient) == pytest.approx(
        BOUND_VARIANCE[mean], rel=0.03
    )


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
@pytest.mark.parametrize("samples", [2, 3, 5])
def test_vimco_agrees_with_its_equations_written_out(samples, mean):
    made, gradient = toys.draw(
        "vimco", toys.A, negative_log_weight, 300, samples=samples, mean=mean
    )
    bound, want = vimco_written_out(np.float64(made.sample), mean)
    np.testing.assert_allclose(made.cost, -bound, atol=2e-6)
    np.testing.assert_allclose(gradient, -want, atol=5e-6)


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_vimco_of_bits_is_unbiased(mean):
    toy, samples = toys.B, 2
    _, gradient = toys.draw(
        "vimco", toy, lambda z: -toy.cost("lin")(z), 100_000, samples=samples, mean=mean
    )
    z, q = toy.states, toy.probability(toy.states)
    log_w = toy.f(z, "lin")
    bound = np.logaddexp(log_w[:, None], log_w[None]) - np.log(2)
    score = (z - toy.mean)[:, None] + (z - toy.mean)[None]
    truth = -np.einsum("i,j,ij,ijn->n", q, q, bound, score)
    toys.assert_unbiased(gradient, truth)


def test_vimco_does_not_overflow_where_weights_underflow():
    made, gradient = toys.draw(
        "vimco", toys.A, lambda z: 900 + negative_log_weight(z), 100, samples=4
    )
    assert np.isfinite(gradient).all() and np.isfinite(made.cost).all()
    assert gradient.any()
    for mean in ("geometric", "arithmetic"):
        made, gradient = toys.draw(
            "vimco", toys.A, lambda z: 900 * z[..., 0, 0], 100, samples=2, mean=mean
        )
        assert np.isfinite(gradient).all() and np.isfinite(made.cost).all()


def test_an_unknown_mean_of_vimco_is_refused():
    with pytest.raises(ValueError, match=r"'harmonic'.*'geometric' or 'arithmetic'"):
        estimators.vimco(toys.A.rows(2), negative_log_weight, [0, 1], mean="harmonic")


@pytest.mark.parametrize("name", ["rloo", "vimco"])
def test_too_few_samples_are_refused(name):
    with pytest.raises(ValueError, match="samples must be at least 2, got 1"):
        toys.draw(name, toys.A, toys.A.cost("lin"), 2, samples=1)
