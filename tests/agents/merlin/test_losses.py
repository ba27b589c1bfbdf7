"""Losses against the fact sheet's numbers and against sums written out."""

import numpy as np
import pytest
import tensorflow as tf

from agents.merlin import losses, nets
from estimators import gaussian_kl
from tests.agents.merlin import common


def gradients(function, *values):
    """The value and its gradients at [1, 1] inputs."""
    inputs = [tf.constant([[value]]) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        result = function(*inputs, tf.ones([1, 1]))
    found = tape.gradient(result, inputs, unconnected_gradients="zero")
    return float(result), [float(each[0, 0]) for each in found]


def test_the_return_loss_gives_the_published_numbers_and_gradients():
    loss, (value, advantage, _) = gradients(
        lambda v, a, r, mask: losses.return_loss(v, a, r, mask), 0.7, 0.3, 1.2
    )
    np.testing.assert_allclose(loss, 0.145, rtol=1e-6)
    np.testing.assert_allclose([value, advantage], [-0.5, -0.2], rtol=1e-6)


def test_the_last_action_has_the_published_errors():
    logits, action = np.log([0.7, 0.2, 0.1]).astype("f"), np.eye(3, dtype="f")[0]
    found = nets.action_error("bernoulli", logits, action)
    np.testing.assert_allclose(found, 0.685179, rtol=1e-5)
    found = nets.action_error("categorical", logits, action)
    np.testing.assert_allclose(found, 0.356675, rtol=1e-5)


@pytest.mark.parametrize("likelihood", ["bernoulli", "categorical"])
def test_where_there_was_no_action_its_error_is_zero_and_has_no_gradient(likelihood):
    logits = tf.constant([[1.0, -2.0, 50.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        error = nets.action_error(likelihood, logits, tf.zeros([1, 3]))
    assert float(error[0]) == 0
    np.testing.assert_array_equal(tape.gradient(error, logits), np.zeros([1, 3]))


def test_a_certain_wrong_action_has_a_finite_error():
    logits = tf.constant([[100.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        error = nets.action_error("bernoulli", logits, tf.constant([[0.0, 1.0, 0.0]]))
    assert np.isfinite(error).all() and np.isfinite(tape.gradient(error, logits)).all()


def test_the_divergence_gives_the_published_number():
    half_log = 0.5 * np.log([1.0, 4.0])
    prior = np.concatenate([[0.0, 0.0], np.exp(half_log)])
    posterior = np.concatenate([[1.0, -2.0], np.exp(0.5 * np.log([0.25, 4.0]))])
    found = gaussian_kl(posterior.astype("f")[None], prior.astype("f")[None])
    np.testing.assert_allclose(found, [1.318147], rtol=1e-6)


def test_the_policy_loss_is_the_mean_over_transitions_written_out():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 3, 5)).astype("f")
    action = np.eye(5, dtype="f")[rng.integers(5, size=(4, 3))]
    advantage = rng.normal(size=(4, 3)).astype("f")
    mask = (rng.random((4, 3)) < 0.7).astype("f")
    loss, entropy = losses.policy_loss(logits, action, advantage, mask, 0.03)
    p = common.softmax(logits)
    gains, entropies = [], []
    for t in range(4):
        for b in range(3):
            if mask[t, b]:
                gains.append(advantage[t, b] * np.log(p[t, b][action[t, b] == 1][0]))
                entropies.append(-(p[t, b] * np.log(p[t, b])).sum())
    np.testing.assert_allclose(entropy, np.mean(entropies), rtol=1e-5)
    want = -np.mean(gains) - 0.03 * np.mean(entropies)
    np.testing.assert_allclose(loss, want, rtol=1e-5)


def test_the_advantage_is_a_constant_of_the_policy_loss():
    logits, one = tf.constant([[[1.0, 0.0, -1.0]]]), tf.ones([1, 1])
    advantage = 2 * one
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([logits, advantage])
        loss, _ = losses.policy_loss(logits, tf.one_hot([[0]], 3), advantage, one, 0.1)
    assert np.all(np.asarray(tape.gradient(loss, logits)))
    assert tape.gradient(loss, advantage) is None


def test_the_published_entropy():
    logits = tf.constant(np.log([[[0.7, 0.2, 0.1]]]), tf.float32)
    one = tf.ones([1, 1])
    _, entropy = losses.policy_loss(logits, tf.one_hot([[0]], 3), one, one, 0.0)
    np.testing.assert_allclose(entropy, 0.801819, rtol=1e-5)


def test_a_window_without_transitions_costs_nothing():
    ones, none = tf.ones([2, 3]), tf.zeros([2, 3])
    assert float(losses.return_loss(ones, ones, none, none)) == 0
    assert float(losses.value_loss(ones, none, none)) == 0


SPACES = common.spaces()


def error(key, output, target):
    found = nets.reconstruction_error(
        SPACES, key, tf.constant(output, tf.float32), tf.constant(target, tf.float32)
    )
    return np.asarray(found)


def test_pixels_and_bits_are_bernoulli_and_images_are_averaged():
    picture = np.array([0.1, 0.5, 0.8])
    logits = np.log(picture / (1 - picture)) * np.ones((6, 6, 1))
    target = np.array([0.0, 0.5, 1.0]) * np.ones((6, 6, 1))
    # The published sum over three pixels is 1.021651; the mean over values is a third of it.
    found = error("image", logits, target)
    np.testing.assert_allclose(found, 1.021651 / 3, rtol=1e-5)
    found = error("bits", [0.0, 2.0], [1.0, 0.0])
    want = np.log(2) + np.log1p(np.exp(2.0))
    np.testing.assert_allclose(found, want, rtol=1e-5)


def test_floats_have_half_the_squared_error_summed():
    found = error("vector", [1.0, 0.0, -1.0], [0.25, 0.0, 1.0])
    np.testing.assert_allclose(found, 0.28125 + 2.0, rtol=1e-6)


def test_codes_have_one_cross_entropy_per_factor():
    logits = np.array([1.0, 2.0, 0.5, -1.0, 0.0])
    target = np.array([0.0, 1.0, 1.0, 0.0, 0.0])
    first, second = common.softmax(logits[:2]), common.softmax(logits[2:])
    want = -np.log(first[1]) - np.log(second[0])
    np.testing.assert_allclose(error("codes", logits, target), want, rtol=1e-5)


def test_codes_of_an_image_are_averaged_over_cells_and_factors():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 3, 5))
    target = np.zeros((3, 3, 5))
    target[..., 2] = target[..., 4] = 1
    p = common.softmax(logits[..., :4])
    want = -np.log(p[..., 2]).mean() / 2  # the second factor has one class: no error
    np.testing.assert_allclose(error("board", logits, target), want, rtol=1e-5)


@pytest.mark.parametrize("key", ["action", "reward", "return"])
def test_a_part_named_as_a_term_of_the_loss_gets_another_metric(key):
    assert nets.error_name(key) == f"observation_{key}_error"
    assert nets.error_name("image") == "image_error"
