"""Settings of a saved agent that are changed to act with."""

import numpy as np
import pytest

import agents
from agents import config, evaluation, registry, training
from agents.merlin.config import MERLINConfig


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    logdir = tmp_path_factory.mktemp("run")
    chosen = training.settings(
        "merlin",
        preset="debug",
        env="zoo:MemoryLength10-v0",
        logdir=str(logdir),
        video_every=0,
    )
    training.train(chosen).close()
    return logdir


def test_text_is_read_by_the_types_of_the_fields():
    read = config.parse(MERLINConfig, "use_memory=false, latent=8,discount=0.5")
    assert read == {"use_memory": False, "latent": 8, "discount": 0.5}
    assert config.parse(MERLINConfig, "") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("use_memory", "name=value"),
        ("use_memori=false", "Did you mean 'use_memory'"),
        ("use_memory=maybe", "type bool"),
        ("latent=0", "at least 1"),
    ],
)
def test_wrong_options_are_refused(run, text, message):
    with pytest.raises(ValueError, match=message):
        agents.load(run, options=text)


def test_an_agent_acts_without_the_memory_that_it_learned_with(run):
    whole, without = agents.load(run), agents.load(run, options="use_memory=false")
    assert whole.config.use_memory and not without.config.use_memory
    for name, value in whole.variables().items():
        if name in whole.acting_names():
            np.testing.assert_array_equal(value, without.variables()[name])
    results = [
        evaluation.evaluate(run, episodes=2, num_envs=1, agent_options=options)
        for options in ("", "use_memory=false")
    ]
    assert [each["agent_options"] for each in results] == ["", "use_memory=false"]


def test_an_agent_learns_on_only_with_its_own_settings(run):
    with pytest.raises(ValueError, match="its own settings"):
        registry.load(run, learn=True, options="use_memory=false")
    with pytest.raises(ValueError, match="from its newest save"):
        registry.load(run, learn=True, step=40)
