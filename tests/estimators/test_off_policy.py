"""V-trace against a twin written from the paper's equations, and its special cases."""

import numpy as np
import pytest
import tensorflow as tf

import estimators
from estimators import gae, vtrace

T, B = 7, 5


def random_case(seed=0, ends=True):
    rng = np.random.default_rng(seed)
    discount = np.full((T, B), 0.9)
    mask = np.ones((T, B))
    if ends:
        for row, step, terminal in ((1, 3, True), (2, 2, False), (3, 5, True)):
            discount[step, row] = 0.0 if terminal else 0.9
            mask[step + 1, row] = 0  # from the last state to the next episode's first
    return {
        "log_rho": rng.normal(scale=0.7, size=(T, B)),
        "reward": rng.normal(size=(T, B)),
        "value": rng.normal(size=(T, B)),
        "discount": discount,
        "bootstrap": rng.normal(size=B),
        "mask": mask,
    }


def twin(
    log_rho, reward, value, discount, bootstrap, mask, lam=1.0, clip_rho=1.0, clip_c=1.0
):
    """IMPALA's equation 1 as it stands: a sum over later steps of products of traces, episode by episode."""
    ratio = np.exp(log_rho)
    rho, c = np.minimum(clip_rho, ratio), lam * np.minimum(clip_c, ratio)
    after = np.concatenate([value[1:], bootstrap[None]])
    target, (steps, rows) = value.copy(), value.shape
    for b in range(rows):
        for s in range(steps):
            weight = 1.0
            for t in range(s, steps):
                if mask[t, b] == 0:
                    break
                delta = rho[t, b] * (
                    reward[t, b] + discount[t, b] * after[t, b] - value[t, b]
                )
                target[s, b] += weight * delta
                weight *= discount[t, b] * c[t, b]
    later = np.concatenate([target[1:], bootstrap[None]])
    return target, mask * rho * (reward + discount * later - value)


@pytest.mark.parametrize(
    "options",
    [{}, {"lam": 0.7}, {"clip_rho": 2.0, "clip_c": 0.5}, {"lam": 0.0, "clip_rho": 0.3}],
)
def test_vtrace_is_the_papers_sum_written_out(options):
    for seed in range(3):
        case = random_case(seed)
        found, wanted = vtrace(**case, **options), twin(**case, **options)
        for got, want in zip(found, wanted, strict=True):
            assert got.dtype == tf.float32
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_on_policy_the_targets_are_the_bootstrapped_returns():
    case = random_case() | {"log_rho": np.zeros((T, B))}
    found = vtrace(**case)
    names = ("reward", "value", "discount", "bootstrap", "mask")
    parts = {key: case[key].astype(np.float32) for key in names}
    returns = gae(**parts, lam=1.0) + parts["value"]
    np.testing.assert_allclose(found.target, returns, rtol=1e-5, atol=1e-5)
    # Where an episode was cut it goes on with the value of its last state.
    step, row = 2, 2
    want = case["reward"][step, row] + 0.9 * case["value"][step + 1, row]
    assert float(found.target[step, row]) == pytest.approx(want, rel=1e-5)
    terminal = case["reward"][3, 1]
    assert float(found.target[3, 1]) == pytest.approx(terminal, rel=1e-5)


def test_without_episode_ends_it_is_the_n_step_return():
    case = random_case(ends=False) | {"log_rho": np.zeros((T, B))}
    want, later = np.zeros((T, B)), case["bootstrap"]
    for t in reversed(range(T)):
        later = want[t] = case["reward"][t] + 0.9 * later
    np.testing.assert_allclose(vtrace(**case).target, want, rtol=1e-5)


def test_lambda_is_in_the_traces_alone_and_0_makes_one_step_targets():
    case = random_case() | {"log_rho": np.zeros((T, B))}
    after = np.concatenate([case["value"][1:], case["bootstrap"][None]])
    one_step = case["reward"] + case["discount"] * after
    found = vtrace(**case, lam=0.0)
    want = np.where(case["mask"] > 0, one_step, case["value"])
    np.testing.assert_allclose(found.target, want, rtol=1e-5, atol=1e-6)
    later = np.concatenate([want[1:], case["bootstrap"][None]])
    advantage = case["reward"] + case["discount"] * later - case["value"]
    np.testing.assert_allclose(
        found.advantage, case["mask"] * advantage, rtol=1e-4, atol=1e-5
    )


def test_an_action_that_was_more_likely_before_counts_less_and_never_more_than_clipped():
    case = random_case(ends=False)
    case["log_rho"][:] = -100.0
    found = vtrace(**case)
    np.testing.assert_allclose(found.target, case["value"], rtol=1e-6)
    np.testing.assert_allclose(found.advantage, np.zeros((T, B)), atol=1e-6)
    case["log_rho"][:] = 100.0
    far = vtrace(**case)
    case["log_rho"][:] = 0.0
    np.testing.assert_allclose(far.target, vtrace(**case).target, rtol=1e-6)


def test_no_gradient_passes_and_graphs_of_unknown_length_agree():
    case = {key: tf.constant(each, tf.float32) for key, each in random_case().items()}
    with tf.GradientTape() as tape:
        tape.watch(case["value"])
        found = vtrace(**case)
        total = tf.reduce_sum(found.target + found.advantage)
    assert tape.gradient(total, case["value"]) is None
    shapes = {key: [None] * each.shape.rank for key, each in case.items()}
    specs = [tf.TensorSpec(shapes[key]) for key in case]
    compiled = tf.function(lambda *parts: estimators.vtrace(*parts), specs)
    for got, want in zip(compiled(*case.values()), found, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def test_shapes_that_differ_are_named():
    case = random_case() | {"mask": np.ones((T, B + 1))}
    with pytest.raises(ValueError, match="mask has shape"):
        vtrace(**case)
