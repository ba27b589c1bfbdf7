"""Agents and environments of the zoo inside TF-Agents: unmodified drivers, buffers, metrics, learners and savers."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces as gym_spaces
from tf_agents.drivers.dynamic_step_driver import DynamicStepDriver
from tf_agents.drivers.py_driver import PyDriver
from tf_agents.environments.tf_py_environment import TFPyEnvironment
from tf_agents.environments.utils import validate_py_environment
from tf_agents.metrics import py_metrics, tf_metrics
from tf_agents.policies.greedy_policy import GreedyPolicy
from tf_agents.policies.policy_saver import PolicySaver
from tf_agents.policies.py_tf_eager_policy import (
    PyTFEagerPolicy,
    SavedModelPyTFEagerPolicy,
)
from tf_agents.policies.random_tf_policy import RandomTFPolicy
from tf_agents.replay_buffers.tf_uniform_replay_buffer import TFUniformReplayBuffer
from tf_agents.train.learner import Learner as TFLearner
from tf_agents.train.triggers import PolicySavedModelTrigger
from tf_agents.trajectories import TimeStep
from tf_agents.utils import common

import agents
from agents import rollout
from agents import tf_agents as bridge
from agents.api import Step
from agents.off_policy import OffPolicyAgent
from agents.on_policy import OnPolicyAgent
from envs import counting
from tests.agents.dummies import ReplayConfig, check_batch

OBSERVATIONS = {
    "vector": gym_spaces.Box(-1, 1, (3,), np.float32),
    "unbounded": gym_spaces.Box(-np.inf, np.inf, (2,), np.float64),
    "picture": gym_spaces.Box(0, 255, (40, 40, 3), np.uint8),
    "board": gym_spaces.Box(0, 1, (5, 5, 2), bool),
    "number": gym_spaces.Discrete(4),
    "numbers": gym_spaces.MultiDiscrete([2, 3]),
    "bits": gym_spaces.MultiBinary(3),
    "tuple": gym_spaces.Tuple([gym_spaces.Discrete(2), gym_spaces.Box(0, 1, (2,))]),
    "dict": gym_spaces.Dict(
        {"a": gym_spaces.Discrete(2), "b": gym_spaces.Box(0, 1, (2,))}
    ),
}
ACTIONS = {
    "classes": gym_spaces.Discrete(3, start=1),
    "choices": gym_spaces.MultiDiscrete([3, 3]),
    "forces": gym_spaces.Box(-2, 2, (2,), np.float32),
}


class Drawn(gymnasium.Env):
    """Draws observations from its space; episodes of 4 steps."""

    def __init__(self, observation="vector", action="classes"):
        self.observation_space = OBSERVATIONS[observation]
        self.action_space = ACTIONS[action]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.steps += 1
        return self.observation_space.sample(), 1.0, self.steps == 4, False, {}


def drawn(observation="vector", action="classes", num_envs=2):
    kwargs = {"observation": observation, "action": action}
    name = f"{__name__}:Drawn"
    return bridge.Environment(name, num_envs, kwargs=kwargs)


@pytest.mark.parametrize("kind", OBSERVATIONS)
def test_every_kind_of_observation_passes_tf_agents_check(kind):
    environment = drawn(kind)
    validate_py_environment(environment, episodes=3)
    TFPyEnvironment(environment).reset()


@pytest.mark.parametrize("kind", ACTIONS)
def test_every_kind_of_action_passes_tf_agents_check(kind):
    validate_py_environment(drawn(action=kind), episodes=3)


def test_choices_of_different_numbers_work(monkeypatch):
    monkeypatch.setitem(ACTIONS, "choices", gym_spaces.MultiDiscrete([2, 5]))
    validate_py_environment(drawn(action="choices", num_envs=1), episodes=3)
    environment = TFPyEnvironment(drawn(action="choices", num_envs=3))
    policy = RandomTFPolicy(environment.time_step_spec(), environment.action_spec())
    buffer = collect(environment, policy, policy.trajectory_spec, 60)
    assert np.max(buffer.gather_all().action, (0, 1)).tolist() == [1, 4]


@pytest.mark.parametrize(
    "name", ["zoo:Catch-v0", "gym:Pendulum-v1", "minatar:Breakout-v1", "atari:Pong"]
)
def test_the_suites_pass_tf_agents_check(name):
    options = {"max_frames": 200} if name == "atari:Pong" else {"time_limit": 20}
    environment = bridge.Environment(name, 2, **options)
    validate_py_environment(environment, episodes=2)
    environment.close()


def test_one_part_is_bare_and_several_are_a_dict():
    assert drawn("vector").observation_spec().shape == (3,)
    assert set(drawn("dict").observation_spec()) == {"a", "b"}


def test_truncation_keeps_discount_1_and_termination_has_0():
    cut = bridge.Environment("gym:Pendulum-v1", time_limit=5)
    ended = bridge.Environment("zoo:Catch-v0")
    for environment, discount in ((cut, 1.0), (ended, 0.0)):
        steps = [environment.reset()]
        while not steps[-1].is_last().any():
            spec = environment.action_spec()
            action = np.zeros((1, *spec.shape), spec.dtype)
            steps.append(environment.step(action))
        assert steps[-1].discount == [discount]
        after = environment.step(action)
        assert after.is_first().all() and after.reward == [0.0]
        assert after.discount == [1.0]


def test_a_seed_makes_resets_repeat():
    environment = drawn()
    found = []
    for seed in (3, 4, 3):
        environment.seed(seed)
        found.append(environment.reset().observation)
    np.testing.assert_array_equal(found[0], found[2])
    assert (found[0] != found[1]).any()


def test_pictures_are_those_of_the_environment():
    environment = bridge.Environment("minatar:Breakout-v1")
    environment.reset()
    np.testing.assert_array_equal(environment.render(), environment.envs.render())


def collect(environment, policy, spec, steps):
    buffer = TFUniformReplayBuffer(spec, environment.batch_size, max_length=steps)
    DynamicStepDriver(environment, policy, [buffer.add_batch], num_steps=steps).run()
    return buffer


def numpy(rows):
    return {key: np.asarray(value) for key, value in rows.items()}


def test_rows_from_trajectories_hold_what_led_to_each():
    environment = TFPyEnvironment(bridge.Environment("zoo:Counting-v0", 3))
    policy = RandomTFPolicy(environment.time_step_spec(), environment.action_spec())
    buffer = collect(environment, policy, policy.trajectory_spec, 300)
    everything = buffer.gather_all()
    parts = {"vector": everything.observation}
    rows = numpy(rollout.from_trajectories(everything, parts, {}))
    assert rows["reward"].shape == (everything.reward.shape[1] - 1, 3)
    assert rows["is_first"].sum() > 20 and (rows["discount"] == 0).sum() > 10
    counting.check_rows(rows)


class InGraph:
    """Acts in TensorFlow, with a running sum as recurrent state and a log-probability to learn from."""

    def variables(self):
        return {"count": self.count}

    def acting_names(self):
        return set()

    def initial_state(self, batch, seed=0):
        zeros = tf.zeros([batch])
        return {
            "action": tf.zeros([batch], tf.int32),
            "seed": tf.tile([[seed, 0]], [batch, 1]),
            "total": zeros,
            "log_prob": zeros,
        }

    def act(self, step, state, mode="sample"):
        raise AssertionError("TF-Agents acts by the policy")

    def policy(self, mode):
        def policy(observation, reward, is_first, state):
            action = tf.random.stateless_uniform(
                tf.shape(reward), state["seed"][0], 0, 4, tf.int32
            )
            total = tf.where(is_first, 0.0, state["total"]) + reward
            return action, {
                "action": action,
                "seed": state["seed"] + [[0, 1]],
                "total": total,
                "log_prob": -1.0 - tf.cast(action, tf.float32),
            }

        return policy


class Replayed(InGraph, OffPolicyAgent):
    row_state = ("log_prob",)

    def __init__(self, spaces):
        super().__init__(spaces, ReplayConfig())
        self.count = tf.Variable(0)
        self.batches = []

    def scheduled(self):
        return {"at": float(self.env_steps)}

    def update(self, batch):
        return self.update_step(batch, self.scheduled())

    def update_step(self, batch, scheduled):
        self.count.assign_add(1)
        keys = sorted(batch)

        def keep(*values):
            self.batches.append(dict(zip(keys, values, strict=True)))
            return np.int32(0)

        kept = tf.numpy_function(keep, [batch[key] for key in keys], tf.int32)
        with tf.control_dependencies([kept]):
            loss = tf.cast(self.count, tf.float32)
        return {"loss": loss, "at": tf.identity(scheduled["at"])}


class OnPolicy(InGraph, OnPolicyAgent):
    row_state = ("log_prob", "total")

    def __init__(self, spaces):
        super().__init__(spaces, length=9)
        self.count = tf.Variable(0)
        self.batches = []

    scheduled = Replayed.scheduled
    update = Replayed.update
    update_step = Replayed.update_step


@pytest.mark.parametrize("kind", [Replayed, OnPolicy])
@pytest.mark.parametrize("traced", [False, True])
def test_updates_get_rows_as_from_our_own_driver(kind, traced):
    environment = TFPyEnvironment(bridge.Environment("zoo:Counting-v0", 3))
    learner = kind(environment.pyenv.spaces)
    agent = bridge.TFAgent(learner)
    buffer = collect(environment, agent.collect_policy, agent.collect_data_spec, 300)
    windows = iter(buffer.as_dataset(4, agent.train_sequence_length))
    train = common.function(agent.train) if traced else agent.train
    losses = [train(next(windows)[0]) for _ in range(5)]
    assert [float(each.loss) for each in losses] == [1, 2, 3, 4, 5]
    assert int(agent.train_step_counter) == learner.updates == 5
    # 50 before the first update, 2 at once, and 7 for each of the other 2; or 9 steps of 4 rows for each
    expected = [50, 50, 50, 57, 64] if kind is Replayed else [0, 36, 72, 108, 144]
    assert [float(each.extra["at"]) for each in losses] == expected
    for batch in learner.batches:
        assert batch["reward"].shape == (learner.window, 4)
        playing = ~batch["is_first"]
        chosen = -1.0 - batch["action"]
        np.testing.assert_array_equal(batch["state/log_prob"][playing], chosen[playing])
        if kind is Replayed:
            check_batch(batch)
        else:
            counting.check_rows(batch)
            assert not batch["is_first"][0].all()
    assert learner.env_steps == expected[-1]


def test_an_agent_of_transitions_learns_from_pairs_of_frames():
    environment = TFPyEnvironment(bridge.Environment("gym:Pendulum-v1", 3))
    learner = agents.make("sac", environment.pyenv.spaces, preset="debug", seed=1)
    agent = bridge.TFAgent(learner)
    assert agent.train_sequence_length == 3  # two rows of what led to them
    buffer = collect(environment, agent.collect_policy, agent.collect_data_spec, 30)
    windows = iter(buffer.as_dataset(4, agent.train_sequence_length))
    before = learner.get_state()["variables"]
    found = [agent.train(next(windows)[0]) for _ in range(2)]
    assert np.isfinite([float(each.loss) for each in found]).all()
    assert learner.updates == 2
    after = learner.get_state()["variables"]
    for part in ("actor", "critic", "target_critic", "entropy_scale"):
        names = [name for name in before if name.startswith(f"{part}/")]
        assert any((before[name] != after[name]).any() for name in names), part


def test_training_on_other_lengths_says_which_is_expected():
    environment = TFPyEnvironment(bridge.Environment("zoo:Counting-v0", 3))
    agent = bridge.TFAgent(Replayed(environment.pyenv.spaces))
    buffer = collect(environment, agent.collect_policy, agent.collect_data_spec, 60)
    with pytest.raises(ValueError, match="13"):
        agent.train(next(iter(buffer.as_dataset(4, 5)))[0])
    right = next(iter(buffer.as_dataset(4, 13)))[0]
    with pytest.raises(ValueError, match="weights came"):
        agent.train(right, weights=tf.ones(4))


KINDS = {
    "catch": "zoo:Catch-v0",
    "forces": "gym:Pendulum-v1",
    "parts": f"{__name__}:Drawn",
}


@pytest.fixture(scope="module")
def learners():
    """Name -> (TF environment, learner), with weights that make actions differ."""
    made = {}
    for name, env in KINDS.items():
        kwargs = {"kwargs": {"observation": "dict"}} if name == "parts" else {}
        environment = TFPyEnvironment(bridge.Environment(env, 3, **kwargs))
        learner = make(environment.pyenv.spaces)
        made[name] = (environment, learner)
    return made


def make(spaces, seed=1):
    learner = agents.make(
        "dreamerv2", spaces, preset="debug", seed=seed, batch_length=6, batch_size=4
    )
    for name, variable in learner.variables().items():
        if name.startswith("actor/"):
            variable.assign(5 * np.asarray(variable))
    return learner


def play(policy, environment, steps=40):
    """Returns time steps, and action and state of each."""
    time_step, found = environment.reset(), []
    state = policy.get_initial_state(environment.batch_size)
    for _ in range(steps):
        chosen = policy.action(time_step, state)
        state = chosen.state
        found.append((time_step, chosen))
        time_step = environment.step(chosen.action)
    return found


@pytest.mark.parametrize("mode", ["greedy", "sample"])
@pytest.mark.parametrize("kind", KINDS)
def test_policies_act_bit_for_bit_as_the_agent(kind, mode, learners, tmp_path):
    environment, learner = learners[kind]
    policy = bridge.Policy(learner, mode, seed=7)
    PolicySaver(policy, batch_size=None).save(str(tmp_path))
    saved = tf.saved_model.load(str(tmp_path))
    traced = common.function(policy.action)
    mine = learner.initial_state(3, seed=7)
    theirs, again = saved.get_initial_state(3), policy.get_initial_state(3)
    chosen = set()
    for time_step, found in play(policy, environment):
        parts = bridge.by_key(list(learner.spaces.observation), time_step.observation)
        step = Step(parts, None, time_step.reward, None, time_step.is_first(), None)
        action, mine = learner.act(step, mine, mode)
        reloaded = saved.action(time_step, theirs)
        in_graph = traced(time_step, again)
        theirs, again = reloaded.state, in_graph.state
        for each in (found, reloaded, in_graph):
            np.testing.assert_array_equal(each.action, action)
            for key, value in mine.items():
                np.testing.assert_array_equal(each.state[key], value, key)
        chosen |= {tuple(np.ravel(a)) for a in action}
    assert len(chosen) >= (2 if mode == "greedy" else 3)


def test_weights_copy_from_policy_to_policy(learners):
    environment, learner = learners["catch"]
    other = bridge.Policy(make(learner.spaces, seed=2), "greedy")
    policy = bridge.Policy(learner, "greedy")
    assert len(policy.variables()) == len(learner.acting_names()) > 10
    before = [variable.numpy() for variable in other.variables()]
    other.update(policy)
    assert any(
        (a != b.numpy()).any() for a, b in zip(before, other.variables(), strict=True)
    )
    for ours, copied in zip(policy.variables(), other.variables(), strict=True):
        np.testing.assert_array_equal(ours, copied)
    for (time_step, first), (_, second) in zip(
        play(policy, environment), play(other, environment), strict=True
    ):
        again = other.action(time_step, policy.get_initial_state(3))
        assert again.action.shape == first.action.shape == second.action.shape


def test_distributions_are_those_that_actions_are_drawn_from(learners):
    for kind in ("catch", "forces"):
        environment, learner = learners[kind]
        policy = bridge.Policy(learner, "sample")
        state = policy.get_initial_state(3)
        time_step = environment.reset()
        found = policy.distribution(time_step, state)
        drawn = policy.action(time_step, state)
        for key, value in drawn.state.items():
            np.testing.assert_allclose(found.state[key], value, 1e-5, 1e-6, key)
        assert np.isfinite(found.action.log_prob(drawn.action)).all()
        # Many rows, each with its own latent state: actions agree with the mean of their distributions.
        many = tf.nest.map_structure(lambda x: tf.repeat(x[:1], 3000, 0), time_step)
        start = policy.get_initial_state(3000)
        actions = policy.action(many, start).action
        from_ = policy.distribution(many, start).action
        if kind == "catch":
            actions, mean = tf.one_hot(actions, 3), from_.probs_parameter()
        else:
            mean = from_.mean()
        error = tf.math.reduce_std(actions - mean, 0) / 3000**0.5
        difference = tf.abs(tf.reduce_mean(actions - mean, 0))
        assert (difference < 4 * error + 1e-4).numpy().all()


def test_greedy_distributions_are_certain_and_wrappers_take_them(learners):
    environment, learner = learners["catch"]
    policy = bridge.Policy(learner, "greedy")
    time_step, state = environment.reset(), policy.get_initial_state(3)
    action = policy.action(time_step, state).action
    certain = policy.distribution(time_step, state).action
    np.testing.assert_array_equal(certain.sample(), action)
    wrapped = GreedyPolicy(bridge.Policy(learner, "sample"))
    assert wrapped.action(time_step, state).action.shape == (3,)


def test_an_agent_without_a_distribution_says_so():
    environment = TFPyEnvironment(bridge.Environment("zoo:Counting-v0", 3))
    policy = bridge.Policy(Replayed(environment.pyenv.spaces), "sample")
    with pytest.raises(NotImplementedError, match="no action distribution"):
        policy.distribution(environment.reset(), policy.get_initial_state(3))


def test_python_drivers_metrics_and_eager_policies_take_it(learners, tmp_path):
    _, learner = learners["catch"]
    policy = bridge.Policy(learner, "sample")
    PolicySaver(policy).save(str(tmp_path))
    one = bridge.Environment("zoo:Catch-v0", 1)
    metrics = [py_metrics.AverageReturnMetric(), py_metrics.EnvironmentSteps()]
    eager = PyTFEagerPolicy(policy, batch_time_steps=False)
    driver = PyDriver(one, eager, metrics, max_steps=40)
    time_step = one.reset()
    driver.run(time_step, eager.get_initial_state(1))
    assert -1 <= metrics[0].result() <= 1 and metrics[1].result() >= 36
    specs = (policy.time_step_spec, policy.action_spec, policy.policy_state_spec)
    saved = SavedModelPyTFEagerPolicy(str(tmp_path), *specs)
    assert len(saved.variables()) == len(policy.variables())
    unbatched = TimeStep(*(value[0] for value in time_step))
    chosen = saved.action(unbatched, saved.get_initial_state(1))
    again = eager.action(time_step, eager.get_initial_state(1))
    assert chosen.action == again.action[0]


def test_learner_checkpoints_and_saves_policies(learners, tmp_path):
    environment, _ = learners["catch"]
    learner = make(environment.pyenv.spaces, seed=5)
    agent = bridge.TFAgent(learner)
    agent.initialize()
    returns = tf_metrics.AverageReturnMetric(batch_size=3)
    buffer = TFUniformReplayBuffer(agent.collect_data_spec, 3, max_length=200)
    DynamicStepDriver(
        environment,
        agent.collect_policy,
        [buffer.add_batch, returns],
        num_steps=120,
    ).run()
    assert -1 <= float(returns.result()) <= 1
    saver = PolicySavedModelTrigger(
        str(tmp_path / "policies"), agent, agent.train_step_counter, interval=2
    )
    train = TFLearner(
        str(tmp_path),
        agent.train_step_counter,
        agent,
        experience_dataset_fn=lambda: buffer.as_dataset(4, agent.train_sequence_length),
        triggers=[saver],
        checkpoint_interval=2,
    )
    before = learner.get_state()["variables"]
    loss = train.run(iterations=4).loss
    assert np.isfinite(loss) and learner.updates == 4
    after = learner.get_state()["variables"]
    assert any((before[key] != after[key]).any() for key in before)
    assert (tmp_path / "policies" / "greedy_policy").is_dir()

    other = make(environment.pyenv.spaces, seed=6)
    theirs = bridge.TFAgent(other)
    TFLearner(str(tmp_path), theirs.train_step_counter, theirs, checkpoint_interval=2)
    assert int(theirs.train_step_counter) == 4
    restored = other.get_state()["variables"]
    for key, value in after.items():
        np.testing.assert_array_equal(restored[key], value, key)
