"""examples/exported_policy.py makes the training environment anew, and plays in it without this project's code."""

import os
import subprocess
import sys

import numpy as np
import pytest

import agents
import envs

GAMES = ("atari:Pong", "atari:Boxing", "atari:ms_pacman")


@pytest.fixture(scope="module")
def example(load_script):
    return load_script("examples/exported_policy.py")


@pytest.mark.parametrize("name", GAMES)
def test_both_environments_agree_pixel_for_pixel_and_reward_for_reward(name, example):
    # With sticky actions and no-op starts the two would draw different random numbers.
    options = {"sticky": 0.0, "noop_max": 0}
    ours = envs.make(name, 1, **options)
    theirs = example.make_env({"env": envs.describe(name, **options)})
    step = ours.reset(seed=3)
    picture, _ = theirs.reset(seed=3)
    rng = np.random.default_rng(0)
    rewards = 0
    for _ in range(400):
        np.testing.assert_array_equal(picture, step.observation["image"][0])
        action = rng.integers(theirs.action_space.n)
        step = ours.step(np.array([action], np.int32))
        picture, reward, terminated, truncated, _ = theirs.step(action)
        assert (reward, terminated or truncated) == (step.reward[0], step.is_last[0])
        rewards += reward != 0
        if step.is_last[0]:
            break
    ours.close()
    assert rewards > 0


@pytest.mark.parametrize("name", ["atari:Boxing", "gym:Pendulum-v1"])
def test_the_example_plays_what_was_exported(name, repository, tmp_path):
    made = envs.make(name, 1)
    agent = agents.make("dreamerv2", made.spaces, preset="debug", seed=0)
    made.close()
    agent.export(tmp_path / "policy", {"env": envs.describe(name)})
    done = subprocess.run(
        [
            *(sys.executable, "-I", str(repository / "examples/exported_policy.py")),
            *("policy", "--episodes=2", "--max_steps=20", "--signature=sample"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.strip().splitlines()
    assert len(lines) == 2 and all("in 20 steps" in line for line in lines)


def test_an_environment_it_does_not_know_is_told(example):
    with pytest.raises(SystemExit, match="does not know how to make"):
        example.make_env({"env": envs.describe("minatar:Breakout-v1")})
