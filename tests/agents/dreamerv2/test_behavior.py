"""Imagination, actor and critic: time indices, losses and gradients, against their equations."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from agents.dreamerv2.behavior import Dream
from tests.agents.dreamerv2 import common
from tests.agents.dreamerv2.common import HALF_LOG_2PI, THREE, TWO_AXES, softmax

HORIZON, NUMBER, GAMMA, LAM = 5, 24, 0.9, 0.95
MODES = ("reinforce", "dynamics", "both")
KINDS = pytest.mark.parametrize("action", [THREE, TWO_AXES], ids=["discrete", "box"])


@functools.cache
def agent(gradient="auto", box=False, classes=4):
    action = TWO_AXES if box else THREE
    return common.make(
        action=action, actor_grad=gradient, classes=classes, discount=GAMMA
    )


def inputs(subject, seed=0):
    """Start states, what is not terminal, and noise for `imagine`."""
    batch = common.rows(subject, seed=seed)
    states, _ = common.posterior(subject, batch)
    start = tf.nest.map_structure(
        lambda part: tf.constant(part.numpy().reshape(NUMBER, *part.shape[2:])), states
    )
    noise = common.noises(subject, HORIZON, NUMBER, 5)
    action_noise = subject.behavior.action_noise((HORIZON, NUMBER), [6, 0])
    return start, tf.constant(batch["discount"].reshape(-1)), noise, action_noise


def imagine(subject, seed=0):
    return subject.behavior.imagine(subject.world, *inputs(subject, seed))


def test_auto_takes_reinforce_for_choices_and_dynamics_for_boxes():
    assert agent().behavior.gradient == "reinforce"
    assert agent(box=True).behavior.gradient == "dynamics"


@KINDS
def test_action_k_is_drawn_at_state_k_and_leads_to_state_k_plus_1(action):
    subject = agent(box=action is TWO_AXES)
    cell, head = subject.world.cell, subject.behavior.actor.head
    state, _, noise, action_noise = inputs(subject)
    dream = imagine(subject)
    np.testing.assert_array_equal(dream.features[0], cell.features(state))
    for k in range(HORIZON):
        policy = subject.behavior.actor(cell.features(state))
        np.testing.assert_allclose(dream.policy[k], policy, atol=1e-5)
        drawn = head.sample(policy, action_noise[k])
        np.testing.assert_allclose(dream.action[k], drawn, atol=1e-5)
        state = cell.prior_step(state, cell.action_inputs(drawn), noise[k])
        np.testing.assert_allclose(
            dream.features[k + 1], cell.features(state), atol=1e-5
        )
    assert dream.features.shape[0] == HORIZON + 1 == dream.reward.shape[0]
    assert dream.action.shape[0] == dream.policy.shape[0] == HORIZON


def test_choices_are_drawn_by_the_largest_noisy_logit():
    subject = agent()
    *_, action_noise = inputs(subject)
    dream = imagine(subject)
    want = np.argmax(dream.policy.numpy() + action_noise.numpy(), -1)
    np.testing.assert_array_equal(dream.action, np.eye(3)[want])


def test_the_first_discount_is_that_of_the_replayed_row_and_weights_are_products():
    subject = agent()
    _, not_terminal, *_ = inputs(subject)
    dream = imagine(subject)
    np.testing.assert_allclose(dream.discount[0], GAMMA * not_terminal, rtol=1e-6)
    logits = subject.world.discount(dream.features)
    np.testing.assert_allclose(dream.discount[1:], common.sigmoid(logits)[1:], 1e-5)
    np.testing.assert_allclose(dream.reward, subject.world.reward(dream.features))
    want = np.ones((HORIZON + 1, NUMBER))
    for k in range(1, HORIZON + 1):
        want[k] = want[k - 1] * dream.discount[k - 1].numpy()
    np.testing.assert_allclose(dream.weight, want, rtol=1e-5)
    ended = not_terminal.numpy() == 0
    assert ended.sum() == 1
    np.testing.assert_array_equal(dream.weight.numpy()[0, ended], 1)
    np.testing.assert_array_equal(dream.weight.numpy()[1:, ended], 0)


def random_dream(subject, seed=3):
    """A dream of random numbers, and values of the slow critic."""
    rng = np.random.default_rng(seed)
    shape = (HORIZON + 1, NUMBER)
    if subject.behavior.discrete:
        policy = rng.normal(size=(HORIZON, NUMBER, 3))
        action = np.eye(3)[rng.integers(3, size=(HORIZON, NUMBER))]
    else:
        mean = rng.uniform(-0.9, 0.9, (HORIZON, NUMBER, 2))
        std = rng.uniform(0.2, 1.5, (HORIZON, NUMBER, 2))
        policy = np.concatenate([mean, std], -1)
        action = rng.uniform(-0.99, 0.99, (HORIZON, NUMBER, 2))
    parts = [
        rng.normal(size=(*shape, 32)),
        policy,
        action,
        rng.normal(size=shape),
        rng.uniform(0, 1, shape),
        rng.uniform(0, 1, shape),
    ]
    return Dream(*(tf.constant(part, tf.float32) for part in parts))


def written_returns(dream, value):
    """V_15 = v_15, V_k = r_k + d_k ((1 - lambda) v_{k+1} + lambda V_{k+1}), the reward of the same index."""
    reward, discount = dream.reward.numpy(), dream.discount.numpy()
    later, found = value[-1], []
    for k in reversed(range(HORIZON)):
        later = reward[k] + discount[k] * ((1 - LAM) * value[k + 1] + LAM * later)
        found.append(later)
    return np.stack(found[::-1])


def test_targets_are_lambda_returns_of_the_slow_critic_with_the_reward_of_the_same_index():
    subject = agent()
    dream = random_dream(subject)
    value, returns = subject.behavior.targets(dream)
    slow = subject.behavior.slow_critic(dream.features).numpy()
    np.testing.assert_allclose(value, slow, rtol=1e-6)
    assert not np.allclose(value, subject.behavior.critic(dream.features))
    np.testing.assert_allclose(returns, written_returns(dream, slow), rtol=1e-4)


def written_policy(dream):
    """Log-probability of each action and entropy of each policy; the box's integrals are summed numerically."""
    policy, action = np.float64(dream.policy), np.float64(dream.action)
    if policy.shape[-1] == 3:
        logs = np.log(softmax(policy))
        return (logs * action).sum(-1), -(softmax(policy) * logs).sum(-1)
    mean, std = np.split(policy, 2, -1)
    width = 1e-3
    grid = np.arange(-1 + width / 2, 1, width)
    heights = np.exp(-0.5 * ((grid - mean[..., None]) / std[..., None]) ** 2)
    mass = heights.sum(-1) * width
    density = heights / mass[..., None]
    entropy = -(density * np.log(density)).sum(-1) * width
    log_prob = -0.5 * ((action - mean) / std) ** 2 - np.log(mass)
    return log_prob.sum(-1), entropy.sum(-1)


