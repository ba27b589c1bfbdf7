"""What users call: make, load and save; the loop of the README, and going on from a folder."""

import itertools
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import agents
import envs
from agents import driver, registry
from agents.checkpoint import Checkpoints, DamagedError, LogdirInUse
from agents.learner import NonFiniteError
from tests.faults import tiny


@pytest.fixture(autouse=True)
def tiny_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.install(monkeypatch.setattr)


@pytest.fixture(scope="module")
def dreamer(catch: envs.VectorEnv) -> Iterator[Any]:
    """A DreamerV2 that a loop as in the README has trained for some updates."""
    agent = agents.make("dreamerv2", catch.spaces, preset="debug", seed=3)
    step, state = catch.reset(seed=0), agent.initial_state(catch.num_envs, seed=0)
    while agent.env_steps < 100:
        agent.observe(step, state)
        action, state = agent.act(step, state, mode=agent.collect_mode)
        step = catch.step(action)
        agent.train()
    yield agent
    agent.close()


@pytest.fixture(scope="module")
def saved(dreamer: Any, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("saved") / "agent"
    dreamer.save(folder)
    return folder


def actions(agent: Any, catch: envs.VectorEnv, mode: Any) -> list[list[int]]:
    """The actions of an agent's first turns."""
    events = driver.run(agent, catch, seed=5, mode=mode, learn=False)
    return [event.step.action.tolist() for event in itertools.islice(events, 12)]


def test_a_loop_as_in_the_readme_learns(dreamer: Any) -> None:
    assert dreamer.env_steps == 100
    assert dreamer.updates == 1 + (100 - 60) // 10
    assert dreamer.replay.num_rows >= 100


@pytest.mark.parametrize("learn", [False, True])
def test_a_loaded_agent_acts_as_the_saved_one(
    dreamer: Any, saved: pathlib.Path, catch: envs.VectorEnv, learn: bool
) -> None:
    loaded = agents.load(saved, learn=learn)
    assert (loaded.env_steps, loaded.updates) == (dreamer.env_steps, dreamer.updates)
    assert loaded.config == dreamer.config and loaded.name == "dreamerv2"
    for mode in ("sample", "greedy", "random"):
        assert actions(loaded, catch, mode) == actions(dreamer, catch, mode)
    if learn:
        check_that_both_learn_the_same(dreamer, loaded, saved)
    loaded.close()


def check_that_both_learn_the_same(
    dreamer: Any, loaded: Any, saved: pathlib.Path
) -> None:
    """A batch and an update are equal; the folder is locked meanwhile."""
    with pytest.raises(LogdirInUse, match="in use by the process"):
        agents.load(saved, learn=True)
    one, other = dreamer.batch(1), loaded.batch(1)
    for key in one:
        np.testing.assert_array_equal(one[key], other[key])
    metrics = loaded.update(other)
    before = dreamer.get_state()
    for key, value in dreamer.update(one).items():
        assert float(value) == float(metrics[key]), key
    dreamer.set_state(before)


def test_a_batch_with_a_nan_changes_no_weight_of_dreamerv2(
    dreamer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dreamer.get_state()["variables"]
    batch = dreamer.batch(1)
    batch["reward"][3, 1] = np.nan
    monkeypatch.setattr(dreamer._sampler, "get", lambda update: batch)
    with pytest.raises(NonFiniteError, match=r"not finite: .*loss.*not_finite_batch"):
        dreamer._train_once()
    after = dreamer.get_state()["variables"]
    for name in before:
        if name != "updates":
            np.testing.assert_array_equal(before[name], after[name], err_msg=name)


def counting() -> envs.VectorEnv:
    return envs.make("zoo:Counting-v0", 2)


def trained(until: int, folder: pathlib.Path | None = None, **options: Any) -> Any:
    """A tiny agent that played and learned until a step."""
    made = counting()
    agent = agents.make("tiny", made.spaces, preset="small", folder=folder, **options)
    play(agent, until, made)
    return agent


def play(agent: Any, until: int, made: envs.VectorEnv | None = None) -> None:
    made = made or counting()
    for _ in driver.run(agent, made, until=until, seed=until):
        pass
    made.close()


def test_training_goes_on_with_the_replay_after_load(tmp_path: pathlib.Path) -> None:
    agent = trained(700)
    agent.save(tmp_path)
    loaded = agents.load(tmp_path, learn=True)
    for each in (agent, loaded):
        play(each, 1_500)
    assert loaded.weight.value == agent.weight.value
    assert loaded.updates == agent.updates > 250
    assert loaded.replay.committed == agent.replay.committed
    loaded.save(tmp_path)
    loaded.close()
    again = agents.load(tmp_path, learn=True)
    assert again.weight.value == agent.weight.value
    again.close()


def test_an_agent_loaded_to_act_writes_nothing_and_needs_no_lock(
    tmp_path: pathlib.Path,
) -> None:
    trained(300).save(tmp_path)
    learner = agents.load(tmp_path, learn=True)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    actor = agents.load(tmp_path)
    assert actor.weight.value == learner.weight.value and actor.replay is None
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    learner.close()
    agents.load(tmp_path, learn=True).close()


def test_saving_again_and_again_keeps_three_saves_and_the_chunks_they_name(
    tmp_path: pathlib.Path,
) -> None:
    agent, steps = trained(100), []
    for until in range(400, 4_000, 400):
        play(agent, until)
        agent.save(tmp_path)
        steps.append(agent.env_steps)
        own = {path.name for path in (agent.folder / "replay").iterdir()}
        assert (
            len(own) <= agent.config.replay_capacity / 2 / agent.replay.chunk_rows + 1
        )
    saves = Checkpoints(tmp_path / "checkpoints")
    assert saves.steps() == steps[-3:]
    there = {path.name for path in (tmp_path / "replay").iterdir()}
    assert there == registry.chunks_kept(saves)
    assert saves.restore(lambda tree: None) == steps[-1]


def test_saving_an_agent_elsewhere_leaves_its_run_whole(tmp_path: pathlib.Path) -> None:
    agent = tiny.train(tmp_path / "run", env_steps=2_000, save_every=500)
    agent.save(tmp_path / "copy")
    reports: list[str] = []
    saves = Checkpoints(tmp_path / "run" / "checkpoints", report=reports.append)
    for step in (2_000, 1_500, 1_000):
        replay = agents.registry.entry("tiny").build(
            agent.spaces, agent.config, 0, tmp_path / "run"
        )
        assert (
            saves.restore(lambda tree, to=replay: to.set_state(tree["agent"])) == step
        )
        replay.close()
        (tmp_path / "run" / "checkpoints" / f"{step:012d}").rename(tmp_path / str(step))
    assert reports == []


def test_a_younger_agent_replaces_an_older_one_of_the_same_kind(
    tmp_path: pathlib.Path,
) -> None:
    trained(900).save(tmp_path)
    trained(1_200).save(tmp_path)
    younger = trained(600, seed=5)
    with pytest.raises(ValueError, match="seed: 0 there, 5 here"):
        younger.save(tmp_path)
    made = counting()
    other = agents.make("tiny", made.spaces, preset="small")
    for _ in driver.run(other, made, until=600, seed=77):
        pass
    made.close()
    other.save(tmp_path)
    loaded = agents.load(tmp_path, learn=True)
    assert (
        loaded.env_steps == other.env_steps
        and loaded.weight.value == other.weight.value
    )
    play(loaded, 800)
    loaded.close()


def test_saving_over_another_agent_is_refused_with_the_differing_fields(
    tmp_path: pathlib.Path,
) -> None:
    trained(100).save(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    with pytest.raises(
        ValueError, match=r"holds another agent: batch_size: 4 there, 5 here"
    ):
        trained(100, batch_size=5).save(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_a_run_goes_on_after_its_agent_was_trained_and_saved_by_hand(
    logdir: pathlib.Path,
) -> None:
    tiny.train(logdir, env_steps=100)
    agent = agents.load(logdir, learn=True)
    with pytest.raises(LogdirInUse):
        tiny.train(logdir)
    made = envs.make("zoo:Counting-v0", 1)
    play(agent, 130, made)
    agent.save(logdir)
    agent.close()
    assert json.loads((logdir / "config.json").read_text())["run"]["seed"] == 0
    again = tiny.train(logdir)
    assert again.env_steps == 200 and again.updates > agent.updates


def test_what_is_not_there_or_damaged_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"holds no agent: it has no config\.json"
    ):
        agents.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="nothing holds no agent"):
        agents.load(tmp_path / "nothing")
    agent = trained(100)
    registry.write_config(tmp_path, registry.describe(agent))
    for learn in (False, True, True):  # a lock that was taken is given back
        with pytest.raises(FileNotFoundError, match="no checkpoint yet"):
            agents.load(tmp_path, learn=learn)
    agent.save(tmp_path)
    (path,) = tmp_path.glob("checkpoints/*/arrays.npz")
    path.unlink()
    for learn in (True, False, True):
        with pytest.raises(DamagedError, match="every checkpoint"):
            agents.load(tmp_path, learn=learn)


def test_unknown_names_come_with_the_near_ones(catch: envs.VectorEnv) -> None:
    with pytest.raises(ValueError, match="Did you mean 'dreamerv2'"):
        agents.make("dreamer2", catch.spaces)
    with pytest.raises(ValueError, match="Did you mean 'debug'"):
        agents.make("dreamerv2", catch.spaces, preset="debgu")
    with pytest.raises(ValueError, match="Did you mean 'horizon'"):
        agents.make("dreamerv2", catch.spaces, horizn=3)
    with pytest.raises(AttributeError, match="no attribute 'mke'"):
        agents.mke  # noqa: B018
    assert {"make", "load", "train", "evaluate"} <= set(dir(agents))


@pytest.mark.parametrize(
    ("agent", "preset", "config", "found"),
    [
        ("tf_agents_dqn", "atari_small", {"algorithm": "c51", "hidden": 3}, ["c51"]),
        ("tf_agents_dqn", "atari_small,c51", {"algorithm": "c51"}, []),
        ("tf_agents_dqn", "atari_small", {}, []),
        ("ftw", "ctf", {"population": 4}, ["population4"]),
    ],
)
def test_a_run_is_named_by_what_is_not_its_presets(agent, preset, config, found):
    assert registry.naming(agent, preset, config) == found
