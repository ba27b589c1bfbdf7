"""The launcher of Table 1 as a command: a cell, the table, and what it says to bad input."""

import json
import re

import pytest

DEBUG = ("--preset=debug", "--updates=60", "--log_every=20", "--eval_every=50")


@pytest.fixture
def command(launch):
    return launch("gumbel_softmax")


def test_a_cell_is_trained_evaluated_and_drawn_and_its_numbers_explained(
    command, mnist_dir, repository, tmp_path
):
    said = command(*DEBUG, "--task=vae", f"--data_dir={mnist_dir}")
    folder = tmp_path / "runs/gumbel_softmax/vae-bernoulli/gumbel_softmax/lr0.001/seed0"
    results = json.loads((folder / "results.json").read_text())
    assert f"{results['test_nll']:.2f} nats with m = 20" in said
    assert (folder / "pictures" / "reconstructions.png").is_file()
    readme = (repository / "agents" / "gumbel_softmax" / "README.md").read_text()
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    logged = {key for line in lines for key in json.loads(line)}
    rows = re.findall(r"^\| (`.*`) \|", readme.split("metrics.jsonl")[-1], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == logged
    assert results.keys() <= set(re.findall(r"`(\w+)`", readme))


def test_a_small_table_is_trained_by_one_command(command, mnist_dir, tmp_path):
    said = command(
        *DEBUG,
        *("--table", "--columns=straight_through", "--rows=sbn-bernoulli"),
        *("--rates=1e-3", "--seeds=0", "--screen_updates=40"),
        *(f"--data_dir={mnist_dir}", "--output=out"),
    )
    made = json.loads((tmp_path / "out" / "score.json").read_text())
    assert made["table"]["sbn-bernoulli"].keys() == {"straight_through"}
    assert "here / in the paper" in said and "ETA" in said
    assert str(mnist_dir) not in json.dumps(made["cells"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--estimator=gumbel"], "estimator"),
        (["--temperature=0"], "temperature"),
        (["--classes=1"], "classes=1 came"),
        (["--data_dir=nowhere"], "nowhere"),
        (["--table", "--columns=gumbel"], "Did you mean 'gumbel_"),
        (["--preset=big"], "unknown preset 'big'"),
    ],
)
def test_bad_input_is_told_in_one_sentence(command, mnist_dir, arguments, said):
    given = [] if "data_dir" in arguments[0] else [f"--data_dir={mnist_dir}"]
    text = command(*DEBUG, *given, *arguments, ok=False)
    assert said in text and "Traceback" not in text
