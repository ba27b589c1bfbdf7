"""Runs in processes of their own, and a look at what they leave."""

import json
import os
import pathlib
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

from agents.checkpoint import Checkpoints

ROOT = pathlib.Path(__file__).resolve().parents[2]


def start(
    module: str, *arguments: str, limit: int | None = None, **variables: str
) -> subprocess.Popen[str]:
    def no_file_grows() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None if limit is None else no_file_grows,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Returns exit status, stdout and stderr."""
    out, err = process.communicate()
    return process.returncode, out, err


def run(*arguments: str, **variables: Any) -> tuple[int, str, str]:
    """Runs the tiny launcher to its end."""
    return finish(start("tests.faults.tiny", *arguments, **variables))


def logged(logdir: pathlib.Path) -> list[int]:
    """The env_steps of all whole lines of metrics.jsonl, as they stand there."""
    path = logdir / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line)["env_steps"] for line in lines if line.endswith("\n")]


def wait_for(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Returns once the condition holds; the test's own time limit ends the wait."""
    while not condition():
        assert process.poll() is None, finish(process)
        time.sleep(0.01)


def saved_steps(logdir: pathlib.Path) -> list[int]:
    return Checkpoints(logdir / "checkpoints").steps()


def newest(logdir: pathlib.Path) -> dict[str, Any]:
    """The newest checkpoint's tree; fails if it is damaged."""
    trees: list[dict[str, Any]] = []
    reports: list[str] = []
    saves = Checkpoints(logdir / "checkpoints", report=reports.append)
    assert saves.restore(trees.append) is not None
    assert reports == []
    return trees[0]


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def error_line(text: str) -> str:
    """The first line of the one error on stderr."""
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, text
    assert "(most recent call last)" not in lines[0]
    return lines[0]
