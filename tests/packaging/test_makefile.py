"""The front door on machines that lack a usable Python."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = ("sh", "awk", "grep", "rm", "touch", "mv", "echo")
VERSION_FITS = 'case "$2" in *version_info*) exit 0;; esac\n'


@pytest.fixture
def machine(tmp_path: Path, repository: Path) -> Path:
    """A folder with the build files, and a bin/ with a few tools but no Python."""
    for name in ("Makefile", "setup.cfg", "pyproject.toml", "constraints.txt"):
        shutil.copy(repository / name, tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def add_python(machine: Path, name: str, body: str) -> None:
    file = machine / "bin" / name
    file.write_text(f'#!/bin/sh\necho "$0 $*" >> "{machine}/calls"\n{body}')
    file.chmod(0o755)


def make(
    machine: Path, *arguments: str, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(shutil.which("make")), *arguments],
        cwd=machine,
        env={"PATH": path or str(machine / "bin"), "HOME": str(machine)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What was said, without make's own last line."""
    assert done.returncode != 0
    lines = (done.stdout + done.stderr).splitlines()
    return "\n".join(line for line in lines if not line.startswith("make"))


@pytest.mark.parametrize("target", ["demo", "pong", "test", "check"])
def test_no_python_at_all_gives_one_sentence(machine, target):
    text = said(make(machine, target))
    assert text.startswith("No working Python 3.11, 3.12 or 3.13 was found: install ")
    assert "\n" not in text


def test_a_shim_with_nothing_behind_it_is_passed_over(machine):
    add_python(machine, "python3.11", "echo 'pyenv: not found' >&2; exit 127\n")
    text = said(make(machine, "install"))
    assert text.startswith("No working Python")
    assert "pyenv" not in text


def test_a_working_python_further_down_the_path_is_found(machine):
    add_python(machine, "python3", "exit 127\n")
    later = machine / "later"
    later.mkdir()
    add_python(machine, "works", VERSION_FITS + "exit 0\n")
    (machine / "bin" / "works").rename(later / "python3")
    make(machine, "install", path=f"{machine / 'bin'}:{later}")
    calls = (machine / "calls").read_text()
    assert f"{later / 'python3'} -m venv .venv" in calls


def test_another_version_is_passed_over(machine):
    add_python(machine, "python3", "exit 1\n")
    assert said(make(machine, "install")).startswith("No working Python")


def test_a_python_without_venv_is_named_with_the_package_to_install(machine):
    add_python(machine, "python3.12", VERSION_FITS + "exit 1\n")
    text = said(make(machine, "install"))
    assert text.startswith(
        f"Python was found ({machine}/bin/python3.12) without its venv module"
    )
    assert "python3-venv" in text
    assert "\n" not in text


def test_the_next_python_is_taken_when_the_first_has_no_venv(machine):
    add_python(machine, "python3.11", VERSION_FITS + "exit 1\n")
    works = (
        'case "$1$2" in -mvenv) exit 3;; --version) echo Python 3.13.0;; esac\nexit 0\n'
    )
    add_python(machine, "python3.13", VERSION_FITS + works)
    text = said(make(machine, "install"))
    assert "==> Creating .venv with Python 3.13.0" in text
    calls = (machine / "calls").read_text().splitlines()
    assert calls[-1].endswith("python3.13 -m venv .venv")


def test_a_python_named_by_hand_comes_first(machine):
    add_python(machine, "mine", "exit 1\n")
    make(machine, "install", f"PYTHON={machine / 'bin' / 'mine'}")
    assert "/bin/mine -c" in (machine / "calls").read_text().splitlines()[0]


def test_make_alone_lists_every_target(machine):
    done = make(machine)
    assert done.returncode == 0
    listed = re.findall(r"^  make (\w+) +\w", done.stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", (machine / "Makefile").read_text(), re.M)
    assert phony is not None
    assert set(listed) == set(phony[1].split())


def test_ci_runs_from_any_folder_and_makes_install_check_test_and_learning(repository):
    assert os.access(repository / ".ci" / "run", os.X_OK)
    text = (repository / ".ci" / "run").read_text()
    assert 'cd "$(dirname "$0")/.."' in text
    assert re.findall(r"^timed make (\w+)$", text, re.MULTILINE) == [
        "install",
        "check",
        "test",
        "learning",
    ]
