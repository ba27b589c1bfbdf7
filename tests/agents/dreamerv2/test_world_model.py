"""The world model's loss and time indices, against the equations written out in NumPy."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from gymnasium.spaces import Box, MultiDiscrete

from agents.dreamerv2 import nets
from tests.agents.dreamerv2 import common
from tests.agents.dreamerv2.common import HALF_LOG_2PI, sigmoid, softmax

SCALES = {"kl_scale": 0.3, "reward_scale": 2.0, "discount_scale": 5.0}


@functools.cache
def agent(**overrides):
    return common.make(**overrides)


def test_pixels_are_centred_and_bits_and_floats_keep_their_value():
    pixels = tf.constant([0, 51, 255], tf.uint8)
    np.testing.assert_allclose(nets.preprocess(pixels), [-0.5, -0.3, 0.5], atol=1e-7)
    bits = nets.preprocess(tf.constant([False, True]))
    assert bits.dtype == tf.float32
    np.testing.assert_array_equal(bits, [0, 1])
    floats = tf.constant([-3.5, 200.0])
    np.testing.assert_array_equal(nets.preprocess(floats), floats)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("identity", [-2.0, 0.0, 0.5]),
        ("tanh", [-0.9640276, 0.0, 0.4621172]),
        ("sign", [-1.0, 0.0, 1.0]),
    ],
)
def test_rewards_are_transformed_before_learning(name, want):
    subject = agent(reward_transform=name)
    batch = common.rows(subject)
    batch["reward"][:3, 0] = [-2.0, 0.0, 0.5]
    got = common.sequence(subject, batch).reward[:3, 0]
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_rewards_are_multiplied_before_they_are_transformed():
    subject = agent(reward_transform="tanh", reward_factor=0.25)
    batch = common.rows(subject)
    batch["reward"][:2, 0] = [-8.0, 2.0]
    got = common.sequence(subject, batch).reward[:2, 0]
    np.testing.assert_allclose(got, [-0.9640276, 0.4621172], atol=1e-6)


@pytest.mark.parametrize(
    ("observation", "embedding"),
    [
        ({"vector": common.VECTOR}, 16),
        ({"image": common.IMAGE}, 6 * 6 * 2),
        ({"image": common.ATARI}, 32 * 2),
        ({"image": common.ATARI, "vector": common.VECTOR}, 64 + 16),
        ({"a": common.ATARI, "b": Box(0, 255, (64, 64, 3), np.uint8)}, 64),
        ({"a": common.IMAGE, "b": common.ATARI, "c": common.BITS}, 72 + 64 + 16),
    ],
)
def test_every_key_is_encoded_and_predicted_in_its_own_shape(observation, embedding):
    subject = common.make(observation)
    ready = common.sequence(subject, common.rows(subject, 2)).observation
    assert subject.world.encoder(ready).shape == (8, 2, embedding)
    means = subject.world.decoder(tf.zeros((8, 2, 32)))
    shapes = {key: (8, 2, *box.shape) for key, box in observation.items()}
    assert {key: tuple(mean.shape) for key, mean in means.items()} == shapes
    assert np.isfinite(common.eager_update(subject, common.rows(subject, 2))["loss"])


def test_images_of_one_size_share_a_net_by_channels_in_both_directions():
    boxes = {"a": common.IMAGE, "b": Box(0, 255, (6, 6, 1), np.uint8)}
    world = common.make(boxes).world
    image = {
        "a": tf.random.stateless_normal([2, 6, 6, 3], [0, 1]),
        "b": tf.random.stateless_normal([2, 6, 6, 1], [0, 2]),
    }
    both = tf.concat([image["a"], image["b"]], -1)
    np.testing.assert_array_equal(
        world.encoder(image), world.encoder.image_nets[0](both)
    )
    features = tf.random.stateless_normal([2, 32], [0, 3])
    means = world.decoder(features)
    both = world.decoder.image_nets[0](features)
    np.testing.assert_array_equal(means["a"], both[..., :3])
    np.testing.assert_array_equal(means["b"], both[..., 3:])


def test_images_of_other_sizes_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"'image' has 40x40 pixels.*size=64"):
        common.make({"image": Box(0, 255, (40, 40, 3), np.uint8)})


@pytest.mark.parametrize("action", [MultiDiscrete([2, 3]), Box(-1.0, 1.0, (2, 2))])
def test_other_actions_than_discrete_and_flat_boxes_are_refused(action):
    with pytest.raises(ValueError, match="takes Discrete actions or a Box of rank 1"):
        common.make(action=action)


def test_actions_enter_one_hot_or_as_they_are():
    subject = agent()
    batch = common.rows(subject)
    got = common.sequence(subject, batch).action
    np.testing.assert_array_equal(got, np.eye(3)[batch["action"]])
    subject = common.make(action=common.TWO_AXES)
    batch = common.rows(subject)
    got = common.sequence(subject, batch).action
    np.testing.assert_array_equal(got, batch["action"])


def categorical_kl(p, q):
    ratio = np.log(softmax(p)) - np.log(softmax(q))
    return (softmax(p) * ratio).sum((-2, -1))


def written_out(subject, batch, seed=1):
    """Every term of the loss in float64 from the nets' outputs alone."""
    world, config = subject.world, subject.config
    states, prior = common.posterior(subject, batch, seed)
    features = world.cell.features(states)
    rows, terms = common.sequence(subject, batch), {}
    for key, mean in world.decoder(features).items():
        error = (np.float64(rows.observation[key]) - mean.numpy()) ** 2 / 2
        events = tuple(range(2, error.ndim))
        terms[key] = (error + HALF_LOG_2PI).sum(events).mean()
    error = np.tanh(batch["reward"].astype(np.float64)) - world.reward(features)
    terms["reward"] = (np.square(error) / 2 + HALF_LOG_2PI).mean()
    p = sigmoid(world.discount(features))
    target = config.discount * batch["discount"]
    terms["discount"] = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    params, prior = np.float64(states.params), np.float64(prior)
    return terms, categorical_kl(params, prior).mean(), params, prior


