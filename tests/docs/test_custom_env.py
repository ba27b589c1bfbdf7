"""The walk from an environment of one's own to a trained agent: every command and program in it runs."""

import dataclasses
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from agents.dreamerv2.config import PRESETS, DreamerV2Config
from agents.training import RunConfig

LOGDIR = "runs/dreamerv2/examples.custom_env-Collect/catch/seed0"
# What makes each command quick; a later flag wins over an earlier one.
QUICK = {
    "launch.check_env": ["--preset=debug", "--steps=100"],
    "launch.dreamerv2": ["--preset=debug", "--env_steps=300", f"--logdir={LOGDIR}"],
    "launch.evaluate": ["--episodes=2"],
    "launch.plot": [],
}


def blocks(repository: Path, language: str) -> list[str]:
    text = (repository / "docs" / "custom_env.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def folder(repository, tmp_path, monkeypatch):
    """A folder that has the examples, where the reader is."""
    (tmp_path / "examples").symlink_to(repository / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def run(repository: Path, folder: Path, command: str) -> str:
    python, _, module, *arguments = shlex.split(command)
    assert python == "python"
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, *QUICK[module]],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(repository), "COLUMNS": "80"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"
    return done.stdout


# Five commands that each load TensorFlow, on a machine that may be busy.
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_and_program_of_the_walk_runs(repository, folder, capsys):
    programs = blocks(repository, "python")
    commands = [
        line for text in blocks(repository, "sh") for line in text.strip().splitlines()
    ]
    said = [run(repository, folder, command) for command in commands]
    assert {shlex.split(command)[2] for command in commands} == set(QUICK)
    assert "nothing is wrong with it" in said[0]
    assert "Time here for" in said[0] and "Start training:" in said[0]
    assert "Finished at step 300." in said[1]
    assert (folder / "play.gif").read_bytes().startswith(b"GIF8")
    assert "2 episodes, random" in said[3]
    (program,) = [text for text in programs if "my_games" not in text]
    exec(compile(program, "custom_env.md", "exec"), {})
    assert re.search(r"\d+ apples in 100 steps of 4 games", capsys.readouterr().out)


def test_the_vectorised_examples_of_the_walk_play(repository, folder):
    (games,) = [text for text in blocks(repository, "python") if "my_games" in text]
    (folder / "my_games.py").write_text(games)
    rng = np.random.default_rng(0)
    for name, actions in (("my_games:poles", 2), ("my_games:Guess", 4)):
        made = envs.make(name, 6, seed=0)
        step, ends = made.reset(), 0
        for _ in range(60):
            step = made.step(rng.integers(actions, size=6, dtype=np.int32))
            ends += int(step.is_last.sum())
        assert ends > 6
        made.close()


def test_every_flag_and_preset_that_the_walk_names_exists(repository):
    text = (repository / "docs" / "custom_env.md").read_text()
    fields = {
        field.name
        for cls in (RunConfig, DreamerV2Config)
        for field in dataclasses.fields(cls)
    }
    own = {"env", "episodes", "help", "json", "logdirs", "mode", "nomeasure", "preset"}
    own |= {"disk", "steps", "video"}
    assert set(re.findall(r"--(\w+)", text)) <= fields | own
    table = text[text.index("| observation | action | preset |") :]
    named = re.findall(r"`([a-z_]+)`[,;| ]", table.partition("\n\n")[0])
    discrete, continuous = {"atari", "atari_small", "minatar"}, {"dmc_vision"}
    assert set(named) == discrete | continuous | {"dmc_state", "pendulum"}
    assert set(named) < set(PRESETS)


def test_every_link_of_the_walk_leads_somewhere(repository):
    text = (repository / "docs" / "custom_env.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (repository / "docs" / target).exists(), target


@pytest.fixture
def collect(folder):
    """The example's class, found as users find theirs."""
    return envs.make("examples.custom_env:Collect")


def test_the_example_passes_gymnasiums_checker(collect):
    gymnasium.register("Collect-v0", "examples.custom_env:Collect")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make("Collect-v0", disable_env_checker=True).unwrapped)
    del gymnasium.registry["Collect-v0"]


def test_the_example_starves_without_apples_and_is_cut_with_them(collect):
    from examples.custom_env import MOVES, Collect

    env = Collect()
    env.reset(seed=0)
    ends = []
    for _ in range(20):  # against the upper wall, past every apple but those there
        env._apple = np.array([4, 4])
        env._player = np.array([0, 0])
        ends.append(env.step(0)[2:4])
    assert ends == [(False, False)] * 19 + [(True, False)]
    env.reset(seed=0)
    total = 0.0
    for step in range(1, 61):
        way = env._apple - env._player
        wanted = np.sign(way) * ([1, 0] if way[0] else [0, 1])
        action = int(np.flatnonzero((wanted == MOVES).all(1))[0])
        observation, reward, terminated, truncated, _ = env.step(action)
        total += reward
        assert not terminated and truncated == (step == 60)
    assert total > 12
    assert observation["image"].sum() == 2 * 255 and 0 < observation["energy"][0] <= 1


def test_the_example_is_short_and_imports_nothing_of_the_zoo(repository):
    text = (repository / "examples" / "custom_env.py").read_text()
    assert len(text.splitlines()) < 120
    imported = set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE))
    assert imported == {"gymnasium", "numpy", "typing"}
