"""The notebooks run, and the .ipynb files are those of the scripts."""

import re

import jupytext
import nbformat
import numpy as np
import pytest

NAMES = (
    "discrete_gradients",
    "merlin_memory",
    "results",
    "two_timescales",
    "world_model",
)
BUDGET = "BUDGET = 0.05"  # of the training that a reader does


@pytest.fixture(scope="module")
def build(load_script):
    return load_script("docs/build_notebooks.py")


def code_outputs(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output for cell in cells for output in cell.outputs]


def pictures(notebook):
    return [
        each for each in code_outputs(notebook) if "image/png" in each.get("data", {})
    ]


def printed(notebook):
    outputs = code_outputs(notebook)
    return "".join(each.text for each in outputs if each.output_type == "stream")


def shortened(name, build, repository):
    script = (repository / "docs" / "notebooks" / f"{name}.py").read_text()
    short, count = re.subn(r"^BUDGET = 1\.0$", BUDGET, script, flags=re.MULTILINE)
    assert count == 1
    return build.read(short)


def test_every_script_is_built(build):
    assert tuple(script.stem for script in build.SCRIPTS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_notebook_is_its_script_executed(name, build, repository):
    script = repository / "docs" / "notebooks" / f"{name}.py"
    there = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    here = build.read(script.read_text())
    same = jupytext.writes(there, "py:percent") == jupytext.writes(here, "py:percent")
    assert same, f"{name}.ipynb is out of date: `make notebooks` makes it anew"
    assert pictures(there)
    assert not [each for each in code_outputs(there) if each.output_type == "error"]
    assert script.with_suffix(".ipynb").stat().st_size < 300_000


def test_results_can_be_drawn_from_the_scores_that_ship(build, repository):
    notebook = build.read(
        (repository / "docs" / "notebooks" / "results.py").read_text()
    )
    build.execute(notebook)
    text = printed(notebook)
    assert "dreamerv2/demo" in text
    assert "median at 200 million frames 2.15" in text
    assert len(pictures(notebook)) == 4


@pytest.mark.parametrize(
    ("name", "said", "number"),
    [
        ("merlin_memory", ("over 5 episodes", "80 steps"), 2),
        pytest.param(
            *("two_timescales", ("copied member", "against random"), 4),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("world_model", ("400 steps", "return in 256 real games"), 8),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_was_learned_can_be_looked_into(name, said, number, build, repository):
    notebook = shortened(name, build, repository)
    build.execute(notebook)
    assert all(part in printed(notebook) for part in said)
    assert len(pictures(notebook)) == number


def test_gradients_can_be_estimated_and_digits_completed(
    build, repository, mnist_dir, monkeypatch
):
    monkeypatch.setenv("ZOO_DATA_DIR", str(mnist_dir))
    notebook = shortened("discrete_gradients", build, repository)
    build.execute(notebook)
    text = printed(notebook)
    assert "1,000 digits" in text and str(mnist_dir) not in text
    found = re.findall(r"one throw +([\d.]+) +of 100 throws +([\d.]+) nats", text)
    assert len(found) == 2
    for one, hundred in found:
        assert 0 < float(hundred) <= float(one) < 392 * np.log(2)
    assert len(pictures(notebook)) == 6
