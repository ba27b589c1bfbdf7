"""What holds of the sampled gradients without Monte Carlo error."""

import numpy as np
import pytest
import tensorflow as tf

import estimators
from estimators import latents
from tests.estimators import toys

EVERY_TOY = pytest.mark.parametrize("name", toys.TOYS)
EVERY_KIND = pytest.mark.parametrize("kind", toys.KINDS)
CLASS_TOYS = pytest.mark.parametrize("name", ["one of four", "two of three"])


def noise_of(toy, count=500):
    kind = latents.get(toy.latent)
    return kind.noise([count, *toy.logits.shape], [8, 1])


@EVERY_TOY
def test_straight_through_is_exact_for_a_linear_cost_whatever_the_sample(name):
    toy = toys.TOYS[name]
    noise = toy.noise_for(toy.states)
    got = toys.sampled_gradient(estimators.straight_through, toy, "lin", noise)
    want = np.broadcast_to(toy.truth("lin")[1], got.shape)
    np.testing.assert_allclose(got, want, atol=1e-6)


@EVERY_KIND
@EVERY_TOY
def test_straight_through_has_the_mean_of_its_formula(name, kind):
    toy = toys.TOYS[name]
    q = toy.probability(toy.states)
    mean_slope = np.tensordot(q, toy.slope(toy.states, kind), 1)
    for temperature in (1.0, 0.5):
        got = toys.exact_mean(
            estimators.straight_through, toy, kind, temperature=temperature
        )
        cold = toy._replace(logits=toy.logits / temperature).mean
        want = toy.jacobian(cold, mean_slope) / temperature
        np.testing.assert_allclose(got, want, atol=5e-6)


@EVERY_TOY
@pytest.mark.parametrize("kind", ["lin", "quad"])
def test_reinmax_is_exact_for_linear_and_quadratic_costs(name, kind):
    toy = toys.TOYS[name]
    got = toys.exact_mean(estimators.reinmax, toy, kind)
    np.testing.assert_allclose(got, toy.truth(kind)[1], atol=5e-6)


@CLASS_TOYS
def test_reinmax_has_the_mean_of_the_second_order_formula(name):
    """Class a gets p_a sum_b p_b (f'(a) + f'(b)) . (a - b) / 2, all else fixed."""
    toy = toys.TOYS[name]
    n, k = toy.logits.shape
    want = np.zeros([n, k])
    for z, q in zip(toy.states, toy.probability(toy.states), strict=True):
        for i in range(n):
            own = z[i].argmax()
            for a in range(k):
                other = z.copy()
                other[i] = np.eye(k)[a]
                both = (toy.slope(z, "exp") + toy.slope(other, "exp"))[i]
                want[i, a] += q * toy.mean[i, a] * (both[a] - both[own]) / 2
    got = toys.exact_mean(estimators.reinmax, toy, "exp")
    np.testing.assert_allclose(got, want, atol=5e-6)
    if name == "one of four":
        published = [[-0.203798, 0.415823, -0.834029, 0.622004]]
        np.testing.assert_allclose(got, published, atol=2e-6)


@EVERY_TOY
@pytest.mark.parametrize("temperature", [1.0, 1.5])
def test_reinmax_equals_its_formula_sample_by_sample(name, temperature):
    toy = toys.TOYS[name]
    z, slope = toy.states, toy.slope(toy.states, "exp")
    warm = toy._replace(logits=toy.logits / temperature).mean
    got = toys.sampled_gradient(
        estimators.reinmax, toy, "exp", toy.noise_for(z), temperature=temperature
    )
    want = 2 * toy.jacobian((z + warm) / 2, slope) - toy.jacobian(toy.mean, slope) / 2
    np.testing.assert_allclose(got, want, atol=1e-5)


@EVERY_KIND
def test_darn_equals_reinmax_on_bits_sample_by_sample(kind):
    toy = toys.B
    noise = noise_of(toy)
    darn = toys.sampled_gradient(estimators.darn, toy, kind, noise)
    reinmax = toys.sampled_gradient(estimators.reinmax, toy, kind, noise)
    np.testing.assert_allclose(darn, reinmax, rtol=1e-5, atol=2e-6)
    assert np.abs(darn).max() > 0.1


@pytest.mark.parametrize("name", ["one of four", "two of three"])
def test_darn_of_classes_is_exact_for_a_linear_cost(name):
    toy = toys.TOYS[name]
    got = toys.exact_mean(estimators.darn, toy, "lin")
    np.testing.assert_allclose(got, toy.truth("lin")[1], atol=5e-6)


@EVERY_TOY
def test_darn_equals_its_formula_sample_by_sample(name):
    toy = toys.TOYS[name]
    z, slope = toy.states, toy.slope(toy.states, "exp")
    if toy.latent == "bernoulli":
        signal = slope * (z - 0.5)
    else:
        centred = z - 1 / toy.logits.shape[-1]
        signal = (slope * centred).sum(-1, keepdims=True)
    got = toys.sampled_gradient(
        estimators.darn, toy, "exp", toy.noise_for(z), scale=2.0
    )
    np.testing.assert_allclose(got, signal * (z - toy.mean) / 2, atol=1e-5)


