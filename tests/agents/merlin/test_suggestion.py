"""What MERLIN says to the episodes that it sees: too few rows, and hints that a run prints."""

import types

import pytest

from agents import registry, suggestion, training
from agents.suggestion import Seen


def advice(longest, **overrides):
    config = registry.resolve("merlin", "memory_length", overrides)
    agent = types.SimpleNamespace(config=config, name="merlin")
    return suggestion.advise(agent, Seen(longest=longest))


@pytest.mark.parametrize("agent", ["merlin", "rl_mem"])
def test_a_memory_that_is_too_short_is_named_with_the_rows_that_hold_an_episode(agent):
    (text,) = advice(41, slots=40, agent=agent)
    assert "40 rows" in text and "rows are overwritten" in text
    assert text.endswith("add --slots=42")
    assert advice(40, slots=40, agent=agent) == []
    assert advice(41, slots=42, agent=agent) == []


def test_who_has_no_memory_is_not_told_that_it_is_short():
    assert advice(1000, agent="rl_lstm") == []


def test_popgyms_tasks_have_a_preset_of_their_own():
    env = "popgym:RepeatFirstEasy-v0"
    assert suggestion.suggest("merlin", env, None, None).preset == "popgym"


def test_a_run_prints_that_no_discount_leaves_half_of_the_memory_empty(logdir, capsys):
    chosen = training.settings(
        "merlin",
        preset="debug",
        env="zoo:MemoryLength10-v0",
        env_steps=4,
        discount=1.0,
        video_every=0,
        logdir=str(logdir),
    )
    training.train(chosen).close()
    printed = capsys.readouterr()
    (hint,) = [
        line for line in (printed.out + printed.err).splitlines() if "Hint:" in line
    ]
    assert "Hint: with a retroactive discount of 1" in hint
    assert "--retroactive_discount=0.9" in hint