def written_actor_loss(gradient, dream, value, mix, eta):
    """- mean over k = 0..H-2 of weight_k (objective_k + eta entropy_k), by explicit loops over k."""
    returns = written_returns(dream, value)
    log_prob, entropy = written_policy(dream)
    total = []
    for k in range(HORIZON - 1):
        score = log_prob[k] * (returns[k + 1] - value[k])
        objective = {
            "reinforce": score,
            "dynamics": returns[k + 1],
            "both": mix * returns[k + 1] + (1 - mix) * score,
        }[gradient]
        total.append(dream.weight[k].numpy() * (objective + eta * entropy[k]))
    return -np.mean(total)


@KINDS
@pytest.mark.parametrize("gradient", MODES)
def test_the_actor_loss_is_the_sum_written_out(gradient, action):
    subject = agent(gradient, action is TWO_AXES)
    dream = random_dream(subject)
    value = np.random.default_rng(9).normal(size=(HORIZON + 1, NUMBER))
    value = value.astype(np.float32)
    returns = tf.constant(written_returns(dream, value))
    loss, metrics = subject.behavior.actor_loss(dream, value, returns, 0.3, 0.07)
    want = written_actor_loss(gradient, dream, value, 0.3, 0.07)
    np.testing.assert_allclose(loss, want, rtol=1e-4)
    entropy = written_policy(dream)[1][: HORIZON - 1].mean()
    np.testing.assert_allclose(metrics["actor_ent"], entropy, rtol=1e-4)


def test_the_critic_loss_is_the_sum_written_out_and_moves_the_critic_alone():
    subject = agent()
    behavior, dream = subject.behavior, random_dream(subject)
    target = np.random.default_rng(4).normal(size=(HORIZON, NUMBER)).astype(np.float32)
    returns = tf.Variable(target)
    features = tf.Variable(dream.features)
    slow = behavior.slow_critic.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        loss, _ = behavior.critic_loss(dream._replace(features=features), returns)
    value = behavior.critic(dream.features).numpy()
    want = np.mean(
        [
            dream.weight[k].numpy() * ((value[k] - target[k]) ** 2 / 2 + HALF_LOG_2PI)
            for k in range(HORIZON)
        ]
    )
    np.testing.assert_allclose(loss, want, rtol=1e-5)
    assert tape.gradient(loss, returns) is None
    assert tape.gradient(loss, features) is None
    assert not any(
        gradient is not None
        for gradient in tape.gradient(loss, [weight.value for weight in slow])
    )
    bias = behavior.critic.head.dense.bias
    weight = dream.weight.numpy()[:-1]
    want = np.mean(weight * (value[:-1] - target))
    np.testing.assert_allclose(tape.gradient(loss, bias.value), [want], rtol=1e-4)


def actor_weights(subject):
    return [weight.value for weight in subject.behavior.actor.trainable_variables]


