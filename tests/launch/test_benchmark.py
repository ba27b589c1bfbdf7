"""The benchmark runs its cases in processes of their own and reports rows of one form."""

import json
import os
import subprocess
import sys

import pytest

from agents.gumbel_softmax.config import ESTIMATORS
from agents.sac import config as sac_config
from launch import (
    benchmark_ctf,
    benchmark_estimators,
    benchmark_ftw,
    benchmark_merlin,
    benchmark_sac,
    benchmark_serving,
    benchmark_vqvae,
)

KEYS = {"suite", "machine", "name", "value", "unit", "better", "reference"}
MODELS = ("sbn/bernoulli", "sbn/categorical", "vae/bernoulli", "vae/categorical")


def call(repository, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "launch.benchmark", *arguments],
        cwd=repository,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_the_estimator_suite_has_every_model_with_every_estimator():
    names = set(benchmark_estimators.CASES) - {"machine"}
    assert names == {f"{m}/{e}" for m in MODELS for e in ESTIMATORS}


def test_one_model_is_measured_against_its_reference(repository, tmp_path):
    path = tmp_path / "new" / "found.json"
    only = "--only=sbn/bernoulli/gumbel_softmax"
    done = call(repository, "--suite=estimators", only, "--repeats=1", f"--json={path}")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(path.read_text())
    made = json.loads((path.parent / "run.json").read_text())
    assert "launch.benchmark --suite=estimators" in made["command"] and made["hardware"]
    assert row.keys() == KEYS
    assert (row["name"], row["reference"]) == ("sbn/bernoulli/gumbel_softmax", 375)
    assert row["value"] > 0 and row["unit"] == "steps/CPU s"
    assert "375" in done.stdout and "1/1 sbn/bernoulli/gumbel_softmax" in done.stderr


# In a process of its own: launchers define flags of the same names.
SPY = """
import subprocess, sys
from launch import benchmark

def run(command, env, **_):
    print(env["TF_NUM_INTRAOP_THREADS"], *command[-2:])
    return subprocess.CompletedProcess(command, 0, stdout="[]", stderr="")

subprocess.run, benchmark.score.hardware = run, lambda: "a machine"
benchmark.flags.FLAGS(sys.argv)
assert benchmark._measure("machine") == []
"""


