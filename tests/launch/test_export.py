"""The launcher that writes SavedModels: what it says, and the card."""

import json

import pytest
import tensorflow as tf

from agents import policy


@pytest.fixture
def command(launch):
    return launch("export")


def test_a_shipped_policy_is_written_with_a_card_that_says_how_to_make_its_game(
    command, tmp_path
):
    name = policy.shipped()[0]
    said = command(f"--policy={name}", "--output=out")
    assert "greedy, sample, initial_state" in said
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["agent"] == name.split("/")[0] and card["env_steps"] > 0
    assert card["env"]["name"] and "options" in card["env"]
    assert card["command"].startswith("python -m launch.")
    signatures = tf.saved_model.load(str(tmp_path / "out")).signatures
    assert set(signatures) == {"greedy", "sample", "initial_state"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "one of --logdir and --policy is needed"),
        (["--policy=dreamerv2/catch"], "--output is needed"),
        (["--logdir=nowhere", "--output=out"], "nowhere holds no agent"),
        (["--policy=dreamerv2/cach", "--output=out"], "dreamerv2/catch"),
    ],
)
def test_bad_input_is_told_in_one_sentence(command, arguments, said):
    text = command(*arguments, ok=False)
    assert said in text and "Traceback" not in text
