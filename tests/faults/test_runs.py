"""Whole runs that are stopped, killed, starved or fed nonsense: the last good checkpoint stays, the same command goes on."""

import functools
import os
import pathlib
import random
import shlex
import shutil
import signal
import time
from typing import Any

import numpy as np
import pytest

import envs
from agents import checkpoint
from agents import settings as settings_lib
from agents.checkpoint import DamagedError
from agents.learner import NonFiniteError
from agents.logger import read_metrics
from envs import EnvError
from tests.faults import tiny
from tests.faults.processes import (
    children,
    error_line,
    finish,
    logged,
    newest,
    run,
    saved_steps,
    start,
    wait_for,
)

FAULTY = "tests.faults.tiny:Faulty"


@pytest.fixture(autouse=True)
def tiny_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.install(monkeypatch.setattr)


# --- stopped and killed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_saves_and_prints_the_command_that_resumes(
    tmp_path: pathlib.Path, number: int, status: int
) -> None:
    logdir = tmp_path / "a run"
    endless = ["--env_steps=1000000", "--save_every=500000", f"--logdir={logdir}"]
    process = start("tests.faults.tiny", *endless, "--fresh")
    wait_for(process, lambda: len(logged(logdir)) > 10)
    process.send_signal(number)
    code, out, err = finish(process)
    assert code == status
    assert "Traceback" not in err and "stopping: one save, then done" in err
    (step,) = saved_steps(logdir)
    assert f"Stopped at step {step:,}." in out
    commands = {
        words[0]: words[1:] for words in map(shlex.split, out.splitlines()) if words
    }
    python, *arguments = commands["resume"]
    assert shutil.which(python) and "python" in python
    assert arguments == ["-m", "tests.faults.tiny", *endless]
    assert f"--logdir={logdir}" in commands["evaluate"]
    assert f"--logdirs={logdir}" in commands["plot"]
    code, out, err = run(*commands["resume"][3:], f"--env_steps={step + 100}")
    assert code == 0, err
    assert f"resuming at step {step:,}" in err
    assert f"Finished at step {step + 100:,}." in out
    steps = logged(logdir)
    assert steps == sorted(set(steps)) and steps[-1] == step + 100


