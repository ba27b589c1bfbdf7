"""What the settings refuse, and what the shipped policies were trained with."""

import json

import pytest

from agents import config as config_lib
from agents import registry
from agents.merlin.config import ABLATIONS, PRESETS, MERLINConfig
from tests.agents.merlin.common import AGENTS

TAKEN = {"merlin": set(ABLATIONS), "rl_mem": {"no_memory"}, "rl_lstm": set()}


@pytest.mark.parametrize("name", ["retroactive_discount", "discount", "gae_lambda"])
def test_what_is_a_share_is_from_0_to_1(name):
    for value in (1.2, -0.1, float("nan")):
        message = f"{name}={value} came, but a number from 0 to 1 is expected"
        with pytest.raises(ValueError, match=message):
            MERLINConfig(**{name: value})
    for value in (0.0, 1.0):
        assert getattr(MERLINConfig(**{name: value}), name) == value


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("name", ABLATIONS)
def test_an_agent_takes_the_ablations_of_its_own_parts_and_refuses_others(agent, name):
    def resolve():
        return registry.resolve("merlin", "debug", {"agent": agent}, [name])

    if name in TAKEN[agent]:
        assert resolve() != registry.resolve("merlin", "debug", {"agent": agent})
        return
    with pytest.raises(ValueError, match=f"ablate={name} .*agent={agent}.*: merlin"):
        resolve()


def test_a_setting_that_does_nothing_is_refused_also_without_the_ablations_name():
    with pytest.raises(ValueError, match=r"use_memory=False.*merlin or rl_mem"):
        registry.resolve("merlin", "debug,rl_lstm", {"use_memory": False})


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_resolves_under_every_agent(preset):
    for agent in AGENTS:
        assert registry.resolve("merlin", preset, {"agent": agent}).agent == agent


def test_popgym_has_rows_for_its_common_episodes_and_is_otherwise_memory_length():
    popgym, other = (PRESETS[name] for name in ("popgym", "memory_length"))
    assert popgym["slots"] >= 105
    differing = {key for key in popgym | other if popgym.get(key) != other.get(key)}
    assert differing == {"env", "slots"}


def test_the_settings_of_the_shipped_policies_are_still_taken(repository):
    paths = list((repository / "scores" / "merlin").glob("*/policy/config.json"))
    assert len(paths) >= 9
    for path in paths:
        saved = json.loads(path.read_text())["config"]
        assert config_lib.resolve(MERLINConfig, saved).agent == saved["agent"]
