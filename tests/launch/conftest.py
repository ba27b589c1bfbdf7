"""Launchers as commands: each in a process of its own, for they define flags of the same names."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents import training

Command = Callable[..., str]


@pytest.fixture
def launch(tmp_path: Path) -> Callable[[str], Command]:
    """launch('report')(*arguments) runs `python -m launch.report` in an empty folder and returns what it said.

    With ok=False it is to fail; with only_stdout=True what it said on the other stream is left out.
    """

    def launcher(name: str) -> Command:
        def run(*arguments: str, ok: bool = True, only_stdout: bool = False) -> str:
            done = subprocess.run(
                [sys.executable, "-m", f"launch.{name}", *arguments],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                env=os.environ | {"KERAS_HOME": str(tmp_path / "keras")},
            )
            assert (done.returncode == 0) == ok, done.stderr[-3000:]
            return done.stdout if only_stdout else done.stdout + done.stderr

        return run

    return launcher


@pytest.fixture(scope="session")
def ftw_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run of FTW on capture the flag; not to be written into."""
    logdir = tmp_path_factory.mktemp("ftw_run")
    chosen = training.settings(
        "ftw",
        preset="debug",
        env="ctf:small",
        env_options="length=20",
        logdir=str(logdir),
    )
    training.train(chosen).close()
    return logdir