def actor_gradients(subject, mix=0.3, eta=0.07):
    behavior = subject.behavior
    with tf.GradientTape() as tape:
        dream = imagine(subject)
        value, returns = behavior.targets(dream)
        loss, _ = behavior.actor_loss(dream, value, returns, mix, eta)
    return tape.gradient(loss, actor_weights(subject)), dream, value, returns


@KINDS
def test_reinforce_is_the_gradient_of_log_probabilities_at_constant_advantages(action):
    subject = agent("reinforce", action is TWO_AXES)
    behavior = subject.behavior
    got, dream, value, returns = actor_gradients(subject)
    advantage = (returns[1:] - value[:-2]).numpy()
    fixed = tf.constant(dream.features.numpy()), tf.constant(dream.action.numpy())
    with tf.GradientTape() as tape:
        policy = behavior.actor(fixed[0][: HORIZON - 1])
        score = behavior.actor.head.log_prob(policy, fixed[1][:-1])
        terms = score * advantage + 0.07 * behavior.actor.head.entropy(policy)
        loss = -tf.reduce_mean(dream.weight.numpy()[: HORIZON - 1] * terms)
    want = tape.gradient(loss, actor_weights(subject))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)


@KINDS
def test_with_reinforce_nothing_imagined_depends_on_the_actor(action):
    subject = agent("reinforce", action is TWO_AXES)
    with tf.GradientTape() as tape:
        dream = imagine(subject)
        _, returns = subject.behavior.targets(dream)
        total = tf.reduce_sum(returns) + tf.reduce_sum(dream.features)
    assert tape.gradient(total, actor_weights(subject)) == [None] * len(
        actor_weights(subject)
    )


@KINDS
@pytest.mark.parametrize("gradient", ["dynamics", "both"])
def test_with_dynamics_every_actor_weight_learns_through_the_model(gradient, action):
    subject = agent(gradient, action is TWO_AXES)
    with tf.GradientTape() as tape:
        _, returns = subject.behavior.targets(imagine(subject))
        total = tf.reduce_sum(returns[1:])
    for found in tape.gradient(total, actor_weights(subject)):
        assert np.abs(found).max() > 0


def frozen_loss(subject, base, mix, eta):
    """The actor's loss as a function of its weights, where what the gradient stops is held at `base`."""
    world, behavior = subject.world, subject.behavior
    head = behavior.actor.head
    state, _, noise, action_noise = inputs(subject)
    features, actions, policies = [world.cell.features(state)], [], []
    for k in range(HORIZON):
        policies.append(behavior.actor(base.features[k]))
        actions.append(head.sample(policies[-1], action_noise[k]))
        moved = world.cell.action_inputs(actions[-1])
        state = world.cell.prior_step(state, moved, noise[k])
        features.append(world.cell.features(state))
    features = tf.stack(features)
    discount = world.predicted_discount(features).numpy()
    discount[0] = base.discount[0]
    dream = Dream(
        features,
        tf.stack(policies),
        tf.stack(actions),
        world.reward(features),
        tf.constant(discount),
        base.weight,
    )
    value = behavior.slow_critic(features).numpy()
    returns = written_returns(dream, value)
    log_prob, entropy = written_policy(dream)
    advantage = base_advantage(subject, base)
    objective = mix * returns[1:] + (1 - mix) * log_prob[:-1] * advantage
    terms = base.weight.numpy()[:-2] * (objective + eta * entropy[:-1])
    return -terms.mean(dtype=np.float64)


def base_advantage(subject, base):
    value = subject.behavior.slow_critic(base.features).numpy()
    return written_returns(base, value)[1:] - value[:-2]


@pytest.mark.parametrize(("gradient", "mix"), [("dynamics", 1.0), ("both", 0.3)])
def test_gradients_through_the_model_are_those_of_finite_differences(gradient, mix):
    subject = agent(gradient, box=True, classes=0)
    got, base, *_ = actor_gradients(subject, mix, 1e-3)
    weights = subject.behavior.actor.trainable_variables
    rng, size = np.random.default_rng(0), 2e-2
    for k in range(4):
        ways = [rng.normal(size=weight.shape).astype(np.float32) for weight in weights]
        ways = ways if k else [part.numpy() for part in got]
        length = np.sqrt(sum(np.square(way).sum() for way in ways))
        ways = [way / length for way in ways]
        want = sum(np.vdot(way, part) for way, part in zip(ways, got, strict=True))
        losses = []
        for sign in (1, -1):
            for weight, way in zip(weights, ways, strict=True):
                weight.assign_add(sign * size * way)
            losses.append(frozen_loss(subject, base, mix, 1e-3))
            for weight, way in zip(weights, ways, strict=True):
                weight.assign_sub(sign * size * way)
        slope = (losses[0] - losses[1]) / (2 * size)
        np.testing.assert_allclose(slope, want, rtol=0.01, atol=4e-6)
