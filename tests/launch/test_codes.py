"""The launchers of models with codes: a run of each, their table, and what they say to bad input."""

import json
import re
import subprocess
import sys

import pytest

from agents.config import resolve
from agents.dvae.config import PRESETS, DVAEConfig
from agents.vqvae.config import ImagesFitConfig
from launch import codes_table
from launch.codes_table import Plan

STAGES = ("--updates=40", "--code_updates=20", "--log_every=10", "--eval_every=15")


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Both models of two levels, trained on frames that the command collects; what it said, and where it ran."""
    folder = tmp_path_factory.mktemp("compared")
    arguments = ["--compare", "--preset=debug", *STAGES, "--workers=1", "--output=out"]
    frames = ["--data=atari:Pong", "--frames=80", "--size=16", "--levels=2"]
    done = subprocess.run(
        [sys.executable, "-m", "launch.dvae", *arguments, *frames],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr, folder


def runs(folder):
    return {m: folder / "runs/dvae/compare/atari-Pong/debug" / m / "seed0" for m in codes_table.MODELS}  # fmt: skip


def test_both_models_are_compared_by_one_command(compared):
    said, folder = compared
    made = json.loads((folder / "out" / "score.json").read_text())
    assert "bits per dimension, both (lower is better)" in said and "ETA" in said
    assert said.count("collecting pictures") >= 1 and "random play" in made["env"]
    for name, row in made["table"].items():
        assert row.keys() == {"vqvae", "dvae"}, name
    for model in codes_table.MODELS:
        (run,) = made["runs"][model]
        assert run["updates"] == 40
        assert made["table"]["mse"][model] == pytest.approx(run["test_mse"])
    ours, theirs = (
        json.loads((run / "config.json").read_text())["config"]
        for run in runs(folder).values()
    )
    shared = ours.keys() & theirs.keys()
    assert {"codes", "levels", "learning_rate", "prior_width"} <= shared
    assert {k: ours[k] for k in shared} == {k: theirs[k] for k in shared}
    assert (folder / "out" / "table.png").stat().st_size > 5000
    page = (folder / "out" / "table.md").read_text()
    assert "| | `vqvae` | `dvae` |" in page and "a codebook of 8" in page
    assert len((folder / "out" / "table.csv").read_text().splitlines()) == 9


@pytest.mark.parametrize("model", codes_table.MODELS)
def test_a_run_says_its_bits_draws_and_logs_what_the_readme_explains(
    compared, repository, model
):
    run = runs(compared[1])[model]
    results = json.loads((run / "results.json").read_text())
    said = (run / "log.txt").read_text()
    assert f"{results['test_bits_per_dim']:.4f} bits per dimension" in said
    pictures = {path.stem for path in (run / "pictures").iterdir()}
    assert pictures == {"reconstructions", "samples", "codebook"}
    readme = (repository / "agents" / model / "README.md").read_text()
    section = readme.split("## metrics.jsonl")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    logged = {key for line in lines for key in json.loads(line)}
    assert logged == set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_mnist_is_what_is_taken_without_data(launch, mnist_dir, tmp_path):
    sizes = ("--updates=8", "--code_updates=4", "--log_every=4", "--eval_every=0")
    said = launch("vqvae")("--preset=debug", f"--data_dir={mnist_dir}", *sizes)
    results = tmp_path / "runs/vqvae/mnist/debug/seed0/results.json"
    assert json.loads(results.read_text())["updates"] == 8
    assert "bits per dimension" in said


@pytest.mark.parametrize(
    ("model", "arguments", "said"),
    [
        ("vqvae", ["--codes=1"], "codes=1 came, but a number of at least 2"),
        ("vqvae", ["--data=atari:Pong", "--size=30"], "images of 30 x 30 pixels came"),
        ("vqvae", ["--downsample=3"], "downsample=3 came, but one of 2, 4, 8, 16"),
        ("dvae", ["--temperature=0"], "temperature='0' came, which reaches 0"),
        ("dvae", ["--data_dir=nowhere"], "the data folder nowhere does not exist"),
        ("dvae", ["--data=cifar"], "'suite:name'"),
        ("vqvae", ["--code_updates=120"], "code_updates=120 came with updates=120, but each stage needs some"),
        ("vqvae", ["--code_updates=0"], "code_updates=0 came with updates=120, but each stage needs some"),
        ("dvae", ["--learning_rate=cosine(1, 2)"], "learning_rate='cosine(1, 2)' came: "),
        ("vqvae", ["--data=ctf:small"], "gives no pictures of a chosen size and in gray"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_one_sentence(launch, tmp_path, model, arguments, said):
    text = launch(model)("--preset=debug", *arguments, ok=False)
    assert said in text and "Traceback" not in text
    assert not list(tmp_path.glob("runs/*/*/*/*/checkpoints"))


def test_a_table_counts_runs_that_are_done_and_leaves_out_what_diverged(tmp_path):
    config = resolve(
        DVAEConfig,
        {k: v for k, v in PRESETS["debug"].items() if k in DVAEConfig.__dataclass_fields__},
    )  # fmt: skip
    plan = Plan(tmp_path, ImagesFitConfig(updates=40), config, seeds=(0, 1))
    assert [job.name for job in plan.jobs()] == [
        *("vqvae seed 0", "dvae seed 0", "vqvae seed 1", "dvae seed 1")
    ]
    for i, job in enumerate(plan.jobs()):
        job.folder.mkdir(parents=True)
        numbers = {f"test_{name}": i + 1.0 for name in codes_table.MEASURES}
        found = {"updates": 40, "cpu_hours": 0.5, "data": "d"} | numbers
        if i == 3:
            found = {"updates": 20, "diverged": True}
        (job.folder / "results.json").write_text(json.dumps(found))
    assert plan.jobs() == []
    table = codes_table.table(plan)
    assert table["mse"] == {"vqvae": 2.0, "dvae": 2.0}
    made = codes_table.content(plan, "the command", "compare")
    assert made["name"] == "compare" and made["cpu_hours"] == 1.5
    assert made["budget"]["codes"] == 8