@EVERY_KIND
@EVERY_TOY
@pytest.mark.parametrize("slope", [1.0, 3.0])
def test_slope_annealing_is_straight_through_of_steeper_logits(name, kind, slope):
    toy = toys.TOYS[name]
    steep = toy._replace(logits=slope * toy.logits)
    noise = noise_of(toy)
    got = toys.sampled_gradient(
        estimators.slope_annealed_straight_through, toy, kind, noise, slope=slope
    )
    want = toys.sampled_gradient(estimators.straight_through, steep, kind, noise)
    np.testing.assert_allclose(got, slope * want, rtol=1e-5, atol=1e-6)


@EVERY_TOY
@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0])
def test_hard_and_soft_gumbel_softmax_agree_for_a_linear_cost(name, temperature):
    toy = toys.TOYS[name]
    noise = noise_of(toy)
    soft, hard = (
        toys.sampled_gradient(
            estimators.gumbel_softmax,
            toy,
            "lin",
            noise,
            temperature=temperature,
            hard=hard,
        )
        for hard in (False, True)
    )
    np.testing.assert_array_equal(soft, hard)
    assert soft.any()


@pytest.mark.parametrize("temperature", [0.3, 1.0])
@pytest.mark.parametrize("hard", [False, True])
def test_a_bit_is_one_of_two_classes_with_logits_theta_and_zero(temperature, hard):
    bits = toys.B.rows(500)
    pair = estimators.gumbel_noise([500, 3, 2], [2, 2])
    with tf.GradientTape() as tape:
        tape.watch(bits)
        classes = tf.stack([bits, tf.zeros_like(bits)], -1)
        two = estimators.gumbel_softmax(classes, pair, temperature, hard)
        cost_two = toys.B.cost("exp")(two[..., 0])
    want = tape.gradient(cost_two, bits)
    with tf.GradientTape() as tape:
        tape.watch(bits)
        noise = pair[..., 0] - pair[..., 1]
        one = estimators.gumbel_softmax(bits, noise, temperature, hard, "bernoulli")
        cost_one = toys.B.cost("exp")(one)
    np.testing.assert_allclose(one, two[..., 0], atol=2e-6)
    np.testing.assert_allclose(tape.gradient(cost_one, bits), want, atol=2e-5)


@pytest.mark.parametrize(
    "sampler", ["straight_through", "reinmax", "slope_annealed_straight_through"]
)
def test_two_classes_are_one_bit_for_the_samplers_without_a_temperature(sampler):
    options = {"slope": 2.0} if sampler.startswith("slope") else {}
    run = getattr(estimators, sampler)
    bits, pair = toys.B.rows(500), estimators.gumbel_noise([500, 3, 2], [2, 2])
    with tf.GradientTape() as tape:
        tape.watch(bits)
        classes = tf.stack([bits, tf.zeros_like(bits)], -1)
        cost_two = toys.B.cost("exp")(run(classes, pair, **options)[..., 0])
    want = tape.gradient(cost_two, bits)
    with tf.GradientTape() as tape:
        tape.watch(bits)
        noise = pair[..., 0] - pair[..., 1]
        cost_one = toys.B.cost("exp")(run(bits, noise, latent="bernoulli", **options))
    np.testing.assert_array_equal(cost_one, cost_two)
    np.testing.assert_allclose(tape.gradient(cost_one, bits), want, atol=1e-5)


@CLASS_TOYS
@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        ("score_function", {}),
        ("rloo", {"samples": 3}),
        ("vimco", {"samples": 3}),
        ("darn", {}),
        ("muprop", {}),
        ("straight_through", {"temperature": 0.7}),
        ("slope_annealed_straight_through", {"slope": 2.0}),
        ("gumbel_softmax", {"temperature": 0.5}),
        ("st_gumbel_softmax", {"temperature": 0.5}),
        ("gumbel_rao", {"temperature": 0.5}),
        ("reinmax", {"temperature": 1.3}),
        ("rebar", {}),
        ("arm", {}),
        ("disarm", {}),
    ],
)
def test_gradients_of_classes_sum_to_zero(name, estimator, options):
    toy = toys.TOYS[name]
    _, gradient = toys.draw(estimator, toy, toy.cost("exp"), 200, **options)
    assert np.abs(gradient).max() > 0.01
    np.testing.assert_allclose(gradient.sum(-1), 0, atol=2e-5)


@EVERY_TOY
def test_gumbel_rao_needs_no_gradient_through_its_noise(name):
    """It averages J(y) f'(z) / temperature, y of noise that gives z."""
    toy = toys.TOYS[name]
    kind, noise, seed = latents.get(toy.latent), noise_of(toy, 5), [4, 4]
    got = toys.sampled_gradient(
        lambda logits, noise, latent: estimators.gumbel_rao(
            logits, noise, seed, 0.5, samples=3, latent=latent
        ),
        toy,
        "exp",
        noise,
    )
    z = kind.sample(toy.rows(5), noise)
    rows = tf.tile(toy.rows(5)[None], [3, *[1] * (toy.logits.ndim + 1)])
    v = np.float64(kind.condition(rows, z[None], seed))
    y = toy._replace(logits=v / 0.5).mean
    want = toy.jacobian(y, toy.slope(z.numpy(), "exp")[None]).mean(0) / 0.5
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
