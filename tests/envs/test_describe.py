"""What one must know to make the same environment elsewhere."""

import json

import gymnasium
import pytest

import envs


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("atari:Pong", ["NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"]),
        ("minatar:Breakout-v1", ["noop", "left", "right"]),
        (
            "minigrid:MiniGrid-Empty-5x5-v0",
            ["left", "right", "forward", "pickup", "drop", "toggle", "done"],
        ),
        ("zoo:Catch-v0", ["left", "stay", "right"]),
        ("gym:Pendulum-v1", []),
        ("gym:CartPole-v1", []),
    ],
)
def test_actions_have_the_words_of_their_environment(name, words):
    assert envs.describe(name)["action_meanings"] == words


def test_atari_has_the_words_that_its_gymnasium_environment_has():
    import ale_py

    gymnasium.register_envs(ale_py)
    for full in (False, True):
        env = gymnasium.make("ALE/Boxing-v5", full_action_space=full)
        words = env.unwrapped.get_action_meanings()
        found = envs.describe("atari:Boxing", full_action_space=full)
        assert found["action_meanings"] == words


def test_every_option_is_told_given_or_not():
    found = envs.describe("atari:Pong", sticky=0.0, size=84)
    assert found["options"]["sticky"] == 0 and found["options"]["size"] == 84
    assert found["options"]["noop_max"] == 30 and found["frames_per_step"] == 4
    assert found["fixed"]["maxpool"] is True
    again = envs.make(found["name"], 1, **found["options"])
    assert again.spaces.observation["image"].shape == (84, 84, 1)
    again.close()
    assert json.loads(json.dumps(found)) == found


def test_what_cannot_be_made_cannot_be_described():
    with pytest.raises(ValueError, match="near names"):
        envs.describe("atari:Pongg")
    with pytest.raises(TypeError, match="known options"):
        envs.describe("atari:Pong", stickiness=0.5)
