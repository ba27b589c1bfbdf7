"""SAC: its losses against a twin in NumPy, acting and learning with every kind of action, and what all agents owe."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import agents
from agents import registry, suggestion
from agents.api import Spaces, Step
from agents.off_policy import OffPolicyAgent
from agents.rollout import to_transitions
from agents.sac.config import PRESETS, SACConfig
from agents.suggestion import Seen
from tests.agents import windows
from tests.agents.kernels import assert_fit_for_gpus
from tests.agents.resumption import resumed_and_through
from tests.agents.weights import differing, snapshot

VECTOR = Box(-np.inf, np.inf, (3,), np.float32)
MIXED = {
    "image": Box(0, 255, (6, 6, 3), np.uint8),
    "vector": VECTOR,
    "bits": Box(0, 1, (2,), bool),
}
# Kind -> the actions and the estimator of their gradient.
KINDS = {
    "exact": (Discrete(3), "exact"),
    "relaxed": (Discrete(3), "gumbel_softmax"),
    "several": (MultiDiscrete([3, 2, 4]), "straight_through"),
    "box": (Box(-1, 1, (2,), np.float32), "exact"),
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def make(kind="exact", observation=None, seed=0, preset="debug", **overrides):
    action, estimator = KINDS[kind]
    spaces = Spaces(observation or MIXED, action)
    overrides = {"estimator": estimator} | overrides
    return registry.make("sac", spaces, preset, seed, **overrides)


@pytest.fixture(scope="module")
def made():
    """One agent of each kind; tests that change weights put them back."""
    schedules = {
        "temperature": "cosine(1, 0.1, 100)",
        "entropy_share": "linear(0.9, 0.1, 100)",
    }
    return {
        kind: make(kind, batch_length=windows.WINDOW, **schedules) for kind in KINDS
    }


def dense(x, weights, last_linear=True):
    pairs = list(zip(*[iter(weights)] * 2, strict=True))
    for i, (kernel, bias) in enumerate(pairs):
        x = x @ kernel + bias
        if not (last_linear and i == len(pairs) - 1):
            x = np.maximum(x, 0)
    return x


def twin(agent, window, alpha):
    """Terms of the losses of an agent with vectors and exact choices, in double precision."""
    weights = {
        name: [w.numpy().astype(float) for w in module.weights]
        for name, module in agent.modules().items()
    }
    half = len(weights["critic"]) // 2

    def q(name, s, a):
        x = np.concatenate([s, a], -1)
        parts = weights[name][:half], weights[name][half:]
        return np.stack([dense(x, part)[..., 0] for part in parts])

    def policy(s):
        logits = dense(s, weights["actor"])
        p = np.exp(logits - logits.max(-1, keepdims=True))
        return p / p.sum(-1, keepdims=True)

    def soft(name, s):
        p = policy(s)
        each = [
            q(name, s, np.broadcast_to(np.eye(3)[k], (*s.shape[:-1], 3))).min(0)
            for k in range(3)
        ]
        return (p * np.stack(each, -1)).sum(-1), -(p * np.log(p)).sum(-1)

    s = window["observation/vector"].astype(float)
    mask = (~window["is_first"][1:]).astype(float)
    value, entropy = soft("target_critic", s[1:])
    y = window["reward"][1:] + agent.config.discount * window["discount"][1:] * (
        value + alpha * entropy
    )
    taken = q("critic", s[:-1], np.eye(3)[window["action"][1:]])
    value, entropy = soft("critic", s[:-1])
    mean = lambda x: (mask * x).sum() / mask.sum()  # noqa: E731
    return {
        "critic_loss": 0.5 * mean(((taken - y) ** 2).sum(0)),
        "actor_loss": -mean(value + alpha * entropy),
        "entropy": mean(entropy),
        "value": mean(taken.mean(0)),
        "value_target": mean(y),
    }


def test_the_losses_are_the_papers_written_out():
    agent = make(
        observation={"vector": VECTOR},
        batch_length=windows.WINDOW,
        entropy_scale=0.3,
        target_rate=0.25,
        seed=2,
    )
    for variable in agent.target_critic.weights:  # so that they differ
        variable.assign(variable + 0.1)
    window = windows.rows(agent, 4)
    wanted = twin(agent, window, 0.3)
    before = {k: [w.numpy() for w in m.weights] for k, m in agent.modules().items()}
    found = agent.update(windows.tensors(window))
    for name, value in wanted.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-4, abs=1e-6), name
    total = wanted["critic_loss"] + wanted["actor_loss"]
    assert float(found["loss"]) == pytest.approx(total, rel=1e-4)
    assert float(found["entropy_target"]) == pytest.approx(0.98 * np.log(3))
    # The copies follow the new weights by their share.
    moved = zip(before["target_critic"], agent.critic.weights, strict=True)
    for (old, new), now in zip(moved, agent.target_critic.weights, strict=True):
        np.testing.assert_allclose(now, 0.75 * old + 0.25 * new.numpy(), atol=1e-6)
    assert float(agent.entropy_scale.log_scale) == pytest.approx(
        np.log(0.3) + (3e-4 if wanted["entropy"] < 0.98 * np.log(3) else -3e-4),
        abs=1e-6,
    )


def test_termination_is_no_bootstrap_and_truncation_is():
    agent = make(observation={"vector": VECTOR}, seed=3)
    rows = windows.rows(agent, 2, length=2)
    rows["is_last"][1] = True
    ended = {k: np.array(v) for k, v in rows.items()}
    ended["discount"][1] = 0.0
    for window, bootstraps in ((rows, True), (ended, False)):
        batch = {k: tf.constant(window[k]) for k in agent.batch_signature()}
        taken = to_transitions(batch)
        _, (metrics, _) = agent._critic_loss(batch, taken, tf.constant(1.0))
        is_reward = np.isclose(
            float(metrics["value_target"]), window["reward"][1].mean(), atol=1e-6
        )
        assert is_reward != bootstraps


@EVERY_KIND
def test_what_joins_two_episodes_is_never_learned_from(made, kind):
    agent, before = made[kind], made[kind].get_state()
    window = windows.rows(agent)
    found = []
    for reward in (0.0, 1e3):
        window["reward"][3, :2] = reward  # arrives with the first row of an episode
        found.append(agent.update(windows.tensors(window)))
        agent.set_state(before)
    for key, value in found[0].items():
        assert float(value) == float(found[1][key]), key


@EVERY_KIND
def test_an_update_changes_every_net_and_nan_none(made, kind):
    agent, state = made[kind], made[kind].get_state()
    before = snapshot(agent)
    window = windows.rows(agent)
    found = agent.update(windows.tensors(window))
    assert np.isfinite(found["loss"]) and found["loss"].dtype == tf.float32
    assert ("temperature" in found) == (kind in ("relaxed", "several"))
    optimizers = {f"{name}_optimizer" for name in agent.optimizers}
    assert differing(before, snapshot(agent)) == (
        set(agent.modules()) | optimizers | {"updates"}
    )
    before = snapshot(agent)
    window["reward"][1, 0] = np.nan
    assert np.isnan(agent.update(windows.tensors(window))["loss"])
    assert differing(before, snapshot(agent)) == set()
    agent.set_state(state)


@EVERY_KIND
def test_the_actors_gradient_reaches_neither_critics_nor_encoder(made, kind):
    agent, state = made[kind], made[kind].get_state()
    for optimizer in ("critic", "entropy_scale"):
        agent.optimizers[optimizer].set_learning_rate(0.0)
    before = snapshot(agent)
    agent.update(windows.tensors(windows.rows(agent)))
    changed = {n for n in differing(before, snapshot(agent)) if "optimizer" not in n}
    assert changed == {"actor", "updates"}
    agent.set_state(state)


@pytest.mark.parametrize(
    ("estimator", "critic"),
    [
        ("st_gumbel_softmax", "mlp"),
        ("straight_through", "linear"),
        ("gumbel_softmax", "linear"),
    ],
)
def test_a_choice_that_matters_is_learned_and_one_that_does_not_stays_open(
    estimator, critic
):
    """A bandit of one state: two factors, of which the first one matters."""
    space = MultiDiscrete([2, 3])
    rng = np.random.default_rng(0)
    action = rng.integers([2, 3], size=(2, 64, 2)).astype(np.int32)
    window = {
        "observation/vector": np.ones((2, 64, 3), np.float32),
        "action": action,
        "reward": (action[..., 0] == 1).astype(np.float32),
        "discount": np.zeros((2, 64), np.float32),
        "is_first": np.zeros((2, 64), bool),
    }
    agent = registry.make(
        "sac",
        Spaces({"vector": VECTOR}, space),
        "debug",
        estimator=estimator,
        critic=critic,
        actor_lr=0.02,
        critic_lr=0.02,
        entropy_scale=0.1,
        entropy_lr=0.0,
    )
    for _ in range(60):
        agent.update(windows.tensors(window))
    parameters = agent.actor(tf.ones((1, 3)))
    first, second = agent.choice.head.split(
        tf.exp(agent.choice.head.log_softmax(parameters))
    )
    assert float(first[0, 1]) > 0.9
    assert float(tf.reduce_max(second)) < 0.7


@EVERY_KIND
def test_the_distribution_is_what_the_policy_draws_from(made, kind):
    agent = made[kind]
    window = windows.rows(agent)
    step = windows.step(window, 1)
    state = agent.initial_state(3, seed=4)
    action, after = agent.act(step, state)
    assert action.shape == window["action"][1].shape
    assert action.dtype == window["action"].dtype
    observation = {k: tf.constant(v) for k, v in step.observation.items()}
    given = (observation, tf.constant(step.reward), tf.constant(step.is_first))
    found, again, _ = agent.distribution()(*given, dict(state))
    np.testing.assert_allclose(action, again, atol=1e-6)
    assert found.log_prob(again).shape == (3,)
    greedy, _ = agent.act(step, state, "greedy")
    if kind == "box":
        assert np.abs(action).max() < 1
    else:
        assert (found.log_prob(greedy) >= found.log_prob(again) - 1e-5).numpy().all()
    others = []
    for _ in range(20):
        other, after = agent.act(step, after)
        others.append(other)
    assert np.any(np.stack(others) != action)  # the seed moves on


def test_acting_needs_only_what_acting_names_say(made):
    agent, other = made["several"], make("several", seed=2)
    other.set_state(agent.acting_state(report=False), learn=False)
    window = windows.rows(agent)
    for mode in ("sample", "greedy"):
        for t in range(3):
            step, state = windows.step(window, t), agent.initial_state(3, seed=t)
            one, two = agent.act(step, state, mode), other.act(step, state, mode)
            np.testing.assert_array_equal(one[0], two[0])
    rest = {n.split("/")[0] for n in agent.variables().keys() - agent.acting_names()}
    assert {"critic", "target_critic", "target_encoder", "entropy_scale"} <= rest
    assert not {"encoder", "actor"} & rest


@pytest.mark.parametrize("role", ["update", "sample", "greedy"])
@EVERY_KIND
def test_every_op_has_a_kernel_for_gpus_and_none_is_python(made, kind, role):
    assert_fit_for_gpus(made[kind], role)


def test_batches_of_other_sizes_and_schedules_are_not_traced_again(made):
    agent, state = made["relaxed"], made["relaxed"].get_state()
    for batch, env_steps in ((3, 0), (2, 50), (5, 100)):
        agent.env_steps = env_steps
        window = windows.rows(agent, batch)
        found = agent.update(windows.tensors(window))
        agent.act(windows.step(window, 0), agent.initial_state(batch))
    agent.set_state(state)
    assert float(found["temperature"]) == pytest.approx(0.1)
    assert float(found["entropy_target"]) == pytest.approx(0.1 * np.log(3))
    compiled = [agent._update, agent._policies["sample"]]
    assert [each.experimental_get_tracing_count() for each in compiled] == [1, 1]


def test_a_resumed_run_is_the_one_that_went_on(tmp_path):
    through = resumed_and_through(
        "sac",
        tmp_path,
        env="zoo:Counting-v0",
        estimator="straight_through",
        num_envs=2,
    )
    assert through.updates > 40
    loaded = agents.load(tmp_path / "through")
    step = Step(
        {
            k: np.zeros((1, *b.shape), b.dtype)
            for k, b in loaded.spaces.observation.items()
        },
        None,
        np.zeros(1, np.float32),
        None,
        np.ones(1, bool),
        None,
    )
    one, two = (a.act(step, a.initial_state(1), "greedy")[0] for a in (loaded, through))
    np.testing.assert_array_equal(one, two)


def test_it_learns_from_replay_as_every_such_agent():
    agent = make("several", {"vector": VECTOR}, prefill=20, train_every=2.0)
    assert isinstance(agent, OffPolicyAgent)
    rng, state, metrics = np.random.default_rng(0), agent.initial_state(2, seed=1), []
    modes = set()
    for t in range(30):
        seen = {"vector": rng.normal(size=(2, 3)).astype(np.float32)}
        first, none = np.full(2, t % 7 == 0), np.zeros(2, np.float32)
        before = np.asarray(state["action"]) * ~first[:, None]
        agent.observe(Step(seen, before, none, none + 1, first, first & False), state)
        metrics.append(agent.train())
        modes.add(agent.collect_mode)
        step = Step(seen, before, none, none + 1, first, first)
        _, state = agent.act(step, state, agent.collect_mode)
    assert modes == {"random", "sample"}
    assert agent.updates == (agent.env_steps - 20) // 2 > 10
    assert np.isfinite([m["loss"] for m in metrics if m]).all()


SPACES = {
    "cartpole": ({"vector": VECTOR}, Discrete(2)),
    "pendulum": ({"vector": VECTOR}, Box(-1, 1, (1,), np.float32)),
    "minatar": ({"image": Box(0, 1, (10, 10, 4), bool)}, Discrete(3)),
    "paper": ({"vector": Box(-9, 9, (17,), np.float32)}, Box(-1, 1, (6,), np.float32)),
    "atari": ({"image": Box(0, 255, (84, 84, 1), np.uint8)}, Discrete(6)),
}


@pytest.mark.parametrize("preset", SPACES)
def test_every_preset_suits_its_environment_builds_and_says_what_it_does(preset):
    spaces = Spaces(*SPACES[preset])
    found = suggestion.suggest("sac", "any:thing", lambda: spaces, lambda: False)
    assert found.preset == preset and found.reasons
    agent = registry.make("sac", spaces, preset)
    parts = suggestion.explain(agent)
    assert [part.key for part in parts] == [
        *(f"observation/{key}" for key in spaces.observation),
        "action",
    ]
    if preset == "minatar":
        window = windows.rows(agent, 2, length=2)
        assert np.isfinite(agent.update(windows.tensors(window))["loss"])


def test_the_presets_are_all_looked_at_and_paper_has_the_papers_numbers():
    assert set(PRESETS) == set(SPACES) | {"debug"}
    config = SACConfig()
    assert (config.units, config.batch_size, config.replay_capacity) == (
        (256, 256),
        256,
        1_000_000,
    )
    rates = (config.actor_lr, config.critic_lr, config.entropy_lr)
    assert rates == (3e-4,) * 3
    assert (config.discount, config.target_rate) == (0.99, 0.005)
    assert config.entropy_per_action == -1.0


def test_large_rewards_are_advised_against():
    agent = make(observation={"vector": VECTOR})
    (advice,) = suggestion.advise(agent, Seen(-1000.0, 5.0))
    assert "--reward_scale=0.01" in advice
    assert suggestion.advise(agent, Seen(-1.0, 5.0)) == []


def test_exact_is_refused_for_too_many_joint_actions():
    spaces = Spaces({"vector": VECTOR}, MultiDiscrete([5, 3, 3, 3, 2, 2]))
    with pytest.raises(ValueError, match="540, more than 256: use --estimator="):
        registry.make("sac", spaces, "debug")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"channels": "16,x"}, "channels="),
        ({"target_rate": 1.5}, "a share is at most 1"),
        ({"entropy_scale": 0.0}, "entropy_lr=0"),
        ({"train_every": 0.0}, "a number above 0"),
        ({"estimator": "reinforce"}, "'exact', 'gumbel_softmax'"),
        ({"batch_length": 1}, "at least 2"),
        ({"temperature": "0"}, "temperature"),
        ({"temperature": "linear(1, 0, 1000)"}, "temperature"),
        ({"entropy_share": "1.2"}, "entropy_share"),
        ({"entropy_share": "warm"}, "schedule"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_a_sentence(options, text):
    with pytest.raises(ValueError, match=text):
        registry.resolve("sac", "debug", options)
