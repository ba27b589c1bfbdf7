"""Sizes of runs and what may be deleted, on folders made here; nothing is ever deleted."""

import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from rich.console import Console

import agents
from agents import checkpoint, registry
from launch import disk
from tests.faults import tiny

LONG_AGO = time.time() - 3 * 86_400


def fill(path: pathlib.Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))


def make_run(path: pathlib.Path, step: int, until: int, replay: int = 5000) -> None:
    """A run's folder with sizes that can be told apart."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"run": {"env_steps": until}}))
    fill(path / "replay" / "000000000000.rows", replay)
    fill(path / "checkpoints" / f"{step:012d}" / "arrays.npz", 700)
    fill(path / "videos" / "episode-1.mp4", 60)
    (path / "lock").touch()


@pytest.fixture
def runs(tmp_path: pathlib.Path) -> pathlib.Path:
    """One run of each kind."""
    root = tmp_path / "runs"
    make_run(root / "a" / "done", 100, 100)
    make_run(root / "b" / "stopped run", 40, 100)
    make_run(root / "c" / "busy", 40, 100)
    make_run(root / "d" / "killed", 30, 100)
    fill(root / "d/killed/checkpoints/000000000040.damaged/arrays.npz", 300)
    fill(root / "d/killed/checkpoints/.tmp-000000000050/arrays.npz", 20)
    fill(root / "d/killed/replay/000000000064.rows.tmp", 1)
    fill(root / "e" / "saved" / "config.json", 0)
    fill(root / "notes.txt", 10)
    return root


def contents(root: pathlib.Path) -> set[pathlib.Path]:
    return set(root.rglob("*"))


def test_runs_are_found_with_their_state_and_the_sizes_of_their_parts(runs):
    with checkpoint.lock(runs / "c" / "busy"):
        found = {run.path.name: run for run in disk.find_runs(runs)}
    assert {name: run.state for name, run in found.items()} == {
        "done": "finished",
        "stopped run": "stopped",
        "busy": "in use",
        "killed": "stopped",
        "saved": "unknown",
    }
    done = found["done"]
    other = len(json.dumps({"run": {"env_steps": 100}}))
    assert done.sizes == {
        "replay": 5000,
        "checkpoints": 700,
        "videos": 60,
        "other": other,
    }
    assert (done.env_steps, done.until) == (100, 100)
    assert (found["killed"].env_steps, found["killed"].until) == (30, 100)
    assert disk.find_runs(runs)[2].state == "stopped"  # the lock was released


def test_only_what_nobody_needs_may_be_deleted(runs):
    before = contents(runs)
    with checkpoint.lock(runs / "c" / "busy"):
        spares = disk.find_spares(disk.find_runs(runs))
    assert contents(runs) == before
    killed = runs / "d" / "killed"
    assert [spare.paths for spare in spares] == [
        [runs / "a" / "done" / "replay"],
        [killed / "checkpoints" / "000000000040.damaged"],
        [
            killed / "checkpoints" / ".tmp-000000000050",
            killed / "replay" / "000000000064.rows.tmp",
        ],
    ]
    assert [spare.bytes for spare in spares] == [5000, 300, 21]
    assert "evaluated and plotted, but not trained on" in spares[0].why


def test_the_commands_delete_just_that(runs):
    make_run(runs / "f" / "it's done", 100, 100)
    spares = disk.find_spares(disk.find_runs(runs))
    named = {path for spare in spares for path in spare.paths}
    kept = {
        path
        for path in contents(runs)
        if not any(path == one or one in path.parents for one in named)
    }
    for spare in spares:
        assert shlex.split(spare.command)[:2] == ["rm", "-r"]
        subprocess.run(spare.command, shell=True, check=True)
    assert contents(runs) == kept
    assert disk.find_spares(disk.find_runs(runs)) == []


def test_temporary_folders_count_once_nobody_wrote_to_them_for_a_day(tmp_path):
    for name in ("zoo-replay-old", "zoo-replay-new", "other-old"):
        fill(tmp_path / name / "replay" / "0.rows", 9)
    for name in ("zoo-replay-old", "other-old"):
        for path in [tmp_path / name, *(tmp_path / name).rglob("*")]:
            os.utime(path, (LONG_AGO, LONG_AGO))
    (spare,) = disk.find_temporary(tmp_path)
    assert spare.paths == [tmp_path / "zoo-replay-old"] and spare.bytes == 9
    shutil.rmtree(tmp_path / "zoo-replay-old")
    assert disk.find_temporary(tmp_path) == []


def render(report: dict) -> str:
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    disk.show(report, console)
    return console.export_text()


def test_the_report_fits_80_columns_and_its_commands_stay_in_one_piece(runs):
    long = runs / "dreamerv2" / ("minigrid-" + "x" * 60) / "minigrid" / "seed0"
    make_run(long, 100, 100, 3_200_000_000 // 1_000_000)
    text = render(disk.examine(runs))
    lines = text.splitlines()
    commands = [line for line in lines if line.startswith("  rm -r ")]
    assert any(shlex.split(line)[2:] == [str(long / "replay")] for line in commands)
    sizes = [line for line in lines if line.startswith("  replay ")]
    assert len(sizes) == 7 and all(len(line) <= 80 for line in sizes)
    assert f"{long}  finished at 100 of 100 steps" in lines
    assert f"{runs / 'b' / 'stopped run'}  stopped at 40 of 100 steps" in lines
    assert "A stopped run needs its replay and a checkpoint to resume." in text
    assert "May be deleted (nothing was; these are the commands):" in text


def test_sizes_are_written_with_a_unit():
    assert [disk.size_text(size) for size in (0, 34_490_000, 1.26e9)] == [
        "0.0 MB",
        "34.5 MB",
        "1.3 GB",
    ]


def doctor(*arguments: str, folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    root = str(pathlib.Path(__file__).resolve().parents[2])
    return subprocess.run(
        [sys.executable, "-m", "launch.doctor", "--disk", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": root, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
    )


def test_the_doctor_lists_the_runs_as_text_and_as_json(runs):
    before = contents(runs)
    shown = doctor(folder=runs.parent)
    assert shown.returncode == 0, shown.stderr
    assert "runs/a/done" in shown.stdout and "rm -r runs/a/done/replay" in shown.stdout
    report = json.loads(doctor("--json", folder=runs.parent).stdout)
    assert report["bytes_that_may_be_deleted"] == 5000 + 300 + 21
    assert report["bytes"] == sum(run["bytes"] for run in report["runs"])
    assert contents(runs) == before


def test_a_folder_that_is_not_there_and_one_without_runs_are_said_so(tmp_path):
    missing = doctor("--runs=elsewhere", folder=tmp_path)
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: there is no folder elsewhere here; --runs")
    assert "Traceback" not in missing.stderr
    empty = doctor("--runs=.", folder=tmp_path)
    assert "There are no runs here." in empty.stdout
    assert "Nothing is to be deleted." in empty.stdout


def test_the_end_of_a_run_says_what_its_replay_takes_and_what_frees_it(
    tmp_path, monkeypatch, capsys
):
    tiny.install(monkeypatch.setattr)
    logdir = tmp_path / "a run"
    tiny.train(logdir, env_steps=300).close()
    (line,) = [
        text for text in capsys.readouterr().out.splitlines() if "  replay " in text
    ]
    assert "MB, needed only to train on" in line
    command = line.partition("what frees it:  ")[2]
    (run,) = disk.find_runs(tmp_path)
    assert run.state == "finished"
    assert [spare.command for spare in disk.find_spares([run])] == [command]


def test_a_run_that_stopped_says_that_it_needs_its_replay(
    tmp_path, monkeypatch, capsys
):
    tiny.install(monkeypatch.setattr)

    class Stopping(tiny.Tiny):
        def update(self, batch: Any) -> dict[str, Any]:
            if self.updates == 50:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().update(batch)

    monkeypatch.setattr(tiny, "Tiny", Stopping)
    with pytest.raises(SystemExit):
        tiny.train(tmp_path, env_steps=100_000)
    out = capsys.readouterr().out
    assert "MB, needed to resume" in out and "rm -r" not in out
    (run,) = disk.find_runs(tmp_path)
    assert run.state == "stopped"


def test_a_run_whose_replay_was_deleted_is_loaded_but_not_trained_on(
    tmp_path, monkeypatch
):
    tiny.install(monkeypatch.setattr)
    weight = tiny.train(tmp_path, env_steps=300).weight.value
    shutil.rmtree(tmp_path / "replay")
    before = contents(tmp_path / "checkpoints")
    for attempt in (
        lambda: tiny.train(tmp_path, env_steps=400),
        lambda: registry.load(tmp_path, learn=True),
    ):
        with pytest.raises(FileNotFoundError, match="replay was deleted: this run can"):
            attempt()
    assert contents(tmp_path / "checkpoints") == before
    assert agents.load(tmp_path).weight.value == weight
