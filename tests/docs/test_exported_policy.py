"""examples/exported_policy.py makes the training environment anew, and plays in it without this project's code."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

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
    card = {"env": envs.describe(name)}
    agent.export(tmp_path / "policy", card, untrained=True)
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


@pytest.fixture(scope="module")
def fed(tmp_path_factory):
    """card.json of a policy, and inputs for two rows that it takes."""
    folder = tmp_path_factory.mktemp("fed")
    boxes = {"image": Box(0, 255, (10, 10, 2), np.uint8)}
    spaces = envs.Spaces(boxes, Discrete(3))
    agent = agents.make("dreamerv2", spaces, preset="debug", seed=0)
    agent.export(folder, untrained=True)
    state = {f"state_{k}": np.asarray(v) for k, v in agent.initial_state(2).items()}
    inputs = {
        "observation_image": np.zeros((2, 10, 10, 2), np.uint8),
        "reward": np.zeros(2, np.float32),
        "is_first": np.ones(2, bool),
    }
    return json.loads((folder / "card.json").read_text()), inputs | state


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"observation_imag": 0}, "unknown input .* did you mean 'observation_image'"),
        ({"foo": 0}, "unknown input 'foo': Known: observation_image, reward, is_first"),
        ({"reward": None}, "these inputs are missing: reward"),
        ({"reward": [0.0, 0.0]}, "float64, float32 is expected: np.asarray.reward"),
        ({"is_first": np.ones(2, np.int32)}, "is_first is of type int32, bool is"),
        (
            {"observation_image": np.zeros((10, 10, 2), np.uint8)},
            r"shape \(10, 10, 2\), \[batch, 10, 10, 2\] is expected: add the batch axis",
        ),
        (
            {"observation_image": np.zeros((2, 9, 10, 2), np.uint8)},
            r"shape \(2, 9, 10, 2\), \[batch, 10, 10, 2\] is expected$",
        ),
        ({"reward": np.zeros(3, np.float32)}, "different batch sizes: .*'reward': 3"),
        (
            {"state_seed": np.zeros(2, np.int32)},
            r"state_seed .* \[batch, 2\] is expect",
        ),
    ],
)
def test_a_policy_fed_wrongly_is_told_in_one_sentence(example, fed, change, said):
    card, inputs = fed
    example.check_inputs(card, inputs)
    wrong = {k: v for k, v in (inputs | change).items() if v is not None}
    with pytest.raises(ValueError, match=said) as caught:
        example.check_inputs(card, wrong)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_a_folder_without_an_export_is_told(example, tmp_path):
    with pytest.raises(SystemExit, match="holds no exported policy"):
        example.Player(str(tmp_path), "greedy", 0)
