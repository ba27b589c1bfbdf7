"""Advice: what is seen of an environment, and what MERLIN says to it."""

import types

import numpy as np
import pytest

from agents import registry, suggestion
from agents.driver import Episode
from agents.merlin.suggest import advise
from agents.suggestion import Seen
from envs.api import Step


def step(reward, last, discount):
    rows = len(reward)
    return Step(
        {},
        np.zeros(rows, np.int32),
        np.array(reward, np.float32),
        np.array(discount, np.float32),
        np.zeros(rows, bool),
        np.array(last),
    )


def test_ranges_ends_and_the_longest_episode_add_up():
    seen = Seen().add(step([0.5, -2], [False, False], [1, 1]), [])
    assert seen == Seen(-2, 0.5, 0, 0, 0)
    ended = [Episode(0, 1.0, 7), Episode(1, 0.0, 3)]
    seen = seen.add(step([3, 0], [True, True], [0, 1]), ended)
    assert seen == Seen(-2, 3, 1, 1, 7)


def agent(**overrides):
    config = registry.resolve("merlin", "memory_length", overrides)
    return types.SimpleNamespace(config=config, name="merlin")


@pytest.mark.parametrize(
    ("overrides", "seen", "text"),
    [
        (
            {"discount": 1.0, "retroactive_discount": 0.0},
            Seen(),
            "half of the memory stays zero",
        ),
        ({"retroactive_discount": 1.0}, Seen(), "--retroactive_discount=0.9"),
        ({"slots": 400}, Seen(longest=40), "--slots=41"),
        ({"slots": 400, "agent": "rl_mem"}, Seen(longest=40), "--slots=41"),
    ],
)
def test_settings_that_do_not_fit_are_named(overrides, seen, text):
    (advice,) = suggestion.advise(agent(**overrides), seen)
    assert text in advice


@pytest.mark.parametrize(
    ("overrides", "seen"),
    [
        ({}, Seen(longest=40)),
        ({"slots": 100}, Seen(longest=40)),
        ({"discount": 1.0, "retroactive": "none"}, Seen()),
        ({"retroactive_discount": 1.0, "agent": "rl_mem"}, Seen()),
        ({"slots": 4000, "agent": "rl_lstm"}, Seen(longest=40)),
    ],
)
def test_settings_that_fit_get_no_advice(overrides, seen):
    assert advise(agent(**overrides), seen) == []


@pytest.mark.parametrize(
    ("env", "preset"),
    [
        ("zoo:MemoryGame6-v0", "memory_game"),
        ("zoo:MemoryLength40Distractors-v0", "memory_length"),
        ("zoo:MiniGridMemory13-v0", "minigrid_memory"),
        ("popgym:RepeatFirstEasy-v0", "popgym"),
        ("minigrid:MiniGrid-Empty-5x5-v0", "minigrid_memory"),
    ],
)
def test_merlins_own_tasks_have_presets(env, preset):
    found = suggestion.suggest("merlin", env, None, None)
    assert found.preset == preset and found.reasons
