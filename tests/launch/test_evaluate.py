"""Evaluation of many runs: what is played, what is left out, the means over runs; with an agent that needs no TensorFlow."""

import json
import math
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

import agents
from agents import evaluation, settings
from agents.checkpoint import DamagedError
from launch import evaluations, playing
from tests.faults import tiny

ROOT = pathlib.Path(__file__).resolve().parents[2]
_PROLOGUE = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from tests.faults import tiny
tiny.install()
from launch import tensorflow_log
tensorflow_log.load = lambda: None
import launch.evaluate as launcher
launcher.cli()
"""


def call(folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROLOGUE, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """runs/one/seed0..2, a run of another setting, one that has no checkpoint, and no run at all."""
    patch = pytest.MonkeyPatch()
    tiny.install(patch.setattr)
    folder = tmp_path_factory.mktemp("home")
    runs = folder / "runs"
    for seed in range(3):
        tiny.train(runs / "one" / f"seed{seed}", seed=seed, env_steps=60).close()
    tiny.train(runs / "two" / "seed0", env_steps=80, prefill=40).close()
    empty = runs / "one" / "seed3"
    empty.mkdir()
    shutil.copy(runs / "one" / "seed0" / "config.json", empty)
    yield folder
    patch.undo()


HOW = playing.How(5, (1, 2), "greedy", 2, "", "", "", "")


def folders(home: pathlib.Path, *names: str) -> list[pathlib.Path]:
    return [home / "runs" / name for name in names]


def test_runs_that_differ_in_their_seed_alone_are_one_experiment(
    home: pathlib.Path,
) -> None:
    names = ("one/seed0", "two/seed0", "one/seed2")
    targets, left_out = evaluations.plan(folders(home, *names))
    assert left_out == []
    assert [each.group for each in targets] == [0, 1, 0]
    assert [each.seed for each in targets] == [0, 0, 2]
    assert {each.label for each in targets} == {"tiny small"}


def test_a_session_plays_each_run_with_each_seed_as_it_would_be_played_alone(
    home: pathlib.Path,
) -> None:
    targets, _ = evaluations.plan(folders(home, "one/seed0", "one/seed1"))
    session = playing.Session(targets, HOW)
    session.run()
    found = {(each["run_seed"], each["seed"]): each for each in session.entries}
    assert found.keys() == {(0, 1), (0, 2), (1, 1), (1, 2)}
    for (run, seed), each in found.items():
        folder = home / "runs" / "one" / f"seed{run}"
        alone = agents.evaluate(folder, episodes=5, seed=seed, num_envs=2)
        assert alone.items() <= each.items()
    assert found[0, 1]["returns"] != found[0, 2]["returns"]


def test_the_interval_is_students_over_runs_and_a_run_counts_once() -> None:
    def entry(run: int, seed: int, mean: float) -> dict:
        common = {"env": "zoo:X", "label": "a", "group": 7, "env_steps": 10 + run}
        more = {"logdir": f"there/seed{run}", "seed": seed, "episodes": 5, "mean": mean}
        return common | more

    entries = [entry(0, 1, 1.0), entry(0, 2, 3.0), entry(1, 1, 4.0), entry(2, 1, 9.0)]
    (group,) = evaluations.group_entries(entries)
    assert group["mean"] == 5.0  # of 2, 4 and 9
    half = 4.302653 * math.sqrt((9 + 1 + 16) / 2) / math.sqrt(3)  # t of 2 degrees
    assert group["interval"] == pytest.approx([5 - half, 5 + half], abs=1e-3)
    assert (group["lowest"], group["highest"]) == (2.0, 9.0)
    assert (group["runs"], group["seeds"], group["episodes"]) == (3, 2, 20)
    assert group["env_steps"] == [10, 12]
    (alone,) = evaluations.group_entries(entries[:2])
    assert alone["interval"] is None
    both = evaluations.group_entries(
        [entries[0], entries[2] | {"group": 8, "logdir": "here/seed1"}]
    )
    assert [each["label"] for each in both] == ["a, there", "a, here"]


def test_options_of_the_environment_replace_those_of_the_run(
    home: pathlib.Path,
) -> None:
    options = "time_limit=3,kwargs.image=false"
    player = evaluation.Evaluator(home / "runs/one/seed0", env_options=options)
    result = player.play(episodes=8, seed=1)
    assert max(result["lengths"]) == 3 and player.run.time_limit == 3
    assert result["env_options"] == "kwargs.image=false"
    with pytest.raises(ValueError, match="other spaces than the agent was trained on"):
        agents.evaluate(home / "runs/one/seed0", env_options="kwargs.image=true")


def test_options_of_the_run_stay_where_they_are_not_replaced() -> None:
    run = settings.RunConfig(env="atari:Pong", env_options="noop_max=7,sticky=0.5")
    changed = settings.with_env_options(run, "sticky=0,max_frames=400")
    assert changed.env_options == "max_frames=400,noop_max=7,sticky=0.0"
    made = settings.make_envs(changed, 1)
    step, length = made.reset(seed=0), 0
    while not step.is_last[0]:
        step, length = made.step(step.action), length + 1
    made.close()
    assert length == 100  # of 4 frames each
    run = settings.RunConfig(env="zoo:Counting-v0", env_options="kwargs.image=true")
    changed = settings.with_env_options(run, "kwargs.longest=4")
    assert changed.env_options == "kwargs.image=true,kwargs.longest=4"


def test_a_run_that_cannot_be_played_is_left_out_and_told(home: pathlib.Path) -> None:
    damaged = home / "runs" / "damaged"
    shutil.copytree(home / "runs/one/seed0", damaged)
    for path in damaged.glob("checkpoints/*/manifest.json"):
        path.write_text("{")
    nothing = home / "runs" / "one"
    names = ("one/seed0", "one/seed3", "damaged")
    targets, left_out = evaluations.plan([*folders(home, *names), nothing])
    assert [each.folder.name for each in left_out] == ["seed3", "one"]
    assert "seed3 has no checkpoint yet" in evaluations.why(left_out[0])
    assert "one holds no agent" in evaluations.why(left_out[1])
    session = playing.Session(targets, HOW)
    session.run()
    assert {each["logdir"] for each in session.entries} == {str(targets[0].folder)}
    (failed,) = session.left_out
    assert isinstance(failed.why, DamagedError) and failed.folder == damaged
    with pytest.raises(ValueError, match=r"2 of 5 runs .*:\n  .*seed3.*\n  .*one "):
        evaluations.refuse(left_out, 3)
    with pytest.raises(FileNotFoundError, match="no checkpoint yet"):
        evaluations.refuse(left_out[:1], 0)
    shutil.rmtree(damaged)


def test_what_ctrl_c_kept_from_being_played_is_left_out(
    home: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[int] = []

    def play(self: evaluation.Evaluator, **how: object) -> dict:
        if len(played) == 3:
            raise KeyboardInterrupt
        played.append(1)
        return {"mean": 1.0, "standard_error": 0.0}

    monkeypatch.setattr(evaluation.Evaluator, "play", play)
    names = ("one/seed0", "one/seed1", "two/seed0")
    session = playing.Session(evaluations.plan(folders(home, *names))[0], HOW)
    session.run()
    assert session.interrupted and len(session.entries) == 2
    assert [each.folder.parent.name for each in session.left_out] == ["one", "two"]


def test_a_wrong_option_stops_everything_before_it_starts(home: pathlib.Path) -> None:
    runs = folders(home, "one/seed0", "one/seed1")
    for options, said in (
        ("sticky=0", r"seed0, zoo:Counting-v0: unknown option 'sticky'"),
        ("time_limit=few", "time_limit=few came, but int"),
    ):
        with pytest.raises(ValueError, match=said):
            evaluations.plan(runs, env_options=options)
    with pytest.raises(ValueError, match="near names"):
        evaluations.plan(runs, env="zoo:Countin-v0")


def test_each_of_several_runs_has_a_video_of_its_own(home: pathlib.Path) -> None:
    targets, _ = evaluations.plan(folders(home, "one/seed0", "two/seed0"))
    paths = [evaluations.video_path("a/play.gif", each, targets) for each in targets]
    assert paths == ["a/play-one-seed0.gif", "a/play-two-seed0.gif"]
    alone = targets[:1]
    assert evaluations.video_path("a/play.gif", alone[0], alone) == "a/play.gif"
    assert evaluations.video_path("", targets[0], targets) == ""


def test_many_runs_are_evaluated_by_one_command_and_one_that_fails_is_told_at_the_end(
    home: pathlib.Path,
) -> None:
    files = ["--json=out/result.json", "--video=play.gif"]
    more = ["--seeds=1,2", "--episodes=3", "--env_options=time_limit=4"]
    done = call(home, "--logdirs=runs/one/seed*,runs/two/*", *files, *more)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count("seed3 has no checkpoint yet") == 2  # at once, at the end
    assert "8/8 runs/two/seed0, seed 2:" in done.stderr and "left" in done.stderr
    assert "error: 1 of 5 runs could not be evaluated" in done.stderr
    assert "Means over runs" in done.stdout and "video: play-one-seed1" in done.stdout
    content = json.loads((home / "out" / "result.json").read_text())
    assert content["protocol"] == {
        "episodes": 3,
        "seeds": [1, 2],
        "mode": "greedy",
        "num_envs": 4,
        "env": "",
        "env_options": "time_limit=4",
        "agent_options": "",
        "human_starts": False,
    }
    results = content["results"]
    assert len(results) == 8 and all(max(each["lengths"]) <= 4 for each in results)
    assert [each["runs"] for each in content["groups"]] == [3, 1]
    assert [each["logdir"] for each in content["left_out"]] == ["runs/one/seed3"]
    assert "versions" in content and "hardware" in content
    videos = {path for each in results for path in each["video"]}
    assert len(videos) == 4
    assert all((home / path).read_bytes().startswith(b"GIF8") for path in videos)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds=1,x"], "--seeds are whole numbers by comma, .* got 'x'"),
        (["--seeds=3,3"], "--seeds: 3 comes twice"),
        (["--seeds=-1"], "the seed -1 came"),
        (["--seeds=1", "--seed=2"], "--seed and --seeds both came"),
        (["--sticky=nan"], "--sticky=nan: a probability is expected"),
        (["--sticky=0.1", "--env_options=sticky=0"], "sticky came twice"),
        (["--noop_max=0"], "unknown option 'noop_max' for 'zoo'; known options"),
        (["--logdir=runs/one/seed0"], "--logdir and --logdirs came: give one"),
    ],
)
def test_a_wrong_flag_is_one_sentence(
    home: pathlib.Path, arguments: list[str], said: str
) -> None:
    done = call(home, "--logdirs=runs/one/seed0", *arguments)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert re.search(said, line), line