def test_signals_during_the_save_change_nothing(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, stopping, sent = checkpoint.sync, [], []

    class Stopping(tiny.Tiny):
        def update(self, batch: Any) -> dict[str, Any]:
            if self.updates == 7:
                stopping.append(True)
                os.kill(os.getpid(), signal.SIGINT)
            return super().update(batch)

    def interrupted(path: pathlib.Path) -> None:
        if stopping:
            sent.append(path)
            os.kill(os.getpid(), signal.SIGTERM)
        sync(path)

    with monkeypatch.context() as patch:
        patch.setattr(tiny, "Tiny", Stopping)
        patch.setattr(checkpoint, "sync", interrupted)
        with pytest.raises(SystemExit) as stopped:
            tiny.train(tmp_path)
    assert stopped.value.code == 143
    assert len(sent) >= 4  # arrays, state, manifest, folder
    assert saved_steps(tmp_path)[-1] == newest(tmp_path)["agent"]["env_steps"] > 50
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert tiny.train(tmp_path).env_steps == 200


def kill_and_resume(
    module: str, arguments: list[str], logdir: pathlib.Path, times: int, pause: float
) -> None:
    """Kills the run so many times, each time a while after it made progress; then lets it end."""
    rng = random.Random(times)
    for _ in range(times):
        before = logged(logdir)
        process = start(module, *arguments)
        wait_for(process, lambda old=before: logged(logdir)[-3:] != old[-3:])
        time.sleep(rng.uniform(0, pause))
        process.kill()
        finish(process)
        steps = logged(logdir)
        assert steps == sorted(set(steps))
        if (logdir / "checkpoints").exists() and saved_steps(logdir):
            newest(logdir)
    code, out, err = finish(start(module, *arguments))
    assert code == 0, err
    assert "Finished at step" in out
    assert "damaged" not in err
    steps = logged(logdir)
    assert steps == sorted(set(steps))
    assert steps == [
        record["env_steps"] for record in read_metrics(logdir / "metrics.jsonl")
    ]


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_a_run_that_is_killed_at_any_moment_ends_like_one_that_never_was(
    tmp_path: pathlib.Path, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    logdir, env_steps = tmp_path / "run", 1_000 * times
    monkeypatch.setenv("TINY_NAP", "0.0005")
    arguments = [f"--logdir={logdir}", f"--env_steps={env_steps}"]
    kill_and_resume("tests.faults.tiny", arguments, logdir, times, 0.5)
    monkeypatch.setenv("TINY_NAP", "0")
    whole = tiny.train(tmp_path / "whole", env_steps=env_steps)
    tree = newest(logdir)["agent"]
    assert tree["env_steps"] == env_steps and tree["updates"] == whole.updates
    assert tree["variables"]["weight"] == whole.weight.value
    assert logged(logdir) == logged(tmp_path / "whole")
    content = whole.replay.get_state()
    np.testing.assert_array_equal(tree["replay"]["content"]["tail"], content["tail"])
    assert tree["replay"]["content"]["chunks"] == content["chunks"]


@pytest.mark.soak
def test_dreamerv2_resumes_after_twenty_kills(tmp_path: pathlib.Path) -> None:
    arguments = ["--env=zoo:Catch-v0", "--preset=debug", "--env_steps=20000"]
    arguments += [f"--logdir={tmp_path}", "--eval_every=0", "--video_every=0"]
    kill_and_resume("launch.dreamerv2", arguments, tmp_path, 20, 3.0)


# --- damaged checkpoints ----------------------------------------------------------------------


def damage(folder: pathlib.Path) -> None:
    path = folder / "arrays.npz"
    path.write_bytes(path.read_bytes()[:-5])


def test_a_run_falls_back_past_a_damaged_checkpoint_and_says_so_in_one_line(
    tmp_path: pathlib.Path,
) -> None:
    tiny.train(tmp_path, env_steps=150)
    damage(tmp_path / "checkpoints" / "000000000150")
    code, _, err = run(f"--logdir={tmp_path}")
    assert code == 0, err
    (line,) = [line for line in err.splitlines() if "damaged" in line]
    assert "checkpoint 000000000150 is damaged" in line and "arrays.npz" in line
    assert "resuming at step 100" in err
    steps = logged(tmp_path)
    assert steps == sorted(set(steps)) and steps[-1] == 200
    whole = tiny.train(tmp_path / "whole")
    assert newest(tmp_path)["agent"]["variables"]["weight"] == whole.weight.value


def test_a_run_whose_checkpoints_are_all_damaged_stops_and_tells_of_fresh(
    tmp_path: pathlib.Path,
) -> None:
    tiny.train(tmp_path)
    for path in (tmp_path / "checkpoints").iterdir():
        damage(path)
    metrics = (tmp_path / "metrics.jsonl").read_bytes()
    for _ in range(2):
        code, _, err = run(f"--logdir={tmp_path}")
        assert code == 1
        assert "every checkpoint in" in error_line(err) and "--fresh" in err
    assert (tmp_path / "metrics.jsonl").read_bytes() == metrics
    with pytest.raises(DamagedError, match="every checkpoint"):
        tiny.train(tmp_path)
    code, out, err = run(f"--logdir={tmp_path}", "--fresh")
    assert code == 0 and "Finished at step 200." in out


# --- a full disk ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("update", "what", "last"),
    [(7, "checkpoints/000000000100", 50), (17, "replay/000000000000.rows", 100)],
    ids=["save", "replay"],
)
def test_a_full_disk_ends_the_run_with_path_and_room_and_spares_the_last_save(
    tmp_path: pathlib.Path, update: int, what: str, last: int
) -> None:
    code, _, err = run(f"--logdir={tmp_path}", TINY_FULL_AT=str(update))
    assert code == 1
    line = error_line(err)
    assert line.startswith(f"error: cannot write {tmp_path / what}: File too large")
    assert "MB free" in line and "run the same command again" in line
    assert saved_steps(tmp_path)[-1] == last
    assert newest(tmp_path)["agent"]["env_steps"] == last
    assert not list(tmp_path.rglob("*tmp*"))
    code, _, err = run(f"--logdir={tmp_path}")
    assert code == 0 and f"resuming at step {last}" in err
    steps = logged(tmp_path)
    assert steps == sorted(set(steps)) and steps[-1] == 200
    whole = tiny.train(tmp_path / "whole")
    assert newest(tmp_path)["agent"]["variables"]["weight"] == whole.weight.value


def test_a_disk_that_is_full_from_the_start_is_named_and_nothing_is_lost(
    tmp_path: pathlib.Path,
) -> None:
    tiny.train(tmp_path, env_steps=100)
    before = {
        path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()
    }
    code, _, err = run(f"--logdir={tmp_path}", limit=0)
    assert code == 1
    assert f"cannot write {tmp_path}: File too large" in error_line(err)
    assert "MB free" in err
    after = {
        path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()
    }
    assert after == before
    assert tiny.train(tmp_path).env_steps == 200


# --- nonsense from the model ------------------------------------------------------------------


def test_a_loss_that_is_not_a_number_is_named_and_the_run_goes_on_from_its_last_save(
    tmp_path: pathlib.Path,
) -> None:
    code, _, err = run(f"--logdir={tmp_path}", TINY_NAN_AT="20")
    assert code == 1
    line = error_line(err)
    assert "update 20 at environment step 130: not finite: loss." in line
    assert "not_finite_batch.npz" in line
    with np.load(tmp_path / "not_finite_batch.npz") as batch:
        assert batch["reward"].shape == (8, 4)
    assert newest(tmp_path)["agent"]["env_steps"] == 100
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINY_NAN_AT", "20")
        with pytest.raises(NonFiniteError, match=r"update 20 .* not finite: loss"):
            tiny.train(tmp_path)
    tiny.train(tmp_path)
    whole = tiny.train(tmp_path / "whole")
    assert newest(tmp_path)["agent"]["variables"]["weight"] == whole.weight.value


# --- environments that misbehave --------------------------------------------------------------

FAULTS = {
    "raise": ["step 81, last action 1: step raised", "KeyError: 'the cause'"],
    "odd": ["step 81, last action 1: step raised", "OddError", "in _commit"],
    "exit": ["last action: action 1: its process exited with 7"],
    "kill": ["last action: action 1: its process was killed by signal 9"],
    "hang": ["last action: action 1: no answer within 1 s"],
}
NONSENSE = {
    "nan observation": ["'vector'", "got nan at index [1]"],
    "infinite observation": ["'vector'", "got inf at index [1]"],
    "nan reward": ["reward: got nan", "one finite number"],
    "old api": ["step returned 4 values; this is the old gym API; return obs,"],
}


def faulty_run(logdir: pathlib.Path, **overrides: Any) -> Any:
    """Two environments with episodes of 9 steps; the fault comes in row 1 alone."""
    return tiny.train(logdir, env=FAULTY, num_envs=2, time_limit=9, **overrides)


@pytest.fixture
def commit(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that arms a fault for the 81st step of row 1."""
    make = functools.partial(envs.make, timeout_s=1)
    monkeypatch.setattr(settings_lib.envs_lib, "make", make)

    def arm(fault: str) -> None:
        monkeypatch.setenv("FAULT", fault)
        monkeypatch.setenv("FAULT_AT", "160")

    return arm


@pytest.mark.parametrize("fault", FAULTS)
def test_an_environment_in_a_process_that_fails_ends_the_run_with_row_step_and_action(
    tmp_path: pathlib.Path, fault: str, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = children()
    commit(fault)
    with pytest.raises(EnvError) as error:
        faulty_run(tmp_path, parallel="process")
    assert str(error.value).startswith("env 1, step 8")
    for part in FAULTS[fault]:
        assert part in str(error.value)
    assert children() == before
    check_intact_and_resumable(tmp_path, monkeypatch, parallel="process")


@pytest.mark.parametrize("fault", NONSENSE)
def test_nonsense_from_an_environment_ends_the_run_with_what_came_and_where(
    tmp_path: pathlib.Path, fault: str, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(fault)
    with pytest.raises(EnvError) as error:
        faulty_run(tmp_path)
    assert str(error.value).startswith("env 1, step 81, last action 1: ")
    for part in NONSENSE[fault]:
        assert part in str(error.value)
    check_intact_and_resumable(tmp_path, monkeypatch)


def check_intact_and_resumable(
    logdir: pathlib.Path, monkeypatch: pytest.MonkeyPatch, **overrides: Any
) -> None:
    assert newest(logdir)["agent"]["env_steps"] == 150
    monkeypatch.delenv("FAULT_AT")
    assert faulty_run(logdir, **overrides).env_steps == 200
    steps = logged(logdir)
    assert steps == sorted(set(steps))


def test_the_launcher_tells_of_a_failing_environment_with_its_traceback_as_text(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "my_env.py").write_text(
        "from tests.faults.tiny import Faulty\nclass Mine(Faulty):\n  pass\n"
    )
    code, _, err = run(
        f"--logdir={tmp_path / 'run'}",
        "--env=my_env:Mine",
        "--time_limit=9",
        PYTHONPATH=str(tmp_path),
        FAULT="raise",
        FAULT_AT="60",
    )
    assert code == 1
    assert error_line(err).startswith(
        "error: env 0, step 61, last action 1: step raised"
    )
    assert err.count("Traceback") == 1  # the environment's own
    assert err.rstrip().endswith("KeyError: 'the cause'")
    assert newest(tmp_path / "run")["agent"]["env_steps"] == 50
