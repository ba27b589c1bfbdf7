"""Two layers of two bits each, the second one's logits a function of the first: a cost that holds an estimate."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import estimators
from tests.estimators import toys

FIRST = np.array([0.4, -0.7])
SECOND = np.array([-0.2, 0.5])
WEIGHTS = np.array([[1.1, -0.6], [0.7, 0.9]])
DRAWS = 100_000


def score(ops, x, y):
    """f(x, y) of bits [..., 2]: curved, with products of both layers."""
    s = x[..., 0] * 0.8 - x[..., 1] * 0.5 + y[..., 0] * 0.6 - y[..., 1] * 1.1
    return (1 + ops.tanh(s)) ** 2 + x[..., 0] * y[..., 1]


def expected(first, second, weights):
    """E f over all 16 states."""
    total, bits = 0.0, [np.array(b, float) for b in itertools.product([0, 1], repeat=2)]
    for x, y in itertools.product(bits, bits):
        p, q = 1 / (1 + np.exp(-first)), 1 / (1 + np.exp(-second - weights @ x))
        chance = np.prod(np.where(x > 0, p, 1 - p) * np.where(y > 0, q, 1 - q))
        total += chance * score(np, x, y)
    return total


def truth():
    """E f and its gradients by central differences in float64."""
    point, gradients = [FIRST, SECOND, WEIGHTS], []
    for i, value in enumerate(point):
        gradient = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            shift = np.zeros(value.shape)
            shift[index] = 1e-5
            sides = [
                expected(*point[:i], value + s * shift, *point[i + 1 :])
                for s in (1, -1)
            ]
            gradient[index] = (sides[0] - sides[1]) / 2e-5
        gradients.append(gradient)
    return expected(*point), gradients


def draw(outer, inner, outer_options, inner_options, mean_field=False):
    """Returns the costs [draws] and the gradients of both layers' logits and of the weights between, [draws, ...]."""
    first, second, weights = (
        tf.constant(np.broadcast_to(np.float32(v), [DRAWS, *v.shape]))
        for v in (FIRST, SECOND, WEIGHTS)
    )

    def logits_given(x):
        return second + tf.linalg.matvec(weights, x)

    def cost(x):
        made = estimators.estimate(
            inner,
            logits_given(x),
            lambda y: score(tf, x, y),
            [7, 2],
            "bernoulli",
            **inner_options,
        )
        return made.surrogate

    if mean_field:
        outer_options = {
            "mean_cost": lambda p: score(tf, p, tf.sigmoid(logits_given(p)))
        }
    with tf.GradientTape() as tape:
        tape.watch([first, second, weights])
        made = estimators.estimate(
            outer, first, cost, [7, 1], "bernoulli", **outer_options
        )
    gradients = tape.gradient(made.surrogate, [first, second, weights])
    return np.float64(made.cost), [np.float64(g) for g in gradients]


@pytest.mark.parametrize(
    ("outer", "inner", "outer_options", "inner_options"),
    [
        ("score_function", "score_function", {}, {}),
        ("score_function", "disarm", {"baseline": 1.0}, {}),
        ("rloo", "rloo", {}, {"samples": 3}),
        ("rloo", "muprop", {"samples": 3}, {}),
        ("muprop", "muprop", {}, {}),
        ("rebar", "rebar", {"weight": 0.5}, {"temperature": 1.0}),
        ("rebar", "score_function", {}, {}),
        ("disarm", "disarm", {}, {}),
        ("disarm", "rebar", {}, {}),
        ("arm", "rloo", {}, {}),
    ],
)
def test_a_cost_that_holds_an_estimate_is_unbiased_in_all_parameters(
    outer, inner, outer_options, inner_options
):
    value, want = truth()
    cost, got = draw(outer, inner, outer_options, inner_options)
    toys.assert_unbiased(cost, np.array(value), 4.5)
    for g, w in zip(got, want, strict=True):
        toys.assert_unbiased(g, w, 4.5)


def test_muprop_through_the_mean_field_is_unbiased_and_varies_less():
    value, want = truth()
    cost, mean_field = draw("muprop", "muprop", {}, {}, mean_field=True)
    toys.assert_unbiased(cost, np.array(value), 4.5)
    for g, w in zip(mean_field, want, strict=True):
        toys.assert_unbiased(g, w, 4.5)
    _, plain = draw("score_function", "score_function", {}, {})
    for g, s in zip(mean_field, plain, strict=True):
        assert toys.total_variance(g) < 0.7 * toys.total_variance(s)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("straight_through", {}),
        ("st_gumbel_softmax", {"temperature": 0.5}),
        ("gumbel_rao", {"temperature": 0.5}),
        ("reinmax", {}),
    ],
)
def test_pathwise_layers_in_a_row_pass_the_gradient_through_both_samples(name, options):
    _, want = truth()
    _, got = draw(name, name, options, options)
    for g, w in zip(got, want, strict=True):
        assert np.sign(g.mean(0)).tolist() == np.sign(w).tolist()
        assert np.linalg.norm(g.mean(0) - w) < 0.5 * np.linalg.norm(w)
