"""`launch.check_env` as a command: what is refused, each in one sentence, and what is shown."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from launch import env_report

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Runs the command once per command line, in one process, and says after which TensorFlow was loaded.
CALLS = """
import contextlib, io, json, sys
from absl.testing import flagsaver
from launch import app, check_env

results = []
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with flagsaver.flagsaver(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app.run(check_env.main, ["launcher", *arguments])
            code = 0
        except SystemExit as error:
            code = error.code or 0
    results.append([code, out.getvalue(), err.getvalue(), "tensorflow" in sys.modules])
print(json.dumps(results))
"""
ODD = "--env=tests.launch.odd_envs:"

# Command line -> what the error says; none of these needs TensorFlow.
REFUSED = {
    (): "--env is missing: which environment is to be checked? --env=my_module:MyEnv",
    ("--env=CartPole-v1",): "environment names are 'suite:name'",
    ("--env=gim:CartPole-v1",): "did you mean 'gym'",
    ("--env=gym:CartPol-v1",): "'CartPole-v1'",
    ("--env=zoo:Cach-v0",): "'Catch-v0'",
    ("--env=ctf:smal",): "unknown environment 'ctf:smal'; near names: ['small']",
    ("--env=ctf:small", "--num_envs=3"): "got 3; expected a multiple of the 4 players",
    (ODD + "Fien",): "near names: ['Fine'",
    (ODD + "Fine", "--agent=dreamer"): "Did you mean 'dreamerv2'",
    (ODD + "Fine", "--preset=minatr"): "Did you mean 'minatar'",
    (ODD + "Fine", "--full_action_space"): "unknown option 'full_action_space'",
    (ODD + "TextSpace",): "observation 'word' has the space Text(",
    (ODD + "TupleAction",): "expected Discrete, MultiDiscrete of rank 1, or Box",
    (ODD + "EndlessAction",): "give the Box finite low and high",
    (ODD + "Raises",): "env 0, step 5, last action",
    (ODD + "NotANumber",): "'vector': got nan at index [0]; expected finite numbers",
    (ODD + "WrongType",): "got dtype int64 and shape (3,); expected float32",
    (ODD + "NoConstructor",): "its constructor raised",
}
# These are refused by the agent, which is built after the random steps.
REFUSED_BY_AGENT = {
    (ODD + "ManyActions", "--steps=5"): "Discrete actions or a Box of rank 1, not",
    (ODD + "WideImage", "--steps=5"): "observation 'image' has 20x100 pixels",
}
SHOWN = (ODD + "Blind", "--steps=50", "--nomeasure", "--num_envs=2", "--time_limit=7")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Status, stdout, stderr and whether TensorFlow was loaded, by command line."""
    path = tmp_path_factory.mktemp("check") / "report.json"
    lines = [*REFUSED, *REFUSED_BY_AGENT, SHOWN]
    arguments = [*map(list, lines)]
    arguments[-1].append(f"--json={path}")
    done = subprocess.run(
        [sys.executable, "-c", CALLS, json.dumps(arguments)],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = dict(zip(lines, json.loads(done.stdout.splitlines()[-1]), strict=True))
    return found | {"report": json.loads(path.read_text())}


@pytest.mark.parametrize("line", [*REFUSED, *REFUSED_BY_AGENT], ids=" ".join)
def test_what_cannot_be_trained_in_is_refused_with_one_sentence(results, line):
    code, out, err, loaded = results[line]
    wanted = (REFUSED | REFUSED_BY_AGENT)[line]
    (error,) = [text for text in err.splitlines() if text.startswith("error: ")]
    assert (code, out) == (1, "")
    assert wanted in error
    assert loaded == (line in REFUSED_BY_AGENT)


def test_a_step_that_raises_shows_the_environments_own_traceback_as_text(results):
    _, _, err, _ = results[(ODD + "Raises",)]
    assert err.count("Traceback") == 1
    assert err.rstrip().endswith("KeyError: 'the cause'")


def test_the_report_says_what_was_seen_and_ends_with_the_command_that_trains(results):
    code, out, err, _ = results[SHOWN]
    assert code == 0, err
    text = " ".join(out.split())
    for part in (
        "50 random steps",
        "2 environments together",
        "0 terminated, 6 truncated",
        "always 7 steps long",
        "repeatable yes",
        "vector 3 float32, -1 to 1",
        "goes in as it is; MLP of 2 x 200 units",
        "Discrete(3)",
        "Preset minatar",
        "discrete actions and vectors alone",
        "MB per million steps",
        "it renders no picture",
        "nothing is wrong with it",
    ):
        assert part in text, part
    assert "Time here" not in out
    assert all(len(line) <= 80 for line in out.splitlines()), out
    command = out[out.index("Start training:\n") :].replace("\\\n", "").split()[2:]
    assert command[:3] == ["python", "-m", "launch.dreamerv2"]
    assert set(command[3:]) == {
        ODD + "Blind",
        "--preset=minatar",
        "--env_steps=100000",
        "--num_envs=2",
        "--time_limit=7",
    }


def test_the_report_is_written_as_json_too(results):
    report = results["report"]
    assert report["env"] == "tests.launch.odd_envs:Blind"
    assert report["trial"]["env_steps"] == 50
    assert report["trial"]["length"] == {"low": 7, "high": 7, "mean": 7}
    assert [part["key"] for part in report["parts"]] == [
        "observation/vector",
        "action",
    ]
    # vector 12 bytes, action, reward and discount 4 each, two flags
    assert report["replay"]["gb_per_million_steps"] == pytest.approx(0.026)
    assert report["cost"] is None and report["warnings"] == []


def test_what_is_scarce_or_slow_gets_a_hint():
    report = {
        "pictures": True,
        "replay": {"gb_at_end": 9.0, "gb_free_here": 3.0},
        "cost": {"hours": {"environment": 3.0}, "hours_total": 4.0},
    }
    full, slow = env_report.hints(report)
    assert "grows to 9.0 GB, and only 3.0 GB are free" in full
    assert "--num_envs=4 --parallel=process" in slow
    report["replay"] = None
    report["cost"]["hours_total"] = 40.0
    assert env_report.hints(report) == []