@pytest.mark.parametrize(("suite", "threads"), [("estimators", 1), ("dreamerv2", 2)])
def test_cases_of_the_estimator_suite_have_one_thread_each(repository, suite, threads):
    done = subprocess.run(
        [sys.executable, "-c", SPY, f"--suite={suite}", "--repeats=3"],
        cwd=repository,
        env=os.environ | {"TF_NUM_INTRAOP_THREADS": "2"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{threads} --case=machine --repeats=3\n", done.stderr


@pytest.mark.slow
def test_the_serving_suite_measures_every_batch_size_with_and_without_json():
    found = {row["name"]: row for row in benchmark_serving.preset_case("minatar")(1)}
    assert all(row["value"] > 0 and row["better"] == "lower" for row in found.values())
    per_batch = ("in_process_cpu", "in_process_wall", "rest_cpu", "rest_wall")
    per_batch += ("json_cpu", "request", "reply")
    names = {f"minatar/batch_{b}/{name}" for b in (1, 8, 32) for name in per_batch}
    assert found.keys() == names | {"minatar/load", "minatar/first_call"}
    sizes = [found[f"minatar/batch_{b}/request"]["value"] for b in (1, 32)]
    assert 20 < sizes[1] / sizes[0] < 32


@pytest.mark.slow
def test_the_merlin_suite_measures_training_updates_acts_and_the_memorys_share():
    found = {
        row["name"].removeprefix("memory_length/"): row["value"]
        for row in benchmark_merlin.task_case("memory_length")(1)
    }
    assert found["train_cpu"] > 0 and found["peak_memory"] > 0
    assert 0 < found["memory_share"] < 1 and 0 < found["memory_kernels"] < 1
    wanted = {"train", "train_cpu", "peak_memory"}
    wanted |= {f"memory_{part}" for part in ("share", "kernels", "rows")}
    wanted |= {
        f"{part}_{kind}" for part in ("update", "act") for kind in ("cpu", "wall")
    }
    assert found.keys() == wanted
    assert set(benchmark_merlin.CASES) == {"machine", "paper"} | {
        f"task/{name}" for name in ("memory_length", "memory_game", "minigrid_memory")
    }


@pytest.mark.slow
def test_the_ftw_suite_measures_games_acting_learning_and_all_together():
    found = {row["name"]: row for row in benchmark_ftw.train_case("ctf")(1)}
    rates = {"env_cpu", "train_cpu", "train", "learn_cpu", "act_rate"}
    costs = {"update_cpu", "update_wall", "act_cpu", "peak_memory"}
    assert found.keys() == {f"ctf/{name}" for name in rates | costs}
    assert all(row["value"] > 0 for row in found.values())
    assert {n for n, row in found.items() if row["better"] == "higher"} == {
        f"ctf/{name}" for name in rates
    }
    cases = {"machine", "paper", "league", *benchmark_ftw.CTF}
    assert set(benchmark_ftw.CASES) == cases


def test_the_sac_suite_measures_training_and_updates_by_every_estimator():
    found = {row["name"]: row for row in benchmark_sac.task_case("cartpole")(1)}
    rates, costs = {"train", "train_cpu", "updates"}, {"update_cpu", "update_wall"}
    costs |= {"act_cpu", "peak_memory"}
    assert found.keys() == {f"cartpole/{name}" for name in rates | costs}
    assert all(row["value"] > 0 for row in found.values())
    assert {n for n, row in found.items() if row["better"] == "higher"} == {
        f"cartpole/{name}" for name in rates
    }
    names = {f"update/minatar/{each}" for each in sac_config.ESTIMATORS}
    names |= {f"task/{each}" for each in benchmark_sac.TASKS}
    assert set(benchmark_sac.CASES) == names | {"machine", "update/paper"}


def test_the_vqvae_suite_measures_both_stages_of_both_models_and_sampling():
    case = benchmark_vqvae.model_case("dvae/debug")
    found = {row["name"].removeprefix("dvae/debug/"): row for row in case(1)}
    wanted = {"codes_cpu", "codes", "prior_cpu", "prior", "sample_cpu", "peak_memory"}
    assert found.keys() == wanted
    assert all(row["value"] > 0 for row in found.values())
    assert {n for n, row in found.items() if row["better"] == "higher"} == {
        "codes",
        "prior",
    }
    names = {f"{m}/{p}" for m in ("vqvae", "dvae") for p in ("mnist", "atari", "paper")}
    assert set(benchmark_vqvae.CASES) == names | {"machine", "vqvae/vqvae2"}


def test_the_suite_of_capture_the_flag_counts_agent_steps():
    for case in benchmark_ctf.CASES.values():
        (row,) = case(1)
        assert row.keys() == KEYS - {"suite", "machine"}
        assert row["value"] > 0 and row["unit"] == "agent steps/CPU s"


def test_a_case_that_does_not_exist_is_an_error_that_names_those_that_do(repository):
    done = call(repository, "--suite=estimators", "--only=sbn/ternary")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "sbn/bernoulli/gumbel_softmax" in done.stderr


@pytest.mark.parametrize(
    ("suite", "folder"), [("estimators", "estimators"), ("dreamerv2", "dreamerv2")]
)
def test_the_committed_measurements_have_a_row_per_case(repository, suite, folder):
    path = repository / "scores" / folder / "benchmark"
    rows = json.loads((path / "benchmark.json").read_text())
    assert all(row.keys() == KEYS and row["suite"] == suite for row in rows)
    assert set(json.loads((path / "run.json").read_text())) >= {"command", "hardware"}
    if suite == "estimators":
        names = {row["name"] for row in rows if not row["name"].startswith("matmul")}
        assert names == set(benchmark_estimators.CASES) - {"machine"}
        for row in rows:
            if row["reference"] and not row["name"].startswith("matmul"):
                assert row["value"] >= row["reference"], row["name"]


def test_the_table_of_steps_is_that_of_the_measurements(repository):
    folder = repository / "scores" / "estimators"
    rows = json.loads((folder / "benchmark" / "benchmark.json").read_text())
    values = {row["name"]: row["value"] for row in rows}
    readme = (folder / "README.md").read_text()
    for estimator in ESTIMATORS:
        cells = [f"{values[f'{model}/{estimator}']:.0f}" for model in MODELS]
        assert f"| `{estimator}` | {' | '.join(cells)} |" in readme
