"""The launcher that writes SavedModels: what it says, and the card."""

import json

import pytest
import tensorflow as tf

import agents
import envs
from agents import policy, registry
from agents.checkpoint import DamagedError


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


@pytest.fixture
def run(tmp_path):
    """A folder of an agent that made no update."""
    made = envs.make("zoo:Catch-v0")
    agent = agents.make("dreamerv2", made.spaces, preset="debug", seed=0)
    agent.save(tmp_path / "run")
    made.close()
    agent.close()
    return tmp_path / "run"


def test_what_was_never_trained_or_is_damaged_is_told_and_nothing_is_written(
    command, run, tmp_path
):
    export = ["--logdir=run", "--output=out"]
    text = command(*export, ok=False)
    assert "error: run made no update yet, at step 0" in text
    for path in run.glob("checkpoints/*/arrays.npz"):
        path.write_bytes(path.read_bytes()[:1000])
    text = command(*export, ok=False)
    assert "is damaged" in text and "every checkpoint in run/checkpoints" in text
    for content in ("{", "[]", '{"agent": "dreamerv2"}'):
        (run / "config.json").write_text(content)
        with pytest.raises(DamagedError, match=r"run/config\.json is damaged"):
            registry.read_config(run)
    (run / "config.json").write_text('{"model": "gumbel_softmax"}')
    assert "holds a model (gumbel_softmax), no agent" in command(*export, ok=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("there", "there holds something else than an export (thesis.tex)"),
        ("there/thesis.tex", "thesis.tex is a file"),
    ],
)
def test_a_folder_in_use_is_refused_before_tensorflow_loads(
    command, tmp_path, output, said
):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "thesis.tex").write_text("years")
    text = command("--policy=dreamerv2/catch", f"--output={output}", ok=False)
    assert said in text and "Traceback" not in text
    assert (tmp_path / "there" / "thesis.tex").read_text() == "years"
