"""Which preset an environment gets, and what is said about spaces and rewards."""

import types

import gymnasium
import numpy as np
import pytest

import agents
from agents import suggestion
from agents.api import Spaces
from agents.dreamerv2.config import PRESETS
from agents.dreamerv2.suggest import SUITES, advise

Box, Discrete = gymnasium.spaces.Box, gymnasium.spaces.Discrete
LARGE = Box(0, 255, (64, 64, 3), np.uint8)
SMALL = Box(0, 255, (10, 10, 4), np.uint8)
VECTOR = Box(-np.inf, np.inf, (5,), np.float32)
ARM = Box(-1, 1, (2,), np.float32)


def suggest(env, observation=None, action=None, gpu=False):
    def look():
        assert observation is not None, "the suite decides: no need to look"
        return Spaces(observation, action)

    return suggestion.suggest("dreamerv2", env, look, lambda: gpu)


@pytest.mark.parametrize(
    ("observation", "action", "gpu", "preset"),
    [
        ({"image": LARGE}, Discrete(4), False, "atari_small"),
        ({"image": LARGE}, Discrete(4), True, "atari"),
        ({"image": LARGE, "vector": VECTOR}, Discrete(4), False, "atari_small"),
        ({"image": SMALL}, Discrete(4), True, "minatar"),
        ({"image": SMALL, "vector": VECTOR}, Discrete(4), False, "minatar"),
        ({"vector": VECTOR}, Discrete(2), False, "minatar"),
        ({"image": LARGE}, ARM, False, "dmc_vision"),
        ({"image": LARGE, "vector": VECTOR}, ARM, True, "dmc_vision"),
        ({"image": SMALL}, ARM, False, "pendulum"),
        ({"vector": VECTOR}, ARM, False, "pendulum"),
    ],
)
@pytest.mark.parametrize("env", ["gym:Mine-v0", "my_module:Mine"])
def test_spaces_decide_where_the_suite_does_not(env, observation, action, gpu, preset):
    found = suggest(env, observation, action, gpu)
    assert found.preset == preset
    assert found.reasons and all(found.reasons)


@pytest.mark.parametrize(
    ("observation", "preset"),
    [({"image": LARGE}, "dmc_vision"), ({"vector": VECTOR}, "dmc_state")],
)
def test_dm_control_gets_the_published_settings(observation, preset):
    assert suggest("dm_control:mine", observation, ARM).preset == preset


@pytest.mark.parametrize(
    ("env", "gpu", "preset"),
    [
        ("atari:Pong", False, "atari_small"),
        ("atari:Pong", True, "atari"),
        ("minatar:Breakout-v1", False, "minatar"),
        ("minigrid:MiniGrid-DoorKey-5x5-v0", False, "minigrid"),
        ("crafter:Crafter", False, "crafter"),
        ("popgym:RepeatPreviousEasy-v0", False, "minatar"),
        ("zoo:Catch-v0", True, "catch"),
    ],
)
def test_a_suite_with_a_preset_of_its_own_gets_it_and_is_not_built(env, gpu, preset):
    assert suggest(env, gpu=gpu).preset == preset


def test_every_suite_in_the_table_has_a_preset_that_exists():
    assert set(SUITES.values()) <= set(PRESETS)


@pytest.fixture(scope="module")
def agent():
    spaces = Spaces(
        {
            "view": LARGE,
            "map": Box(0, 1, (9, 9, 2), np.bool_),
            "other_map": Box(0, 1, (9, 9, 1), np.float32),
            "energy": Box(0, 1, (1,), np.float32),
        },
        Discrete(6),
    )
    return agents.make("dreamerv2", spaces, "debug", cnn_depth=4)


def test_every_key_is_explained_with_its_preparation_and_its_net(agent):
    parts = {part.key: part for part in suggestion.explain(agent)}
    assert list(parts) == [
        *(f"observation/{key}" for key in ("view", "map", "other_map", "energy")),
        "action",
    ]
    view, small = parts["observation/view"], parts["observation/map"]
    assert view.goes_in == "as x / 255 - 0.5"
    # 64 -> 31 -> 14 -> 6 -> 2 pixels a side: 2 * 2 * 32 features
    assert "4 convolutions 4x4 of stride 2, 4-8-16-32 channels, 128 features" in (
        view.net
    )
    assert small.goes_in == "as 0 and 1"
    assert "2 convolutions 3x3 of stride 1, 4-4 channels, 324 features" in small.net
    assert small.net.endswith("(map and other_map together)")
    assert parts["observation/other_map"].goes_in == "as it is"
    assert parts["observation/energy"].net == "MLP of 1 x 16 units"
    assert parts["action"].goes_in == "as a one-hot of 6"
    assert parts["action"].net == "categorical actor, reinforce gradient"


def test_continuous_actions_are_explained():
    agent = agents.make("dreamerv2", Spaces({"vector": VECTOR}, ARM), "debug")
    action = suggestion.explain(agent)[-1]
    assert action.net == "truncated normal actor, dynamics gradient"


@pytest.mark.parametrize(
    ("settings", "seen", "text"),
    [
        (("identity", True), (0, 1, 5, 0), ""),
        (
            ("identity", True),
            (-40, 1, 0, 5),
            "rewards reach 40: add --reward_factor=0.03",
        ),
        (("identity", True, 0.1), (-40, 1, 0, 5), ""),
        (("tanh", True, 0.1), (0, 8, 0, 0), ""),
        (("tanh", True), (0, 8, 0, 0), "--reward_transform=identity"),
        (("tanh", True), (-1, 1, 0, 0), ""),
        (("sign", True), (-1, 300, 0, 0), ""),
        (("identity", False), (0, 1, 5, 0), "add --predict_discount"),
        (("identity", False), (0, 1, 0, 5), ""),
    ],
)
def test_settings_that_do_not_fit_what_was_seen_are_named(settings, seen, text):
    transform, predict, *factor = settings
    config = types.SimpleNamespace(
        reward_transform=transform,
        predict_discount=predict,
        reward_factor=factor[0] if factor else 1.0,
    )
    found = advise(types.SimpleNamespace(config=config), suggestion.Seen(*seen))
    if text:
        (advice,) = found
        assert text in advice
    else:
        assert found == []
