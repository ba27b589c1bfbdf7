"""What a policy promises: expectations by enumeration, samples in their mean, the squashed normal against TFP."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import estimators
import layers
from agents.sac import actions
from agents.sac.critic import TwinCritic
from layers.tanh_normal_head import TanhNormalHead

SAMPLED = ("gumbel_softmax", "st_gumbel_softmax", "straight_through")
CHOICES = {"one": Discrete(3), "several": MultiDiscrete([2, 3])}
DRAWS = 20_000


class Linear:
    """Critics that are linear in the action, the first always the smaller: both are w . a + the embedding."""

    def __init__(self, size):
        self.weights = tf.constant(
            np.random.default_rng(3).normal(size=size), tf.float32
        )

    def __call__(self, embed, action):
        q = tf.reduce_sum(action * self.weights, -1) + embed[..., 0]
        return tf.stack([q, q + 1])

    def at_each(self, embed, table):
        q = tf.linalg.matvec(table, self.weights) + embed
        return tf.stack([q, q + 1])


class Bent(Linear):
    """Critics with a product of the action's numbers with themselves: relaxed samples see other values."""

    def __call__(self, embed, action):
        q = tf.exp(tf.reduce_sum(action * self.weights, -1)) + embed[..., 0]
        return tf.stack([q, q + 1])


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def gradient(choice, logits, critic, temperature=1.0, draws=1, seed=0):
    """The mean gradient of the value by the logits, and its standard error."""
    many = tf.tile(tf.constant([[logits]], tf.float32), [1, draws, 1])
    noise = choice.head.noise([1, draws], tf.constant([seed, 1]))
    with tf.GradientTape() as tape:
        tape.watch(many)
        value, _ = choice.outlook(
            many, critic, tf.zeros((1, draws, 1)), noise, tf.constant(temperature)
        )
    found = tape.gradient(value, many)[0].numpy()
    return found.mean(0), found.std(0) / np.sqrt(draws)


def enumerated(space, logits, critic):
    """The exact value and its gradient, joint action by joint action, with central differences."""
    classes = space.nvec if isinstance(space, MultiDiscrete) else [space.n]

    def value(x):
        parts = np.split(x, np.cumsum(classes)[:-1])
        total = 0.0
        for joint in itertools.product(*(range(k) for k in classes)):
            p = np.prod(
                [softmax(part)[i] for part, i in zip(parts, joint, strict=True)]
            )
            code = np.concatenate(
                [np.eye(k)[i] for k, i in zip(classes, joint, strict=True)]
            )
            code = tf.constant(code[None, None], tf.float32)
            q = critic(tf.zeros((1, 1, 1)), code).numpy().min()
            total += p * q
        return total

    x = np.array(logits, float)
    steps = 1e-4 * np.eye(len(x))
    slopes = [(value(x + d) - value(x - d)) / 2e-4 for d in steps]
    return value(x), np.array(slopes)


LOGITS = {"one": [0.5, -0.3, 0.1], "several": [0.4, -0.2, 0.1, 0.9, -0.5]}


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.parametrize("critic", [Linear, Bent])
def test_exact_is_the_expectation_over_all_joint_actions(kind, critic):
    space, logits = CHOICES[kind], LOGITS[kind]
    choice = actions.make(space, "exact")

    class Tabled(critic):
        def at_each(self, embed, table):
            return self(embed[..., None, :], table)

    twin = Tabled(choice.size)
    many = tf.constant([[logits]], tf.float32)
    value, entropy = choice.outlook(many, twin, tf.zeros((1, 1, 1)), None)
    wanted, slope = enumerated(space, logits, twin)
    assert float(value) == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(
        gradient(choice, logits, twin)[0], slope, rtol=1e-3, atol=1e-4
    )
    joint = choice.head.distribution(many).entropy()
    assert float(entropy) == pytest.approx(float(joint), rel=1e-5)


@pytest.mark.parametrize("kind", CHOICES)
def test_straight_through_is_exact_for_linear_critics_of_which_one_is_the_smaller(kind):
    choice = actions.make(CHOICES[kind], "straight_through")
    critic = Linear(choice.size)
    found, error = gradient(choice, LOGITS[kind], critic, draws=4)
    _, exact = enumerated(CHOICES[kind], LOGITS[kind], critic)
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(error, 0, atol=1e-6)  # no sample matters


