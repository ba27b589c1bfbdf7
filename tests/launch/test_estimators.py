"""`launch.estimators` measures what the package's README says, and draws it."""

import json
import subprocess
import sys

import numpy as np
import pytest

import estimators
from launch import estimator_cases, estimator_figures

DRAWS = 20_000
# Evaluations of the cost and of its gradient per estimate, from the papers.
EVALUATIONS = {
    "REINFORCE": (1, 0),
    "REINFORCE, baseline E f": (1, 0),
    "NVIL": (1, 0),
    "RLOO, 2 samples": (2, 0),
    "RLOO, 4 samples": (4, 0),
    "VIMCO, 2 samples": (2, 0),
    "MuProp": (2, 1),
    "REBAR, learned": (3, 2),
    "RELAX, learned": (3, 2),
    "ARM": (2, 0),
    "DisARM": (2, 0),
}


@pytest.fixture(scope="module")
def output(tmp_path_factory, repository):
    """The folder that the command wrote."""
    folder = tmp_path_factory.mktemp("estimators") / "toys"
    command = [sys.executable, "-m", "launch.estimators", f"--draws={DRAWS}"]
    done = subprocess.run(
        [*command, f"--output={folder}"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "measuring" in done.stderr and "WARNING:tensorflow" not in done.stderr
    for case in estimator_cases.CASES:
        assert (f"│ {case.label} " in done.stdout) != case.sweep, case.label
    return folder


@pytest.fixture(scope="module")
def measured(output):
    return json.loads((output / "estimators.json").read_text())


@pytest.fixture(scope="module")
def committed(repository):
    path = repository / "scores" / "estimators" / "toys" / "estimators.json"
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def table(load_script):
    return load_script("docs/estimator_table.py")


def rows(content):
    return {row["label"]: row for row in content["rows"]}


def test_every_estimator_is_measured_and_every_picture_is_there(output, measured):
    assert {row["estimator"] for row in measured["rows"]} == set(estimators.NAMES)
    assert len(rows(measured)) == len(measured["rows"])
    for name in ("bias_variance", "simplex"):
        assert (output / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in (output / f"{name}.svg").read_text()


def test_what_is_called_unbiased_is_within_the_noise_of_the_exact_gradient(committed):
    for row in committed["rows"]:
        if row["unbiased"]:
            for name, found in row["problems"].items():
                assert found["z"] < 4.5, (row["label"], name)


def test_evaluations_are_counted_as_the_papers_count_them(measured):
    for label, row in rows(measured).items():
        if not row["sweep"]:
            values, gradients = EVALUATIONS.get(label, (1, 1))
            wanted = {"values": values, "gradients": gradients}
            assert row["evaluations"] == wanted, label


def test_the_committed_measurements_have_the_form_of_new_ones(measured, committed):
    old, new = rows(committed), rows(measured)
    assert list(old) == list(new)
    for label, row in new.items():
        assert row.keys() == old[label].keys()
        for key in ("estimator", "options", "unbiased", "sweep"):
            assert row[key] == old[label][key], label
        for name, found in row["problems"].items():
            assert found.keys() == old[label]["problems"][name].keys()


def test_the_committed_numbers_are_those_measured_anew(measured, committed):
    new = rows(measured)
    for row in committed["rows"]:
        for name, old in row["problems"].items():
            found = new[row["label"]]["problems"][name]
            noise = np.sqrt(old["variance"] * (1 / DRAWS + 1 / committed["draws"]))
            assert abs(found["bias"] - old["bias"]) < 5 * noise + 1e-4, row["label"]
            # The variance's own noise: heavy tails at low temperatures.
            np.testing.assert_allclose(
                found["variance"], old["variance"], rtol=0.2, err_msg=row["label"]
            )


def test_the_tables_of_the_readme_are_those_of_the_measurements(
    table, committed, repository
):
    readme = (repository / "estimators" / "README.md").read_text()
    trained = json.loads(
        (repository / "scores/gumbel_softmax/table1/score.json").read_text()
    )
    same = readme == table.page(readme, committed, trained)
    assert same, "estimators/README.md is out of date: `make estimators` writes it anew"
    assert set(table.TEXTS) == set(estimators.NAMES)
    for name in estimators.NAMES:
        cells = [row.get(name) for row in trained["table"].values()]
        assert readme.count(f"\n| `{name}`") == 1 + any(cells)
        for cell in filter(None, cells):
            assert f"{cell:.1f}" in readme.partition("| test nats |")[2]
    tabled = [row["label"] for row in committed["rows"] if not row["sweep"]]
    assert {text.label for text in table.TEXTS.values()} <= set(tabled)
    for label in tabled:
        assert f"| {label} | " in readme


def test_a_bias_within_the_noise_is_no_bias_in_the_table(table):
    found = {"z": 3.0, "relative_bias": 0.2}
    assert table._bias(found) == 0 and table._bias(found | {"z": 5.0}) == 0.2
    assert table._range([0.123, 0.0, 23.4]) == "0 to 23"


def test_the_bound_of_vimco_has_the_gradient_of_finite_differences():
    toy = estimator_cases.problem("three bits", "exponential")

    def bound(logits):
        p = 1 / (1 + np.exp(-logits))
        states = estimators.exact.states((6,), "bernoulli").reshape(-1, 2, 3)
        q = np.prod(np.where(states > 0.5, p, 1 - p), (1, 2))
        f = np.exp(1.5 * (states * [0.6, 1.0, -0.8]).sum(-1))
        return q @ -np.log(np.exp(-f).mean(1))

    logits = np.array([0.3, -1.2, 0.8])
    steps = 1e-5 * np.eye(3)
    wanted = [(bound(logits + s) - bound(logits - s)) / 2e-5 for s in steps]
    np.testing.assert_allclose(
        estimator_cases.bound_gradient(toy, 2), wanted, rtol=1e-4, atol=1e-6
    )


def test_names_in_the_strip_never_cover_each_other():
    for heights in ([0.5] * 12, [0.0, 0.01, 0.02, 0.9], [0.97, 0.98, 0.99]):
        places = estimator_figures._spread(np.array(heights))
        assert np.all(np.diff(places) > 0.9 * estimator_figures._GAP)
        assert places.min() >= 0 and places.max() <= 1


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_picture_has_the_same_bytes(suffix, tmp_path):
    paths = [tmp_path / name / f"simplex.{suffix}" for name in "ab"]
    one, two = (estimator_figures.simplex(path, 20).read_bytes() for path in paths)
    assert one == two


def test_a_picture_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected \.png or \.svg"):
        estimator_figures.simplex(tmp_path / "simplex.gif", count=10)


def test_the_launcher_refuses_too_few_draws(repository):
    command = [sys.executable, "-m", "launch.estimators", "--draws=10"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode != 0 and "draws" in done.stderr + done.stdout


def test_the_example_of_the_readme_finds_the_best_class(repository, capsys):
    readme = (repository / "estimators" / "README.md").read_text()
    (example,) = [part.split("```")[0] for part in readme.split("```python\n")[1:]]
    assert len(example.splitlines()) == 12
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)
    capsys.readouterr()
    best = names["logits"].numpy().argmax()
    assert best == names["weights"].numpy().argmin() == 2
    assert names["quality"].draws == 20_000
