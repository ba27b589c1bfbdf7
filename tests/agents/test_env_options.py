"""The options of environments in a run's settings."""

import json
import pathlib

import pytest

from agents import evaluation, training
from tests.faults import tiny


def test_options_reach_the_environment_in_one_spelling() -> None:
    made = training.settings(
        "dreamerv2",
        "debug",
        env="minigrid:MiniGrid-Empty-5x5-v0",
        env_options="size=32, rgb=TRUE",
        time_limit=3,
    )
    assert made.run.env_options == "rgb=true,size=32"
    envs = training.make_envs(made.run)
    assert envs.spaces.observation["image"].shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("action_repeat=2", "a setting of its own, --action_repeat"),
        ("time_limit=2", "a setting of its own, --time_limit"),
        ("rgb=2", "true or false is expected"),
        ("rbg=true", "did you mean 'rgb'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_made(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        training.settings(
            "dreamerv2",
            "debug",
            env="minigrid:MiniGrid-Empty-5x5-v0",
            env_options=text,
        )


def test_a_run_records_them_and_is_resumed_and_evaluated_with_them(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.install(monkeypatch.setattr)
    tiny.train(tmp_path, env_steps=50, env_options="kwargs.image=true")
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["run"]["env_options"] == "kwargs.image=true"
    again = tiny.train(tmp_path, env_steps=60, env_options=" kwargs.image = true")
    assert again.spaces.observation.keys() == {"image", "vector"}
    with pytest.raises(ValueError, match=r"env_options: 'kwargs\.image=true' there"):
        tiny.train(tmp_path, env_steps=60)
    evaluation.evaluate(tmp_path, episodes=2)  # refuses environments of other spaces


@pytest.mark.parametrize(
    ("env", "given", "expected"),
    [
        ("ctf:medium", {}, "factored=true,rgb=true,win_reward=true"),
        ("ctf:medium", {"env_options": "rgb=true"}, "rgb=true"),
        ("zoo:Catch-v0", {}, ""),
        ("minigrid:MiniGrid-Empty-5x5-v0", {"env_options": "rgb=true"}, "rgb=true"),
    ],
)
def test_options_of_a_preset_are_for_its_suite_alone(
    env: str, given: dict[str, str], expected: str
) -> None:
    made = training.settings("ftw", "paper", env=env, **given)
    assert made.run.env_options == expected