def test_straight_through_is_biased_where_the_smaller_critic_depends_on_the_action():
    weights = np.array([[0.0, 1.0, 0.4], [1.0, 0.0, 0.5]])
    logits = [0.5, -0.3, 0.1]

    def critic(embed, action):
        return tf.einsum("...a,ca->c...", action, tf.constant(weights, tf.float32))

    choice = actions.make(CHOICES["one"], "straight_through")
    found, error = gradient(choice, logits, critic, draws=DRAWS)
    p = softmax(np.array(logits))
    slope = np.diag(p) - np.outer(p, p)
    smaller = weights[weights.argmin(0)]  # of the critics, by sampled action
    assert (np.abs(found - slope @ (p @ smaller)) < 4.5 * error + 1e-5).all()
    exact = slope @ weights.min(0)
    assert (np.abs(found - exact) > 20 * error).any()


@pytest.mark.parametrize("kind", CHOICES)
def test_gumbel_softmax_tends_to_the_exact_gradient_as_it_cools(kind):
    choice = actions.make(CHOICES[kind], "gumbel_softmax")
    critic = Bent(choice.size)
    _, exact = enumerated(CHOICES[kind], LOGITS[kind], critic)
    away = []
    for temperature in (2.0, 0.1):
        found, error = gradient(choice, LOGITS[kind], critic, temperature, DRAWS)
        away.append(np.linalg.norm(found - exact))
    assert away[1] < 0.2 * away[0]
    assert away[1] < 5 * np.linalg.norm(error) + 0.03 * np.linalg.norm(exact)


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.parametrize("estimator", SAMPLED)
def test_every_estimator_is_that_of_each_factor_by_itself(kind, estimator):
    choice = actions.make(CHOICES[kind], estimator)
    logits = tf.constant(LOGITS[kind])
    noise = choice.head.noise([], tf.constant([0, 5]))
    sample = choice.through(logits, noise, tf.constant(0.5))
    parts = zip(*(choice.head.split(x) for x in (logits, noise, sample)), strict=True)
    for part, its_noise, found in parts:
        assert float(tf.reduce_sum(found)) == pytest.approx(1, abs=1e-6)
        if estimator == "gumbel_softmax":
            wanted = estimators.gumbel_softmax(part, its_noise, 0.5)
            assert 0 < float(tf.reduce_max(found)) < 1
        else:
            wanted = tf.one_hot(tf.argmax(part + its_noise), len(part))
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("estimator", SAMPLED)
def test_without_a_temperature_samples_are_one_hot_and_have_no_gradient(estimator):
    choice = actions.make(CHOICES["several"], estimator)
    logits = tf.zeros((1, 50, 5))
    seen = []

    def critic(embed, action):
        seen.append(action.numpy())
        return tf.stack([action[..., 0], action[..., 0]])

    noise = choice.head.noise([1, 50], tf.constant([0, 1]))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value, _ = choice.outlook(logits, critic, tf.zeros((1, 50, 1)), noise)
    assert tape.gradient(value, logits) is None
    (codes,) = seen
    assert set(np.unique(codes)) == {0.0, 1.0} and (codes.sum(-1) == 2).all()


def test_entropy_targets_are_a_share_of_the_uniform_ones_or_a_number_per_action():
    factors = actions.make(MultiDiscrete([2, 3]), "straight_through")
    assert factors.entropy_target(0.5, 7.0) == pytest.approx(0.5 * np.log(6))
    box = actions.make(Box(-1, 1, (3,), np.float32), "exact")
    assert float(box.entropy_target(0.5, -1.5)) == -4.5


def test_too_many_joint_actions_are_refused_in_a_sentence():
    space = MultiDiscrete([5, 3, 3, 3, 2, 2])
    with pytest.raises(
        ValueError, match="540, more than 256: use --estimator="
    ) as error:
        actions.make(space, "exact")
    assert "[5, 3, 3, 3, 2, 2]" in str(error.value)
    assert actions.make(space, "gumbel_softmax").size == 18


