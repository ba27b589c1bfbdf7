"""What FTW adds to IMPALA: internal rewards, divergences, auxiliary losses, and what a population changes."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import envs
from agents import driver, registry
from agents.api import Spaces
from agents.ftw.config import ABLATIONS, FTWConfig
from envs.ctf_rules import EVENTS
from estimators import gaussian_kl
from tests.agents import windows
from tests.agents.kernels import assert_fit_for_gpus
from tests.agents.resumption import resumed_and_through
from tests.agents.weights import differing, snapshot
from tests.marks import some_slow

IMAGE = Box(0, 255, (11, 11, 7), np.uint8)
VECTOR = Box(0.0, 1.0, (6,), np.float32)
INFO = {
    "events": Box(0.0, np.inf, (13,), np.float32),
    "outcome": Box(-1.0, 1.0, (), np.float32),
    "team": Box(0.0, 1.0, (), np.float32),
}


def make(action=None, info=None, seed=0, preset="debug", ablate=(), **overrides):
    spaces = Spaces(
        {"image": IMAGE, "vector": VECTOR},
        action or MultiDiscrete([3, 3, 3, 2]),
        INFO if info is None else info,
    )
    return registry.make("ftw", spaces, preset, seed, ablate=ablate, **overrides)


def window_of(agent, batch=3, seed=0):
    rows = windows.rows(agent, batch, seed, length=agent.window)
    rng = np.random.default_rng(seed)
    events = rng.integers(0, 2, (agent.window, batch, 13)).astype(np.float32)
    events[rows["is_first"]] = 0
    return rows | {"info/events": events}


def loss_of(agent, window, entropy=0.0):
    _, found = agent._loss(windows.tensors(window), tf.constant(entropy))
    return {key: float(value) for key, value in found.items()}


@pytest.fixture(scope="module")
def made():
    return {
        "whole": make(),
        **{name: make(ablate=[name]) for name in ABLATIONS},
    }


def test_default_weights_have_a_number_per_event_good_ones_positive_and_bad_ones_not():
    weights = dict(zip(EVENTS, FTWConfig().weights(), strict=True))
    assert len(weights) == 13
    for name, weight in weights.items():
        bad = name.startswith(("opponents", "was_tagged"))
        assert (weight < 0) == bad, name


def test_the_reward_is_linear_in_the_weights_of_events():
    agent = make()
    window = window_of(agent)

    class Taken:
        reward = tf.zeros([5, 3])

    def reward(weights):
        agent.hyper["rewards"].assign(weights)
        return np.asarray(agent._reward(Taken, windows.tensors(window)))

    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 13)).astype(np.float32)
    want = (window["info/events"][1:] * one).sum(-1)
    np.testing.assert_allclose(reward(one), want, rtol=1e-4, atol=1e-5)
    both = reward(one) + 2 * reward(other)
    np.testing.assert_allclose(reward(one + 2 * other), both, rtol=1e-3, atol=1e-4)


def test_internal_rewards_change_what_is_learned_and_nothing_of_how_it_acts():
    agent = make()
    window = window_of(agent)
    step, state = windows.step(window, 1), dict(agent.initial_state(3, seed=2))
    action, _ = agent.act(step, state)
    before = loss_of(agent, window)
    agent.hyper["rewards"].assign(-agent.hyper["rewards"])
    after = loss_of(agent, window)
    assert before["value_target"] != after["value_target"]
    np.testing.assert_array_equal(agent.act(step, state)[0], action)


def test_without_internal_rewards_the_environments_own_counts(made):
    agent = made["no_internal_rewards"]
    window = window_of(agent)
    other = {key: np.array(value) for key, value in window.items()}
    other["info/events"][:] = 7
    assert loss_of(agent, window) == loss_of(agent, other)


def test_the_divergences_are_those_of_the_two_networks_distributions(made):
    agent = made["whole"]
    window = window_of(agent)
    found = loss_of(agent, window)
    outputs, _ = agent._unroll(windows.tensors(window))
    posterior, prior, tick = (
        np.asarray(part)[:-1]
        for part in (outputs.posterior, outputs.prior, outputs.tick)
    )
    kl = np.asarray(gaussian_kl(posterior, prior)).mean()
    assert found["kl"] == pytest.approx(agent.config.kl_scale * kl, rel=1e-4)
    mean, std = np.split(prior, 2, -1)
    # log(0.1 / s) + (s^2 + m^2) / (2 0.1^2) - 1/2, summed over the latents
    each = np.log(0.1 / std) + (std**2 + mean**2) / (2 * 0.1**2) - 0.5
    want = (tick * each.sum(-1)).mean()
    scale = agent.config.prior_scale
    assert found["prior_kl"] == pytest.approx(scale * want, rel=1e-3)
    assert 0 < tick.mean() < 1


def test_ablations_leave_out_their_terms_and_no_others(made):
    window = window_of(made["whole"])
    terms = {"kl", "prior_kl", "pixel_loss", "prediction_loss"}
    gone = {
        "whole": set(),
        "no_hierarchy": {"kl", "prior_kl"},
        "no_auxiliary": {"pixel_loss", "prediction_loss"},
        "no_internal_rewards": set(),
    }
    for name, agent in made.items():
        mine = window if agent.config.hierarchy else window_of(agent)
        assert terms - loss_of(agent, mine).keys() == gone[name]


def test_weights_of_losses_are_variables_that_need_no_new_graph(made):
    agent = made["whole"]
    state = agent.get_state()
    window = windows.tensors(window_of(agent))
    before = {key: float(v) for key, v in agent.update(window).items()}
    for name in ("kl_scale", "pixel_scale", "prediction_scale", "prior_scale"):
        agent.hyper[name].assign(0.0)
    agent.hyper["period"].assign(2)
    agent.hyper["entropy_scale"].assign(0.5)
    after = {key: float(v) for key, v in agent.update(window).items()}
    zero = {"kl", "prior_kl", "pixel_loss", "prediction_loss"}
    assert {after[key] for key in zero} == {0.0} and all(before[key] for key in zero)
    assert after["entropy_scale"] == 0.5
    assert agent._update.experimental_get_tracing_count() == 1
    agent.set_state(state)


def test_what_a_population_changes_is_saved_with_the_weights():
    agent, other = make(seed=1), make(seed=2)
    values = {"kl_scale": 0.7, "period": 7, "slow_gradient": 0.3}
    for name, value in values.items():
        agent.hyper[name].assign(value)
    other.set_state(agent.get_state())
    for name, value in values.items():
        assert float(other.hyper[name]) == pytest.approx(value)
    assert other.core.layer.period.numpy() == 7
    np.testing.assert_array_equal(other.hyper["rewards"], agent.hyper["rewards"])


@pytest.mark.parametrize(
    "name", some_slow(["whole", *ABLATIONS], ABLATIONS.keys() - {"no_hierarchy"})
)
def test_an_update_changes_every_net_and_what_it_must_not_stays(made, name):
    agent = make(seed=5, learning_rate="1e-2", ablate=[] if name == "whole" else [name])
    before = snapshot(agent)
    found = agent.update(windows.tensors(window_of(agent)))
    assert np.isfinite(found["loss"])
    changed = differing(before, snapshot(agent))
    assert changed == set(agent.modules()) | {"model_optimizer", "updates"}


@pytest.mark.parametrize("role", ["update", "sample", "greedy"])
@pytest.mark.parametrize("name", ["whole", "no_hierarchy"])
def test_every_op_has_a_kernel_for_gpus_and_none_is_python(made, name, role):
    assert_fit_for_gpus(made[name], role)


def test_players_of_the_built_in_game_learn_on_policy():
    games = envs.make("ctf:small", 8)
    agent = registry.make("ftw", games.spaces, "debug")
    events = driver.run(agent, games, until=400, seed=1)
    found = [event.metrics for event in events if event.metrics]
    assert len(found) >= 8
    for each in found:
        assert each["importance"] == pytest.approx(1, abs=1e-4)
        assert np.isfinite(each["loss"])


def test_acting_needs_only_what_acting_names_say():
    agent, other = make(seed=1), make(seed=2)
    other.set_state(agent.acting_state(report=False), learn=False)
    window = window_of(agent)
    state = dict(agent.initial_state(3, seed=4))
    step = windows.step(window, 1)
    for mode in ("sample", "greedy"):
        one, two = (each.act(step, state, mode)[0] for each in (agent, other))
        np.testing.assert_array_equal(one, two)


# By default tests/agents/ftw/test_population.py shows it of a population.
@pytest.mark.slow
def test_a_resumed_run_is_the_one_that_went_on(tmp_path):
    # A save at 92 steps cuts a window.
    resumed_and_through("ftw", tmp_path, 184, env="ctf:small", env_options="length=9")


@pytest.mark.slow
def test_the_paper_has_its_sizes_and_learns():
    games = envs.make("ctf:large", 4, rgb=True, factored=True)
    agent = registry.make("ftw", games.spaces, "paper", length=4)
    core = agent.core.layer
    assert (core.units, core.latent, core.slots, core.width) == (256, 256, 450, 32)
    assert type(agent.encoder.images["image"]).__name__ == "FTWEncoder"
    assert agent.auxiliary["pixel_control"].cells == 20
    window = window_of(agent, 2)
    assert np.isfinite(agent.update(windows.tensors(window))["loss"])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make(info={}), "internal rewards need.*no_internal_rewards"),
        (lambda: make(event_weights="1,2"), "2 numbers.*counts 13 events"),
        (lambda: make(event_weights="1,x"), "event_weights='1,x' came"),
        (lambda: make(Box(-1, 1, (2,), np.float32)), "Discrete or MultiDiscrete"),
        (lambda: make(pixel_crop=15), "11x11 pixels.*pixel_crop"),
        (lambda: make(pixel_crop=10, pixel_cell=4), "do not fill"),
        (lambda: make(period=0), "at least 1"),
        (lambda: make(slow_gradient=2.0), "expected 0 to 1"),
        (lambda: make(learning_rate="linear(1e-3, 0, 9)"), "a population changes it"),
    ],
)
def test_what_it_cannot_use_is_told_in_one_sentence(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_vectors_alone_need_no_pixel_control():
    spaces = Spaces({"vector": VECTOR}, Discrete(3), INFO)
    with pytest.raises(ValueError, match="pixel_scale=0"):
        registry.make("ftw", spaces, "debug")
    assert (
        "pixel_control"
        not in registry.make("ftw", spaces, "debug", pixel_scale=0.0).modules()
    )
