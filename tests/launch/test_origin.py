"""The guard of the five generic package names, each case in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

NAMES = ("agents", "layers", "estimators", "envs", "launch")
MARKER = '__zoo__ = "latent-agent-zoo"\n'


@pytest.fixture
def site(tmp_path: Path, repository: Path) -> Path:
    """A folder with marked packages of our names, and the real guard."""
    folder = tmp_path / "site"
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f'"""Docstring."""\n{MARKER}')
    for file in ("owners.py", "origin.py"):
        (folder / "launch" / file).write_text(
            (repository / "launch" / file).read_text()
        )
    (folder / "launch" / "hello.py").write_text(
        "import launch.origin\nimport agents\nprint('hello', agents.__zoo__)\n"
    )
    return folder


def start(
    site: Path, folder: Path, *flags: str, first: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs `python -m launch.hello` in a folder, with `site` last on the path as site-packages is."""
    code = (
        f"import sys, runpy; sys.path[:] = [p for p in sys.path if 'site-packages' not in p] + [{str(site)!r}]; "
        f"sys.path[:0] = {[str(first)] if first else []}; "
        "sys.argv = ['hello']; runpy.run_module('launch.hello', run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-E", "-S", *flags, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def claim(site: Path, distribution: str, *files: str) -> None:
    """Writes metadata that says that a distribution installed these files."""
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
    )
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def test_our_own_packages_pass(site, tmp_path):
    done = start(site, tmp_path)
    assert done.stdout == "hello latent-agent-zoo\n", done.stderr


def test_compiled_packages_without_sources_pass(site, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "compileall", "-b", "-q", str(site)], check=True
    )
    for source in site.rglob("*.py"):
        source.unlink()
    done = start(site, tmp_path)
    assert done.stdout == "hello latent-agent-zoo\n", done.stderr


def test_an_overwritten_package_is_refused_with_its_owner_and_is_never_run(
    site, tmp_path
):
    file = site / "agents" / "__init__.py"
    file.write_text("import openai\n")
    claim(site, "latent-agent-zoo", "agents/__init__.py")
    claim(site, "openai-agents", "agents/__init__.py")
    done = start(site, tmp_path)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith("ImportError: ")
    assert f"{file} (installed by openai-agents)" in message
    assert "fresh virtual environment" in message
    assert "No module named 'openai'" not in done.stderr


def test_a_package_in_a_language_python_no_longer_speaks_is_refused(site, tmp_path):
    (site / "envs" / "__init__.py").write_text("print 'hello'\n")
    done = start(site, tmp_path)
    assert "The package 'envs' is not latent-agent-zoo's" in done.stderr


def test_a_namespace_package_left_over_is_refused(site, tmp_path):
    (site / "agents" / "__init__.py").unlink()
    done = start(site, tmp_path)
    assert done.returncode == 1
    assert f"{site / 'agents'} has no __init__.py" in done.stderr.splitlines()[-1]


def test_a_missing_package_is_refused(site, tmp_path):
    (site / "layers" / "__init__.py").unlink()
    (site / "layers").rmdir()
    done = start(site, tmp_path)
    assert (
        "The package 'layers' is not latent-agent-zoo's: Python finds none"
        in done.stderr
    )


def test_a_folder_of_the_user_that_hides_ours_is_refused_and_python_safe_path_helps(
    site, tmp_path
):
    home = tmp_path / "home"
    (home / "agents").mkdir(parents=True)
    (home / "agents" / "__init__.py").write_text("print('mine')\n")
    done = start(site, home)
    message = done.stderr.splitlines()[-1]
    assert str(home / "agents" / "__init__.py") in message
    assert "installed by no distribution" in message
    assert "python -P" in message
    assert "mine" not in done.stdout
    safe = start(site, home, "-P")
    assert safe.stdout == "hello latent-agent-zoo\n", safe.stderr


def test_another_launch_package_that_hides_ours_runs_none_of_our_code(site, tmp_path):
    other = tmp_path / "ros"
    (other / "launch").mkdir(parents=True)
    (other / "launch" / "__init__.py").write_text("")
    done = start(site, tmp_path, first=other)
    assert "No module named launch.hello" in done.stderr


def test_the_five_packages_of_this_repository_carry_the_marker(repository):
    for name in NAMES:
        assert MARKER in (repository / name / "__init__.py").read_text(), name
