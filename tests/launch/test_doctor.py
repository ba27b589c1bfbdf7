"""The doctor: its findings on made-up reports, and one run on this machine."""

import copy
import json
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from launch import doctor

GOOD: dict[str, Any] = {
    "packages": [
        {
            "name": "latent-agent-zoo",
            "version": "0.1.0",
            "wanted": "",
            "part": "base",
            "fits": True,
        },
        {
            "name": "numpy",
            "version": "2.3.5",
            "wanted": "<3,>=2.0",
            "part": "base",
            "fits": True,
        },
        {
            "name": "ale-py",
            "version": "0.12.1",
            "wanted": "<0.13",
            "part": "atari",
            "fits": True,
        },
    ],
    "machine": {
        "python": "3.12.1",
        "executable": "/venv/bin/python",
        "virtual_environment": True,
        "system": "Linux",
        "processor": "a [fast] one",
        "cores": 2,
        "usable_cores": 2,
        "memory_gib": 8.0,
        "memory_free_gib": 4.0,
        "disk_free_gib": 10.0,
        "nvidia_driver": False,
    },
    "tensorflow": {
        "gpus": [],
        "cuda": None,
        "one_keras": True,
        "precision": {
            "size": 1024,
            "float32": 0.02,
            "bfloat16": 0.01,
            "advised": "bfloat16",
        },
    },
    "atari_roms": 108,
    "names": {
        "agents": {
            "path": "/site/agents/__init__.py",
            "ours": True,
            "foreign_owners": [],
        }
    },
    "variables": {},
}


@pytest.fixture
def report() -> dict[str, Any]:
    return copy.deepcopy(GOOD)


def render(report: dict[str, Any]) -> str:
    console = Console(width=110, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    findings = {
        "problems": doctor.find_problems(report),
        "hints": doctor.find_hints(report),
    }
    doctor.show(report | findings, console)
    return console.export_text()


def test_a_good_installation_has_no_problem_and_no_hint(report):
    assert doctor.find_problems(report) == []
    assert doctor.find_hints(report) == []
    text = render(report)
    assert "ready to train" in text
    assert "bfloat16 is advised for full-size presets" in text
    assert "2.0 times as fast" in text
    assert "a [fast] one" in text
    assert "ale-py 0.12.1, 108 games" in text


def test_another_keras_backend_is_a_problem(report):
    report["variables"] = {"KERAS_BACKEND": "jax"}
    (problem,) = doctor.find_problems(report)
    assert "KERAS_BACKEND is 'jax'" in problem
    assert "unset it" in problem


def test_legacy_keras_is_a_problem(report):
    report["tensorflow"]["one_keras"] = False
    (problem,) = doctor.find_problems(report)
    assert "unset TF_USE_LEGACY_KERAS" in problem


def test_a_tensorflow_that_does_not_load_is_a_problem_and_the_rest_is_still_shown(
    report,
):
    report["tensorflow"] = {"error": "exit status -4: it said nothing"}
    (problem,) = doctor.find_problems(report)
    assert "exit status -4" in problem
    text = render(report)
    assert "TensorFlow does not load" in text
    assert "numpy" in text


def test_a_version_outside_its_range_is_a_problem(report):
    report["packages"][1] |= {"version": "3.0", "fits": False}
    (problem,) = doctor.find_problems(report)
    assert "numpy 3.0 is installed, but <3,>=2.0 is needed" in problem
    assert "wanted <3,>=2.0" in render(report)


def test_a_missing_base_package_is_a_problem_and_a_missing_extra_is_none(report):
    report["packages"][1]["version"] = None
    report["packages"][2]["version"] = None
    (problem,) = doctor.find_problems(report)
    assert "numpy is missing" in problem
    assert any("latent-agent-zoo[atari]" in hint for hint in doctor.find_hints(report))
    assert "ale-py absent" in render(report)


def test_the_ranges_of_an_extra_count_only_once_all_of_it_is_installed(report):
    extra = {"part": "tf-agents", "wanted": "<2.4", "name": "numpy", "version": "2.4.6"}
    gym = {"part": "tf-agents", "wanted": "", "name": "gym", "fits": True}
    report["packages"] += [extra | {"fits": False}, gym | {"version": None}]
    assert doctor.find_problems(report) == []
    report["packages"][-1]["version"] = "0.23.0"
    (problem,) = doctor.find_problems(report)
    assert "numpy 2.4.6 is installed, but <2.4 is needed" in problem


def test_a_tree_that_was_never_installed_is_one_problem(report):
    report["packages"] = [
        {
            "name": "latent-agent-zoo",
            "version": None,
            "wanted": "",
            "part": "base",
            "fits": True,
        }
    ]
    (problem,) = doctor.find_problems(report)
    assert "is not installed" in problem


def test_a_foreign_package_is_a_problem_with_its_owner(report):
    report["names"]["agents"] |= {"ours": False, "foreign_owners": ["openai-agents"]}
    (problem,) = doctor.find_problems(report)
    assert "installed by openai-agents" in problem


def test_a_full_disk_is_a_problem(report):
    report["machine"]["disk_free_gib"] = 0.2
    (problem,) = doctor.find_problems(report)
    assert "Only 0.2 GiB" in problem


def test_a_gpu_that_tensorflow_does_not_see_is_a_hint(report):
    report["machine"]["nvidia_driver"] = True
    (hint,) = doctor.find_hints(report)
    assert "tensorflow[and-cuda]" in hint


def test_a_python_outside_any_virtual_environment_is_a_hint(report):
    report["machine"]["virtual_environment"] = False
    (hint,) = doctor.find_hints(report)
    assert "no virtual environment" in hint


def test_a_gpu_is_shown_with_its_compute_capability(report):
    report["tensorflow"]["gpus"] = [{"name": "NVIDIA X", "capability": "9.0"}]
    assert "NVIDIA X (compute 9.0)" in render(report)


def test_the_doctor_finds_this_environment_healthy(repository):
    done = subprocess.run(
        [sys.executable, "-m", "launch.doctor", "--json"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    report = json.loads(done.stdout)
    assert report["problems"] == []
    assert done.returncode == 0
    parts = {row["part"] for row in report["packages"]}
    assert parts >= {"base", "atari", "minigrid", "tf-agents", "plots", "test"}
    assert all(row["version"] for row in report["packages"])
    assert report["atari_roms"] > 100
    assert report["tensorflow"]["precision"]["advised"] in ("float32", "bfloat16")


def test_a_probe_that_dies_is_reported_not_raised(monkeypatch, tmp_path):
    broken = tmp_path / "keras"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('keras is broken')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert doctor.probe_tensorflow() == {
        "error": "exit status 1: ImportError: keras is broken"
    }


def test_an_argument_that_is_no_flag_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "launch.doctor", "json"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "doctor takes only flags, but got ['json']" in done.stdout + done.stderr


def test_help_names_every_flag():
    done = subprocess.run(
        [sys.executable, "-m", "launch.doctor", "--help"],
        capture_output=True,
        text=True,
    )
    assert "--[no]json" in done.stdout
    assert "Print one JSON object" in done.stdout
