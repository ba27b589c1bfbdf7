"""IMPALA: one update against a twin in NumPy, acting and learning alike, and what all agents owe."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import envs
from agents import driver, registry
from agents.api import Spaces, Step
from agents.impala.config import PRESETS, IMPALAConfig
from tests.agents import windows
from tests.agents.kernels import assert_fit_for_gpus
from tests.agents.resumption import resumed_and_through
from tests.agents.weights import differing, snapshot
from tests.estimators.test_off_policy import twin as vtrace_twin

VECTOR = Box(-np.inf, np.inf, (3,), np.float32)
MIXED = {
    "image": Box(0, 255, (6, 6, 3), np.uint8),
    "large": Box(0, 255, (33, 40, 1), np.uint8),
    "vector": VECTOR,
    "bits": Box(0, 1, (2,), bool),
}
ACTIONS = {
    "choice": Discrete(3),
    "factors": MultiDiscrete([3, 2, 4]),
    "box": Box(-1, 1, (2,), np.float32),
}
EVERY_KIND = pytest.mark.parametrize("kind", ACTIONS)


def make(kind="choice", observation=None, seed=0, preset="debug", **overrides):
    spaces = Spaces(observation or MIXED, ACTIONS[kind])
    return registry.make("impala", spaces, preset, seed, **overrides)


@pytest.fixture(scope="module")
def made():
    return {kind: make(kind) for kind in ACTIONS}


def acted(agent, window, mode="sample"):
    """The actions and states after acting on every row of a window."""
    state = {k.removeprefix("start/"): v for k, v in window.items() if "start/" in k}
    for key in ("seed", "log_prob"):
        state[key] = window[f"state/{key}"][0]
    found = []
    for t in range(len(window["reward"])):
        state = dict(state) | {"action": window["action"][t]}
        action, state = agent.act(windows.step(window, t), state, mode)
        found.append((action, state))
    return found


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def log_softmax(x):
    return (
        x
        - x.max(-1, keepdims=True)
        - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True))
    )


def twin(agent, window):
    """The terms of the loss of an agent with vectors, written out in double precision."""
    weights = {
        name: [w.numpy().astype(float) for w in module.weights]
        for name, module in agent.modules().items()
    }
    x = window["observation/vector"].astype(float)
    for kernel, bias in zip(*[iter(weights["encoder"])] * 2, strict=True):
        x = np.maximum(x @ kernel + bias, 0)
    first = window["is_first"]
    last = np.eye(3)[window["action"]] * ~first[..., None]
    x = np.concatenate([x, last, np.tanh(window["reward"])[..., None]], -1)
    kernel, recurrent, bias = weights["core"]
    h, c = (window[f"start/{key}"][:, 0].astype(float) for key in ("hidden", "cell"))
    hidden = []
    for t in range(len(x)):
        keep = ~first[t][:, None]
        h, c = h * keep, c * keep
        i, f, g, o = np.split(x[t] @ kernel + h @ recurrent + bias, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        hidden.append(h)
    hidden = np.array(hidden)
    kernel, bias = weights["value"]
    value = (hidden @ kernel + bias)[..., 0]
    kernel, bias = weights["policy"]
    log_p = log_softmax(hidden[:-1] @ kernel + bias)
    taken = np.eye(3)[window["action"][1:]]
    log_pi = (taken * log_p).sum(-1)
    mask = (~first[1:]).astype(float)
    target, advantage = vtrace_twin(
        log_pi - window["state/log_prob"][1:],
        window["reward"][1:].astype(float),
        value[:-1],
        agent.config.discount * window["discount"][1:],
        value[-1],
        mask,
    )
    count = mask.sum()
    return {
        "policy_loss": -(mask * advantage * log_pi).sum() / count,
        "value_loss": 0.25 * (mask * (target - value[:-1]) ** 2).sum() / count,
        "entropy": -(mask * (np.exp(log_p) * log_p).sum(-1)).sum() / count,
        "value_target": (mask * target).sum() / count,
    }


def test_the_loss_is_the_papers_written_out():
    agent = make(
        observation={"vector": VECTOR}, reward_transform="identity", sum_losses=False
    )
    window = windows.rows(agent, 5, length=6)
    loss, found = agent._loss(windows.tensors(window), tf.constant(0.1))
    wanted = twin(agent, window)
    for name, value in wanted.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-3, abs=1e-5), name
    total = wanted["policy_loss"] + wanted["value_loss"] - 0.1 * wanted["entropy"]
    assert float(loss) == pytest.approx(total, rel=1e-3, abs=1e-5)


def test_summed_losses_are_the_mean_times_the_transitions():
    mean, total = make(sum_losses=False), make()
    window = windows.rows(mean)
    one, other = (
        float(agent._loss(windows.tensors(window), tf.constant(0.1))[0])
        for agent in (mean, total)
    )
    assert other == pytest.approx(one * (~window["is_first"][1:]).sum(), rel=1e-4)


@EVERY_KIND
def test_learning_repeats_what_was_acted_so_that_all_importance_weights_are_1(kind):
    names = {"choice": "zoo:Counting-v0", "box": "gym:Pendulum-v1"}
    if kind == "factors":
        agent = make(kind, {"vector": VECTOR})
        state, rows = agent.initial_state(3, seed=4), []
        rng = np.random.default_rng(0)
        for t in range(40):
            seen = {"vector": rng.normal(size=(3, 3)).astype(np.float32)}
            none = np.zeros(3, np.float32)
            first = np.full(3, t % 7 == 0)
            before = np.asarray(state["action"]) * ~first[:, None]
            step = Step(seen, before, none, none + 1, first, ~first & False)
            agent.observe(step, state)
            rows.append(agent.train())
            _, state = agent.act(step, state)
        metrics = [each for each in rows if each]
    else:
        games = envs.make(names[kind], 3)
        agent = registry.make("impala", games.spaces, "debug")
        events = driver.run(agent, games, until=120, seed=4)
        metrics = [event.metrics for event in events if event.metrics]
        games.close()
    assert len(metrics) >= 6
    for found in metrics:
        assert found["importance"] == pytest.approx(1, abs=1e-4)


@EVERY_KIND
def test_the_stored_probability_is_that_of_the_action_drawn(made, kind):
    agent = made[kind]
    window = windows.rows(agent)
    head = agent.choice.head
    for t, (action, state) in enumerate(acted(agent, window)):
        assert action.shape == window["action"][t].shape
        assert state["log_prob"].shape == (3,)
        assert np.isfinite(state["log_prob"]).all()
    step = windows.step(window, 1)
    state = agent.initial_state(3, seed=1)
    parameters, action, after = agent._step(
        "sample",
        {k: tf.constant(v) for k, v in step.observation.items()},
        tf.constant(step.reward),
        tf.constant(step.is_first),
        dict(state),
    )
    want = head.log_prob(parameters, agent.choice.encode(action))
    np.testing.assert_allclose(after["log_prob"], want, rtol=1e-5)
    distribution = agent.choice.distribution(parameters)
    got = distribution.log_prob(action)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


def test_actions_that_older_weights_chose_count_by_their_probability(made):
    agent = made["choice"]
    window = windows.rows(agent)
    rare = {k: np.array(v) for k, v in window.items()}
    rare["state/log_prob"] += 3.0  # they were more likely then
    one, other = (
        agent._loss(windows.tensors(each), tf.constant(0.0))[1]
        for each in (window, rare)
    )
    ratio = float(other["importance"]) / float(one["importance"])
    assert ratio == pytest.approx(np.exp(-3), rel=1e-3)
    assert abs(float(other["policy_loss"])) < abs(float(one["policy_loss"]))


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ("identity", [-3.0, 0.5, 2.0]),
        ("unit", [-1.0, 0.5, 1.0]),
        ("asymmetric", [0.3 * np.tanh(-3), 5 * np.tanh(0.5), 5 * np.tanh(2)]),
    ],
)
def test_rewards_are_transformed_before_learning(how, wanted):
    agent = make(reward_transform=how, reward_scale=0.5, observation={"vector": VECTOR})

    class Taken:
        reward = tf.constant([[-3.0, 0.5, 2.0]])

    half = 0.5 * np.array([wanted])
    np.testing.assert_allclose(agent._reward(Taken, {}), half, rtol=1e-6)


@EVERY_KIND
def test_an_update_changes_every_net_and_nan_none(made, kind):
    agent = make(kind, seed=5, learning_rate="1e-3")
    before = snapshot(agent)
    window = windows.rows(agent)
    found = agent.update(windows.tensors(window))
    assert np.isfinite(found["loss"]) and found["loss"].dtype == tf.float32
    parts = set(agent.modules()) | {"model_optimizer", "updates"}
    assert differing(before, snapshot(agent)) == parts
    before = snapshot(agent)
    window["reward"][1, 0] = np.nan
    assert np.isnan(agent.update(windows.tensors(window))["loss"])
    assert differing(before, snapshot(agent)) <= {"model_optimizer"}  # its rate


def test_the_learning_rate_follows_its_schedule():
    agent = make(learning_rate="linear(1e-3, 0, 100)")
    agent.env_steps = 50
    found = agent.update(windows.tensors(windows.rows(agent)))
    assert float(found["learning_rate"]) == pytest.approx(5e-4)
    rate = agent.optimizers["model"]._rule.learning_rate
    assert float(rate) == pytest.approx(5e-4)


def test_acting_needs_only_what_acting_names_say():
    agent, other = make(seed=1), make(seed=2)
    other.set_state(agent.acting_state(report=False), learn=False)
    window = windows.rows(agent)
    for mode in ("sample", "greedy"):
        for one, two in zip(
            *(acted(a, window, mode) for a in (agent, other)), strict=True
        ):
            np.testing.assert_array_equal(one[0], two[0])
    rest = agent.variables().keys() - agent.acting_names()
    assert {name.split("/")[0] for name in rest} == {
        "value",
        "model_optimizer",
        "updates",
    }


@pytest.mark.parametrize("role", ["update", "sample", "greedy"])
@EVERY_KIND
def test_every_op_has_a_kernel_for_gpus_and_none_is_python(made, kind, role):
    assert_fit_for_gpus(made[kind], role)


def test_batches_of_other_sizes_are_not_traced_again(made):
    agent = made["factors"]
    for batch in (3, 2, 5):
        window = windows.rows(agent, batch)
        agent.update(windows.tensors(window))
        for mode in ("sample", "greedy"):
            acted(agent, window, mode)
    compiled = [agent._update, *agent._policies.values()]
    assert [each.experimental_get_tracing_count() for each in compiled] == [1, 1, 1]


def test_a_new_episode_forgets_everything_and_the_other_rows_nothing(made):
    agent = made["choice"]
    window = windows.rows(agent)
    states = [state for _, state in acted(agent, window)]
    fresh = dict(agent.initial_state(3)) | {"seed": states[2]["seed"]}
    _, after = agent.act(windows.step(window, 3), fresh)  # rows 0 and 1 begin there
    for key in agent.start_state:
        np.testing.assert_array_equal(states[3][key][:2], after[key][:2])
        assert np.any(states[3][key][2] != after[key][2])


def test_a_resumed_run_is_the_one_that_went_on(tmp_path):
    # A save at 46 steps cuts a window.
    resumed_and_through("impala", tmp_path, env="zoo:Counting-v0")


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "paper"])
def test_every_small_preset_builds_and_learns(preset):
    image = {"image": Box(0, 1, (10, 10, 4), bool)}
    observation = image if preset == "minatar" else {"vector": VECTOR}
    agent = make(observation=observation, preset=preset)
    window = windows.rows(agent, 2, length=agent.window)
    assert np.isfinite(agent.update(windows.tensors(window))["loss"])


def test_the_paper_has_its_net_and_numbers():
    agent = make(
        observation={"image": Box(0, 255, (72, 96, 3), np.uint8)},
        preset="paper",
        length=2,
    )
    config = agent.config
    assert (config.rule, config.epsilon, config.clip) == ("rmsprop", 0.01, 40.0)
    assert (config.discount, config.value_scale) == (0.99, 0.5)
    assert type(agent.encoder.images["image"]).__name__ == "ImpalaEncoder"
    # 15 convolutions, two dense layers' worth in the paper's large net; the flattened map is 9 x 12 x 32.
    assert agent.encoder.images["image"].dense.kernel.shape == (9 * 12 * 32, 256)


@pytest.mark.parametrize("channels", ["", "16,x", "0,3"])
def test_channels_that_are_none_are_refused(channels):
    with pytest.raises(ValueError, match="channels="):
        IMPALAConfig(channels=channels)
