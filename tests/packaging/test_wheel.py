"""The wheel alone, in an environment of its own that already has a newer NumPy, used from an empty folder."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

NEWER_NUMPY = "2.4.6"


def run(
    *command: str | Path, folder: Path, timeout: float = 280
) -> subprocess.CompletedProcess[str]:
    """Runs a command without this process's Python settings."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("PYTHON")
    }
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def checked(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that no build folder is left in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    hidden = shutil.ignore_patterns(".*", "runs", "build", "dist", "*.egg-info")
    shutil.copytree(repository, copy, ignore=hidden)
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation")
    checked(run(*build, "--outdir", folder, copy, folder=folder))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def base_python(
    wheel: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory
):
    """The Python of a new environment with the newer NumPy, then the wheel without extras."""
    folder = tmp_path_factory.mktemp("base")
    python = folder / "venv" / "bin" / "python"
    lines = (repository / "constraints.txt").read_text().splitlines(keepends=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(x for x in lines if not x.startswith("numpy==")))
    checked(run(sys.executable, "-m", "venv", "venv", folder=folder))
    if importlib.util.find_spec("uv"):
        install = (sys.executable, "-m", "uv", "pip", "install", "--python", python)
    else:
        install = (python, "-m", "pip", "install")
    checked(run(*install, f"numpy=={NEWER_NUMPY}", folder=folder))
    checked(run(*install, "-c", constraints, wheel, folder=folder))
    yield python
    shutil.rmtree(folder)


def test_the_wheel_holds_the_five_packages_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"agents", "layers", "estimators", "envs", "launch"}
    assert "agents/py.typed" in names
    assert [name for name in names if name.endswith("/licenses/LICENSE")]


def test_the_wheel_holds_the_shipped_policies_and_scores(wheel, repository):
    names = set(zipfile.ZipFile(wheel).namelist())
    scores = repository / "scores"
    wanted = [scores / "published.json", *scores.glob("*/*/score.json")]
    wanted += [path for path in scores.glob("*/*/policy/**/*") if path.is_file()]
    assert any(path.name == "arrays.npz" for path in wanted)
    for path in wanted:
        assert f"agents/{path.relative_to(repository)}" in names
    assert not any(name.endswith((".mp4", "metrics.jsonl")) for name in names)


def test_the_wheel_names_its_licence(wheel):
    archive = zipfile.ZipFile(wheel)
    (path,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
    assert "\nLicense-Expression: Apache-2.0\n" in archive.read(path).decode()


def test_the_base_leaves_a_newer_numpy_alone_and_the_doctor_is_content(
    base_python, tmp_path
):
    done = run(base_python, "-m", "launch.doctor", "--json", folder=tmp_path)
    report = json.loads(checked(done))
    versions = {row["name"]: row["version"] for row in report["packages"]}
    assert versions["numpy"] == NEWER_NUMPY
    assert versions["ale-py"] is None
    assert report["problems"] == []
    assert any("latent-agent-zoo[atari]" in hint for hint in report["hints"])
    assert {row["ours"] for row in report["names"].values()} == {True}
    for row in report["names"].values():
        assert "site-packages" in row["path"]


def test_the_base_has_no_gpl_environment(base_python, tmp_path):
    code = "import importlib.util as u; print([bool(u.find_spec(n)) for n in ('ale_py', 'minatar', 'pygame')])"
    assert checked(run(base_python, "-c", code, folder=tmp_path)) == (
        "[False, False, False]\n"
    )


def test_dreamerv2_trains_on_the_base_alone_from_an_empty_folder(base_python, tmp_path):
    done = run(
        base_python,
        "-m",
        "launch.dreamerv2",
        "--env=zoo:Catch-v0",
        "--preset=debug",
        "--env_steps=300",
        "--logdir=run",
        folder=tmp_path,
    )
    checked(done)
    assert (tmp_path / "run" / "metrics.jsonl").stat().st_size > 0
    assert any((tmp_path / "run" / "checkpoints").iterdir())


def test_a_shipped_policy_plays_from_an_empty_folder(base_python, tmp_path):
    play = ("-m", "launch.evaluate", "--policy=dreamerv2/catch", "--video=out.gif")
    said = checked(run(base_python, *play, folder=tmp_path))
    assert "zoo:Catch-v0 at step" in said
    assert (tmp_path / "out.gif").read_bytes().startswith(b"GIF8")
    code = "import agents; print(agents.load('dreamerv2/catch').can_report)"
    assert checked(run(base_python, "-c", code, folder=tmp_path)) == "True\n"


def test_a_game_without_its_extra_says_what_to_install(base_python, tmp_path):
    done = run(
        base_python,
        "-m",
        "launch.dreamerv2",
        "--game=Pong",
        "--logdir=run",
        folder=tmp_path,
    )
    assert done.returncode != 0
    assert "latent-agent-zoo[atari]" in done.stderr + done.stdout
    assert not (tmp_path / "run").exists()