def test_the_loss_is_the_sum_written_out():
    subject = agent(**SCALES)
    batch = common.rows(subject)
    terms, kl, _, _ = written_out(subject, batch)
    want = 0.3 * kl + terms["image"] + terms["vector"] + terms["bits"]
    want += 2.0 * terms["reward"] + 5.0 * terms["discount"]
    loss, _, metrics = subject.world.loss(
        common.sequence(subject, batch), common.noises(subject, 8, 3)
    )
    np.testing.assert_allclose(loss, want, rtol=1e-5)
    for key, value in terms.items():
        np.testing.assert_allclose(metrics[f"{key}_loss"], value, rtol=1e-5)
    np.testing.assert_allclose(metrics["model_kl"], kl, rtol=1e-4)
    np.testing.assert_allclose(metrics["kl_loss"], kl, rtol=1e-4)


def test_a_perfect_picture_costs_the_published_constant():
    zeros = tf.zeros((2, 3, 64, 64, 1))
    np.testing.assert_allclose(nets.normal_nll(zeros, zeros, 3), 3763.9692, rtol=1e-6)
    zeros = tf.zeros((2, 64, 64, 3))
    np.testing.assert_allclose(nets.normal_nll(zeros, zeros, 3), 11291.933, rtol=1e-6)


def test_the_discount_target_is_gamma_unless_the_row_is_terminal():
    subject = agent(discount=0.9)
    world, batch = subject.world, common.rows(subject)
    features = subject.world.cell.features(common.posterior(subject, batch)[0])
    with tf.GradientTape() as tape:
        logits = world.discount(features)
        tape.watch(logits)
        loss = -tf.reduce_mean(
            world.discount.head.log_prob(logits, 0.9 * batch["discount"])
        )
    soft = (sigmoid(logits) - 0.9 * batch["discount"]) / logits.numpy().size
    np.testing.assert_allclose(tape.gradient(loss, logits), soft, atol=1e-6)
    got = world._negative_log_likelihoods(features, common.sequence(subject, batch))
    np.testing.assert_allclose(got["discount"], loss, rtol=1e-6)
    truncated = batch["is_last"] & (batch["discount"] == 1)
    assert truncated.any()
    other = dict(batch, is_last=np.zeros_like(truncated))
    again = world._negative_log_likelihoods(features, common.sequence(subject, other))
    assert float(got["discount"]) == float(again["discount"])


def feature_gradients(subject):
    """Key -> the gradient of its likelihood with respect to the features, None where there is none."""
    batch = common.sequence(subject, common.rows(subject))
    features = tf.random.stateless_normal([8, 3, 32], [4, 4])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        terms = subject.world._negative_log_likelihoods(features, batch)
    return {key: tape.gradient(value, features) for key, value in terms.items()}


@pytest.mark.parametrize(
    ("overrides", "without"),
    [
        ({}, set()),
        ({"image_gradients": False}, {"image", "vector", "bits"}),
        ({"reward_gradients": False}, {"reward"}),
    ],
)
def test_only_heads_that_may_shape_the_features_send_gradients(overrides, without):
    found = feature_gradients(agent(**overrides))
    assert {key for key, value in found.items() if value is None} == without
    for key in found.keys() - without:
        assert np.abs(found[key]).max() > 0


