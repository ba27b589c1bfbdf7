"""Acting, sizes, presets, precision."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium.spaces import Box, Discrete

from agents.dreamerv2.config import ABLATIONS
from tests.agents.dreamerv2 import common
from tests.agents.dreamerv2.common import TWO_AXES
from tests.agents.weights import differing, snapshot

MODES = ("sample", "greedy", "random")
ROWS = 32


@pytest.fixture(scope="module")
def discrete():
    return common.make()


@pytest.fixture(scope="module")
def continuous():
    return common.make(action=TWO_AXES)


@pytest.fixture(params=["discrete", "continuous"])
def subject(request):
    return request.getfixturevalue(request.param)


def arriving(agent, first=False, seed=0):
    batch = common.rows(agent, ROWS, seed)
    batch["is_first"][:] = first
    return common.step(batch, 1)


def some_state(agent, seed=0):
    """A state in mid-episode."""
    rng = np.random.default_rng(seed)
    state = dict(agent.initial_state(ROWS, seed=5))
    state["deter"] = rng.normal(size=state["deter"].shape).astype(np.float32)
    state["stoch"] = rng.normal(size=state["stoch"].shape).astype(np.float32)
    state["action"] = common.rows(agent, ROWS, seed)["action"][0]
    return state


def equal(one, two):
    (action, state), (other_action, other) = one, two
    np.testing.assert_array_equal(action, other_action)
    assert state.keys() == other.keys()
    for key in state:
        np.testing.assert_array_equal(state[key], other[key], err_msg=key)


def test_the_first_state_is_zero_but_for_the_seeds(subject):
    state = subject.initial_state(3, seed=9)
    assert set(state) == {"deter", "stoch", "action", "seed"}
    np.testing.assert_array_equal(state["seed"], [[9, 0]] * 3)
    assert state["seed"].dtype == tf.int32
    for key in ("deter", "stoch", "action"):
        assert state[key].shape[0] == 3
        np.testing.assert_array_equal(state[key], np.zeros(state[key].shape))


@pytest.mark.parametrize("mode", MODES)
def test_acting_is_a_pure_function_of_step_and_state(subject, mode):
    step, state = arriving(subject), some_state(subject)
    one = subject.act(step, state, mode)
    subject.act(arriving(subject, seed=8), some_state(subject, 8), mode)
    equal(one, subject.act(step, state, mode))


@pytest.mark.parametrize("mode", MODES)
def test_actions_fit_their_space(subject, mode):
    action, state = subject.act(arriving(subject), some_state(subject), mode)
    assert isinstance(action, np.ndarray)
    assert action.dtype == (np.int32 if subject.behavior_discrete else np.float32)
    assert all(subject.spaces.action.contains(row) for row in action)
    np.testing.assert_array_equal(state["action"], action)


@pytest.mark.parametrize("mode", MODES)
def test_the_seed_of_row_0_draws_for_all_rows_and_every_seed_advances(subject, mode):
    step, state = arriving(subject), some_state(subject)
    before = np.arange(2 * ROWS, dtype=np.int32).reshape(ROWS, 2)
    action, after = subject.act(step, state | {"seed": before}, mode)
    others = before.copy()
    others[1:] += 77
    np.testing.assert_array_equal(
        action, subject.act(step, state | {"seed": others}, mode)[0]
    )
    others = before.copy()
    others[0] += 1
    again, other = subject.act(step, state | {"seed": others}, mode)
    if mode == "greedy":
        assert not np.array_equal(after["stoch"], other["stoch"])
    else:
        assert not np.array_equal(action, again)
    moved = np.asarray(after["seed"]) - before
    assert (moved == moved[0]).all()
    assert moved.any()


def test_noise_does_not_repeat_along_an_episode(subject):
    step, state = arriving(subject), some_state(subject)
    drawn = []
    for _ in range(5):
        action, after = subject.act(step, state, "random")
        drawn.append(action)
        state = state | {"seed": after["seed"]}
    assert len({action.tobytes() for action in drawn}) == 5


def test_greedy_takes_the_mode_of_the_actor_at_the_sampled_latent_state(subject):
    step, state = arriving(subject), some_state(subject)
    action, after = subject.act(step, state, "greedy")
    features = np.concatenate(
        [np.reshape(after["stoch"], (ROWS, -1)), after["deter"]], -1
    )
    policy = subject.behavior.actor(tf.constant(features)).numpy()
    mode = np.argmax(policy, -1) if subject.behavior_discrete else policy[:, :2]
    np.testing.assert_allclose(action, mode, atol=1e-5)
    sampled, same = subject.act(step, state, "sample")
    np.testing.assert_array_equal(after["stoch"], same["stoch"])
    assert not np.array_equal(sampled, action)


def test_random_actions_are_uniform_and_ignore_weights_and_observation(subject):
    step, state = arriving(subject), some_state(subject)
    action, after = subject.act(step, state, "random")
    other, _ = subject.act(
        arriving(subject, seed=3), some_state(subject, 3) | {"seed": state["seed"]}
    )
    bias = subject.behavior.actor.head.weights[-1]
    kept = bias.numpy()
    bias.assign(kept + 100 * np.arange(len(kept)))
    again, _ = subject.act(
        arriving(subject, seed=3), state | {"action": other}, "random"
    )
    bias.assign(kept)
    np.testing.assert_array_equal(action, again)
    for key in ("deter", "stoch"):
        np.testing.assert_array_equal(after[key], state[key])
    many = []
    for _ in range(60):
        action, state = subject.act(step, state, "random")
        many.append(action)
    if subject.behavior_discrete:
        share = np.bincount(np.ravel(many), minlength=3) / np.size(many)
        np.testing.assert_allclose(share, 1 / 3, atol=0.05)
    else:
        quartiles = np.quantile(many, [0.25, 0.5, 0.75])
        np.testing.assert_allclose(quartiles, [-0.5, 0, 0.5], atol=0.05)


@pytest.mark.parametrize("mode", ["sample", "greedy"])
def test_a_first_row_forgets_its_state_and_others_do_not(subject, mode):
    step = arriving(subject)
    first = np.arange(ROWS) % 2 == 0
    step = step._replace(is_first=first)
    one = subject.act(step, some_state(subject, 1), mode)
    two = subject.act(step, some_state(subject, 2), mode)
    zero = subject.act(step, subject.initial_state(ROWS, seed=5), mode)
    np.testing.assert_array_equal(one[0][first], two[0][first])
    for key in ("deter", "stoch"):
        a, b, c = (np.array(result[1][key]) for result in (one, two, zero))
        np.testing.assert_array_equal(a[first], b[first])
        np.testing.assert_array_equal(a[first], c[first])
        assert not np.array_equal(a[~first], b[~first])


def test_acting_filters_as_training_infers(subject):
    batch = common.rows(subject, ROWS, seed=4)
    state = subject.initial_state(ROWS, seed=21)
    noise, taken, states = [], [], []
    for t in range(len(batch["reward"])):
        noise.append(subject.world.noise((ROWS,), state["seed"][0]))
        taken.append(np.array(state["action"]))
        _, state = subject.act(common.step(batch, t), state)
        states.append(state)
    rows = common.sequence(subject, batch | {"action": np.stack(taken)})
    posterior, _ = subject.world.infer(rows, tf.stack(noise))
    for key in ("deter", "stoch"):
        want = np.stack([state[key] for state in states])
        np.testing.assert_allclose(getattr(posterior, key), want, atol=2e-5)


def test_acting_needs_only_what_acting_names_say(discrete):
    other = common.make(seed=1)
    step, state = arriving(discrete), some_state(discrete)
    other.set_state(discrete.get_state(), learn=False)
    equal(discrete.act(step, state), other.act(step, state))
    assert not np.array_equal(
        discrete.behavior.critic.weights[0], other.behavior.critic.weights[0]
    )


def test_an_agent_restored_in_full_has_every_variable(discrete):
    common.eager_update(discrete, common.rows(discrete))
    other = common.make(seed=1)
    other.set_state(discrete.get_state())
    assert differing(snapshot(discrete), snapshot(other)) == set()
    for name, optimizer in other.optimizers.items():
        rate = optimizer._rule.learning_rate
        assert float(rate) == pytest.approx(getattr(other.config, f"{name}_lr"))


def parameters(modules):
    return {
        name: sum(int(np.prod(weight.shape)) for weight in module.trainable_variables)
        for name, module in modules.items()
    }


def test_the_atari_agent_has_the_published_number_of_parameters_and_learns():
    agent = common.make(
        {"image": common.ATARI}, Discrete(18), "atari", batch_size=2, batch_length=5
    )
    assert agent.parameters == 22_245_398
    assert parameters(agent.world.modules) == {
        "encoder": 1_549_776,
        "rssm": 5_664_848,
        "decoder": 10_497_553,
        "reward": 1_131_601,
        "discount": 1_131_601,
    }
    assert parameters(agent.behavior.modules) == {
        "actor": 1_138_418,
        "critic": 1_131_601,
        "slow_critic": 1_131_601,
    }
    # The reference's 23,377,002 are these and three scalars.
    assert agent.parameters + 1_131_601 + 3 == 23_377_002
    before = agent.behavior.actor.weights[0].numpy()
    metrics = {
        key: float(value) for key, value in agent.update(common.rows(agent, 2)).items()
    }
    assert np.isfinite(list(metrics.values())).all()
    assert metrics["image_loss"] > 3763.969
    assert not np.array_equal(before, agent.behavior.actor.weights[0])


RGB = Box(0, 255, (64, 64, 3), np.uint8)
TYPICAL = {
    "paper": ({"image": common.ATARI}, Discrete(18)),
    "atari": ({"image": common.ATARI}, Discrete(6)),
    "schedules": ({"image": common.ATARI}, Discrete(6)),
    "atari_small": ({"image": common.ATARI}, Discrete(3)),
    "minatar": ({"image": Box(0, 1, (10, 10, 4), bool)}, Discrete(6)),
    "minigrid": ({"image": Box(0, 1, (7, 7, 20), bool)}, Discrete(7)),
    "dmc_vision": ({"image": RGB}, TWO_AXES),
    "dmc_state": ({"position": common.VECTOR, "velocity": common.VECTOR}, TWO_AXES),
    "crafter": ({"image": RGB}, Discrete(17)),
    "debug": (common.MIXED, Discrete(2)),
}


@pytest.mark.parametrize("preset", TYPICAL)
def test_every_preset_learns_on_the_spaces_it_is_made_for(preset):
    observation, action = TYPICAL[preset]
    names = preset if preset == "debug" else f"{preset},debug"
    agent = common.make(observation, action, names)
    metrics = common.eager_update(agent, common.rows(agent, 2))
    assert np.isfinite(list(metrics.values())).all()
    assert {f"{key}_loss" for key in observation} <= metrics.keys()
    assert ("discount_loss" in metrics) == agent.config.predict_discount


@pytest.mark.parametrize("names", [[name] for name in ABLATIONS] + [list(ABLATIONS)])
def test_every_ablation_learns(names):
    agent = common.make(ablate=names)
    before = snapshot(agent)
    metrics = common.eager_update(agent, common.rows(agent, 2))
    assert np.isfinite(list(metrics.values())).all()
    changed = differing(before, snapshot(agent))
    assert {*agent.world.modules, "actor", "critic"} <= changed
    assert ("no_policy_reinforce" in names) == (agent.behavior.gradient == "dynamics")
    assert ("no_layer_norm" in names) == (agent.world.cell.gru.norm is None)


@pytest.mark.parametrize("action", [Discrete(3), TWO_AXES], ids=["discrete", "box"])
def test_bfloat16_learns_about_the_same_with_float32_weights_and_outputs(action):
    observation = {"image": common.ATARI, "vector": common.VECTOR}
    exact = common.make(observation, action)
    rough = common.make(observation, action, precision="bfloat16")
    for name, value in snapshot(exact).items():
        np.testing.assert_array_equal(value, rough.variables()[name], err_msg=name)
        assert rough.variables()[name].dtype in ("float32", "int32", tf.int64), name
    batch = common.rows(exact)
    want, got = (common.eager_update(agent, batch) for agent in (exact, rough))
    assert np.isfinite(list(got.values())).all()
    for key in ("image_loss", "vector_loss", "reward_loss", "discount_loss", "loss"):
        np.testing.assert_allclose(got[key], want[key], rtol=0.02, err_msg=key)
    states, prior = common.posterior(rough, batch)
    features = rough.world.cell.features(states)
    outputs = [*states, prior, features, rough.world.reward(features)]
    outputs += [rough.world.discount(features), *rough.world.decoder(features).values()]
    outputs += [net(features) for net in rough.behavior.modules.values()]
    assert {output.dtype for output in outputs} == {tf.float32}
    layer = rough.world.encoder.image_nets[0].convs[0]
    assert layer.compute_dtype == "bfloat16"


def feed(agent, batch):
    """Stores rows until a batch can be drawn."""
    state = agent.initial_state(batch["reward"].shape[1])
    for t in range(len(batch["reward"])):
        agent.observe(common.step(batch, t), state)


def test_a_report_dreams_of_every_image_after_five_frames(tmp_path):
    agent = common.make(folder=tmp_path, batch_length=7)
    feed(agent, common.rows(agent, length=20))
    report = agent.report()
    assert set(report.videos) == {"dream_image"}
    assert report.videos["dream_image"].shape[0] == 7
    assert set(report.scalars) == {"open_loop_error", "copy_error"}
    assert agent.open_loop(common.rows(agent)).model_error.shape == (2,)
    agent.close()


def test_windows_too_short_to_dream_in_leave_an_empty_report(tmp_path):
    agent = common.make(folder=tmp_path, batch_length=5)
    feed(agent, common.rows(agent, length=20))
    assert agent.report() == ({}, {}, {})
    agent.close()
