"""Policies: what is saved, how exactly it acts, how it is found, and what is said of damage."""

import pathlib
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import agents
import envs
from agents import policy, registry
from agents.checkpoint import DamagedError
from tests.faults import tiny


@pytest.fixture(scope="module")
def dreamer(catch: envs.VectorEnv) -> Any:
    return agents.make("dreamerv2", catch.spaces, preset="debug", seed=3)


@pytest.fixture(scope="module")
def folder(dreamer: Any, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("policies") / "policy"
    saved = agents.save_policy(dreamer, path)
    assert saved.dreams and saved.bytes < 200_000
    return path


def rounded(value: np.ndarray) -> np.ndarray:
    return value.astype(ml_dtypes.bfloat16).astype(np.float32)


def weights(agent: Any, names: set[str]) -> dict[str, np.ndarray]:
    return {name: agent.variables()[name].numpy() for name in names}


def test_a_policy_holds_the_world_model_and_the_actor_rounded_and_nothing_else(
    dreamer: Any, folder: pathlib.Path
) -> None:
    state = policy.read(folder)
    parts = {name.split("/")[0] for name in state["variables"]}
    assert parts == {"encoder", "rssm", "decoder", "reward", "discount", "actor"}
    assert set(state) == {"env_steps", "updates", "variables"}
    for name, value in weights(dreamer, set(state["variables"])).items():
        np.testing.assert_array_equal(state["variables"][name], rounded(value))
    assert {path.name for path in folder.iterdir()} == {"config.json", "weights"}


def test_a_loaded_policy_acts_as_the_agent_with_rounded_weights(
    dreamer: Any, folder: pathlib.Path, catch: envs.VectorEnv
) -> None:
    loaded = agents.load(folder)
    names = dreamer.acting_names()
    before = weights(dreamer, names)
    try:
        for name in names:
            dreamer.variables()[name].assign(rounded(before[name]))
        step, state = catch.reset(seed=1), dreamer.initial_state(2, seed=7)
        mine, theirs = state, state
        for _ in range(5):
            action, mine = dreamer.act(step, mine)
            other, theirs = loaded.act(step, theirs)
            np.testing.assert_array_equal(action, other)
            np.testing.assert_array_equal(mine["deter"], theirs["deter"])
            step = catch.step(action)
    finally:
        for name, value in before.items():
            dreamer.variables()[name].assign(value)


def test_a_loaded_policy_dreams_of_what_it_was_let_observe(
    folder: pathlib.Path, catch: envs.VectorEnv
) -> None:
    loaded = agents.load(folder)
    with pytest.raises(ValueError, match="let the agent observe some episodes first"):
        loaded.report()
    step, state = catch.reset(seed=0), loaded.initial_state(2, seed=0)
    for _ in range(30):
        loaded.observe(step, state)
        action, state = loaded.act(step, state, "greedy")
        step = catch.step(action)
    dreams = loaded.report()
    assert dreams.videos["dream_image"].dtype == np.uint8
    assert dreams.scalars["open_loop_error"] > 0
    loaded.close()


def test_what_is_too_large_is_left_out_or_refused(
    dreamer: Any,
    folder: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = sum(path.stat().st_size for path in (folder / "weights").iterdir())
    monkeypatch.setattr(policy, "MAX_BYTES", whole - 1)
    saved = agents.save_policy(dreamer, tmp_path / "p")
    assert not saved.dreams and saved.bytes < whole
    loaded = agents.load(tmp_path / "p")
    with pytest.raises(ValueError, match="saved without its decoder"):
        loaded.open_loop({})
    monkeypatch.setattr(policy, "MAX_BYTES", 1_000)
    with pytest.raises(ValueError, match=r"0\.\d MB, but at most 0 MB are shipped"):
        agents.save_policy(dreamer, tmp_path / "q")
    assert list((tmp_path / "q").iterdir()) == []


@pytest.fixture
def tiny_run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A run of an agent that needs no TensorFlow."""
    tiny.install(monkeypatch.setattr)
    tiny.train(tmp_path / "run").close()
    return tmp_path / "run"


@pytest.fixture
def scores(
    tiny_run: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> pathlib.Path:
    """Two shipped policies, and a result without one."""
    path = tmp_path / "scores"
    for name in ("tiny/counting", "tiny/another"):
        agents.save_policy(tiny_run, path / name / "policy")
    (path / "tiny" / "benchmark").mkdir()
    monkeypatch.setattr(policy, "SCORES", path)
    return path


def test_a_policy_of_a_run_keeps_its_settings_but_not_where_it_lay(
    tiny_run: pathlib.Path, scores: pathlib.Path
) -> None:
    kept = registry.read_config(scores / "tiny" / "counting" / "policy")["run"]
    before = registry.read_config(tiny_run)["run"]
    assert kept == before | {"logdir": ""} and before["logdir"]


def test_shipped_policies_of_any_agent_are_loaded_and_played_by_name(
    tiny_run: pathlib.Path, scores: pathlib.Path
) -> None:
    assert policy.shipped() == ["tiny/another", "tiny/counting"]
    loaded, whole = agents.load("tiny/counting"), agents.load(tiny_run)
    assert loaded.env_steps == whole.env_steps == 200
    assert loaded.weight.value == whole.weight.value
    for name in ("tiny/counting", scores / "tiny" / "counting" / "policy"):
        assert agents.evaluate(name, episodes=3)["episodes"] == 3
    with pytest.raises(ValueError, match="neither optimizers nor replay"):
        agents.load("tiny/counting", learn=True)
    assert not (scores / "tiny" / "counting" / "policy" / "lock").exists()


def test_an_unknown_name_is_answered_with_the_near_ones_and_the_list(
    scores: pathlib.Path,
) -> None:
    for load in (agents.load, policy.find, agents.evaluate):
        with pytest.raises((ValueError, FileNotFoundError)) as raised:
            load("tiny/countin")
        said = str(raised.value)
        assert "'tiny/countin'" in said
        assert "Did you mean 'tiny/counting'" in said
        assert "Known: tiny/another, tiny/counting" in said
    with pytest.raises(FileNotFoundError, match="holds no agent"):
        agents.load(scores / "nothing" / "here")


def test_a_folder_of_the_same_name_wins(
    scores: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "tiny" / "counting").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(FileNotFoundError, match="holds no agent"):
        agents.load("tiny/counting")


@pytest.mark.parametrize("name", ["arrays.npz", "state.json", "manifest.json"])
def test_a_damaged_policy_is_one_sentence_that_names_the_file(
    scores: pathlib.Path, name: str
) -> None:
    folder = scores / "tiny" / "counting" / "policy"
    path = folder / "weights" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DamagedError, match=name) as raised:
        agents.load("tiny/counting")
    assert "install again" in str(raised.value) and "--fresh" not in str(raised.value)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "weights"]


def test_policies_of_the_repository_are_small_and_whole() -> None:
    for name in policy.shipped():
        folder = policy.find(name)
        size = sum(path.stat().st_size for path in (folder / "weights").iterdir())
        assert size <= 3_000_000, name
        policy.read(folder)
        run = registry.read_config(folder)["run"]
        assert run["env"] and run["logdir"] == ""
        assert (folder.parent / "score.json").is_file()