def test_a_head_that_may_not_shape_the_features_still_learns():
    subject = agent(image_gradients=False)
    batch = common.sequence(subject, common.rows(subject))
    with tf.GradientTape() as tape:
        loss, *_ = subject.world.loss(batch, common.noises(subject, 8, 3))
    weights = subject.world.decoder.trainable_variables
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("balance", "free", "factor"), [(0.8, 0, 0.8), (0.5, 0, 1), (0.8, 99, 0)]
)
def test_the_prior_gets_its_share_of_the_kl_gradient(balance, free, factor):
    subject = agent(kl_balance=balance, kl_free=free, kl_scale=0.3)
    world, batch = subject.world, common.rows(subject)
    bias = world.cell._prior_out.bias
    with tf.GradientTape() as tape:
        loss, *_ = world.loss(
            common.sequence(subject, batch), common.noises(subject, 8, 3)
        )
    _, _, params, prior = written_out(subject, batch)
    want = 0.3 * factor * (softmax(prior) - softmax(params)).mean((0, 1)).reshape(-1)
    np.testing.assert_allclose(tape.gradient(loss, bias.value), want, atol=1e-6)


def test_nothing_before_a_first_row_reaches_what_comes_after():
    subject = agent()
    one, two = common.rows(subject, seed=0), common.rows(subject, seed=7)
    after = np.arange(8)[:, None] >= np.where([True, True, False], 3, 0)
    mixed = {
        key: np.where(after.reshape(8, 3, *[1] * (value.ndim - 2)), value, two[key])
        for key, value in one.items()
    }
    mixed["is_first"] = one["is_first"]
    mixed["action"][3, :2] = (one["action"][3, :2] + 1) % 3
    want, prior = common.posterior(subject, one)
    got, other = common.posterior(subject, mixed)
    for a, b in zip([*want, prior], [*got, other], strict=True):
        np.testing.assert_array_equal(np.array(a)[after], np.array(b)[after])
    assert not np.array_equal(want.deter[2, :2], got.deter[2, :2])


def changed_rows(subject, key, t):
    """When the deterministic state and the posterior change as the input `key` changes at time t."""
    one = common.rows(subject, seed=0)
    two = {name: value.copy() for name, value in one.items()}
    two[key][t, 2] = (two[key][t, 2] + 1) % 3
    (a, _), (b, _) = common.posterior(subject, one), common.posterior(subject, two)
    return tuple(
        np.flatnonzero(np.abs(x[:, 2] - y[:, 2]).reshape(8, -1).max(-1))
        for x, y in [(a.deter, b.deter), (a.params, b.params)]
    )


def test_the_action_of_a_row_is_the_one_that_led_to_its_observation():
    deter, params = changed_rows(agent(), "action", 4)
    np.testing.assert_array_equal(deter, [4, 5, 6, 7])
    np.testing.assert_array_equal(params, [4, 5, 6, 7])


def test_an_observation_moves_the_posterior_now_and_the_recurrent_state_from_the_next_row_on():
    deter, params = changed_rows(agent(classes=0), "observation/vector", 4)
    np.testing.assert_array_equal(params[0], 4)
    assert deter[0] > 4


def test_the_action_of_a_first_row_is_not_read():
    subject = agent()
    one = common.rows(subject)
    two = dict(one, action=np.where(one["is_first"], 2 - one["action"], one["action"]))
    (a, _), (b, _) = common.posterior(subject, one), common.posterior(subject, two)
    np.testing.assert_array_equal(a.deter, b.deter)


def test_without_a_discount_head_the_discount_is_gamma_everywhere():
    subject = agent(predict_discount=False, discount=0.97)
    assert "discount" not in subject.world.modules
    features = tf.random.stateless_normal([5, 2, 32], [0, 0])
    got = subject.world.predicted_discount(features)
    np.testing.assert_allclose(got, np.full((5, 2), 0.97), rtol=1e-6)
    metrics = common.eager_update(subject, common.rows(subject))
    assert "discount_loss" not in metrics
    assert np.isfinite(metrics["loss"])


def test_the_predicted_discount_is_the_mean_of_the_head():
    world = agent().world
    features = tf.random.stateless_normal([5, 2, 32], [0, 0])
    want = sigmoid(world.discount(features))
    np.testing.assert_allclose(world.predicted_discount(features), want, rtol=1e-5)


@pytest.mark.parametrize("name", ["reward", "discount"])
def test_an_observation_may_be_called_like_a_head(name):
    subject = common.make({name: common.VECTOR, "vector": common.VECTOR})
    batch = common.rows(subject)
    states, _ = common.posterior(subject, batch)
    features = subject.world.cell.features(states)
    rows = common.sequence(subject, batch)
    with tf.GradientTape() as tape:
        loss, *_ = subject.world.loss(rows, common.noises(subject, 8, 3))
    heads = subject.world.decoder.vector_heads
    gradients = tape.gradient(loss, [head.dense.bias.value for head in heads])
    means = subject.world.decoder(features)
    for key, gradient in zip(subject.world.decoder.vectors, gradients, strict=True):
        want = np.mean(means[key] - rows.observation[key], (0, 1))
        np.testing.assert_allclose(gradient, want, atol=1e-5)