def test_the_squashed_normals_log_probability_is_tfps_and_exact_where_tanh_rounds():
    from tensorflow_probability import bijectors, distributions

    head = TanhNormalHead(2, min_std=1e-3)
    parameters = tf.constant([[0.3, -1.0, 0.5, 0.2], [4.9, -4.9, 3.0, 2.0]])
    noise = tf.constant([[0.4, -1.2], [2.0, -1.5]])
    action, log_prob = head.sample_and_log_prob(parameters, noise)
    double = tf.cast(parameters, tf.float64)
    mean, std = tf.split(double, 2, -1)
    before = mean + std * tf.cast(noise, tf.float64)
    base = distributions.Normal(mean, std)
    slope = bijectors.Tanh().forward_log_det_jacobian(before, 0)
    wanted = tf.reduce_sum(base.log_prob(before) - slope, -1)
    np.testing.assert_allclose(log_prob, wanted, rtol=1e-5)
    assert np.abs(action[1]).max() == 1.0  # the second row has rounded
    there = head.distribution(parameters).log_prob(action)
    assert float(there[0]) == pytest.approx(float(log_prob[0]), rel=1e-4)


def test_the_squashed_normals_estimate_of_the_entropy_is_that_of_its_mean():
    choice = actions.make(Box(-1, 1, (2,), np.float32), "exact")
    parameters = tf.tile(tf.constant([[[0.3, -0.8, 0.6, 0.4]]]), [1, DRAWS, 1])
    noise = choice.head.noise([1, DRAWS], tf.constant([0, 1]))

    def critic(embed, action):
        return tf.stack([action[..., 0] + 5, action[..., 0]])

    value, entropy = choice.outlook(parameters, critic, tf.zeros((1, DRAWS, 1)), noise)
    grid = np.linspace(-1 + 1e-4, 1 - 1e-4, 20_001)
    want = 0.0
    for mean, std in ((0.3, 0.6), (-0.8, 0.4)):
        x = np.arctanh(grid)
        p = np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))
        p /= 1 - grid**2
        want -= np.trapezoid(p * np.log(np.maximum(p, 1e-300)), grid)
    assert float(tf.reduce_mean(entropy)) == pytest.approx(want, abs=0.03)
    assert float(tf.reduce_mean(value)) == pytest.approx(
        float(tf.reduce_mean(tf.tanh(0.3 + 0.6 * noise[..., 0]))), abs=1e-5
    )
    np.testing.assert_allclose(choice.mode(parameters[0, :1])[0], np.tanh([0.3, -0.8]))


@pytest.mark.parametrize("linear_in", [None, 3])
def test_critics_read_a_table_as_they_read_its_rows(linear_in):
    critic = TwinCritic((5,), linear_in)
    embed = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 4)), tf.float32)
    table = tf.eye(3)
    every = critic.at_each(embed, table)
    assert every.shape == (2, 2, 3, 3)
    for n in range(3):
        action = tf.tile(table[n][None, None], [2, 3, 1])
        np.testing.assert_allclose(every[..., n], critic(embed, action), rtol=1e-5)
    assert [type(net) for net in critic.nets] == [layers.MLP] * 2


def test_linear_critics_have_an_output_per_action_that_a_code_weighs():
    critic = TwinCritic((5,), 5)  # two choices, of 2 and 3
    embed = tf.constant(np.random.default_rng(0).normal(size=(7, 4)), tf.float32)
    code = tf.tile([[0.0, 1.0, 0.25, 0.5, 0.25]], [7, 1])
    found = critic(embed, code)
    for q, net in zip(found, critic.nets, strict=True):
        out = net(embed).numpy()
        want = out[:, 1] + 0.25 * out[:, 2] + 0.5 * out[:, 3] + 0.25 * out[:, 4]
        np.testing.assert_allclose(q, want, rtol=1e-5)


def test_critics_linear_in_real_numbers_are_refused():
    squashed = actions.make(Box(-1, 1, (2,), np.float32), "exact")
    assert actions.linear_size(squashed, "mlp") is None
    with pytest.raises(ValueError, match="real numbers as actions take --critic=mlp"):
        actions.linear_size(squashed, "linear")
    several = actions.make(CHOICES["several"], "exact")
    assert actions.linear_size(several, "linear") == 5
