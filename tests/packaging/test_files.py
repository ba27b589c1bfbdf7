"""The files around the code: the image, what it leaves out, the form for bug reports, the marks of typed packages."""

import configparser
import fnmatch
import json
import re
from pathlib import Path

import pytest
import yaml

ROOMS = ("agents", "layers", "estimators", "envs", "launch")


@pytest.fixture(scope="module")
def lines(repository: Path) -> list[tuple[str, str]]:
    """The Dockerfile's instructions: (word, rest), continued lines joined, comments left out."""
    text = (repository / "Dockerfile").read_text()
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = text.replace("\\\n", " ").splitlines()
    parts = [line.strip().partition(" ") for line in joined if line.strip()]
    return [(word, " ".join(rest.split())) for word, _, rest in parts]


def rests(lines: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for name, rest in lines if name == word]


def copied(lines: list[tuple[str, str]]) -> list[str]:
    return [name for rest in rests(lines, "COPY") for name in rest.split()[:-1]]


def test_every_file_that_the_image_copies_exists_and_is_not_ignored(lines, repository):
    ignored = (repository / ".dockerignore").read_text().split()
    for name in copied(lines):
        assert (repository / name).exists(), name
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in ignored), name


def test_the_image_holds_what_an_install_needs(lines, repository):
    setup = configparser.ConfigParser()
    setup.read(repository / "setup.cfg")
    packages = {name.split(".")[0] for name in setup["options"]["packages"].split()}
    readme = setup["metadata"]["long_description"].removeprefix("file: ")
    needed = {*packages, readme, setup["metadata"]["license_files"]}
    assert {*needed, "setup.cfg", "pyproject.toml", "constraints.txt"} <= set(
        copied(lines)
    )


def test_the_image_installs_all_at_the_tested_versions_as_the_makefile_does(
    lines, repository
):
    makefile = (repository / "Makefile").read_text()
    runs = " ".join(rests(lines, "RUN"))
    for part in (
        "-c constraints.txt -e '.[all]'",
        "--no-deps -c constraints.txt tf-agents",
    ):
        assert part in runs
    assert "-e '.[all]'" in makefile and "--no-deps tf-agents" in makefile
    (base,) = rests(lines, "FROM")
    assert base == "python:3.11-slim"


def test_the_image_runs_as_nobody_special_with_its_runs_on_a_volume(lines):
    words = [word for word, _ in lines]
    (user,), (volume,) = rests(lines, "USER"), rests(lines, "VOLUME")
    assert user not in ("root", "0")
    folder = rests(lines, "WORKDIR")[-1]
    assert volume == f"{folder}/runs"
    assert words.index("USER") > max(i for i, w in enumerate(words) if w == "RUN")


def test_every_command_that_the_image_names_exists(lines, repository):
    text = (repository / "Dockerfile").read_text()
    (command,) = rests(lines, "CMD")
    assert json.loads(command)[:2] == ["python", "-m"]
    modules = set(re.findall(r"-m\W+(launch\.\w+)", text))
    assert {"launch.doctor", "launch.demo"} <= modules
    for module in modules:
        assert (repository / (module.replace(".", "/") + ".py")).is_file(), module


def test_the_image_leaves_out_what_git_ignores(repository):
    ignored = (repository / ".dockerignore").read_text().split()
    for line in (repository / ".gitignore").read_text().split():
        name = line.strip("/").replace("*", "x")
        patterns = [pattern.removeprefix("**/") for pattern in ignored]
        small = name.endswith((".pyc", ".new"))  # inside ignored folders, or tiny
        assert small or any(fnmatch.fnmatch(name, each) for each in patterns), line


def test_the_bug_report_asks_for_the_doctor_and_for_the_command(repository):
    folder = repository / ".github" / "ISSUE_TEMPLATE"
    form = yaml.safe_load((folder / "bug_report.yml").read_text())
    assert form["name"] and form["description"]
    fields = {part["id"]: part for part in form["body"]}
    assert len(fields) == len(form["body"])
    kinds = {"textarea", "input", "dropdown", "checkboxes"}
    assert {part["type"] for part in form["body"]} <= kinds
    assert "`python -m launch.doctor`" in fields["doctor"]["attributes"]["description"]
    for name in ("doctor", "command", "seen", "expected"):
        assert fields[name]["validations"]["required"] is True
        assert fields[name]["attributes"]["label"]
    for module in re.findall(r"launch\.\w+", json.dumps(form)):
        assert (repository / (module.replace(".", "/") + ".py")).is_file(), module


@pytest.mark.parametrize("name", ROOMS)
def test_every_package_is_marked_as_typed_and_ships_the_mark(repository, name):
    assert (repository / name / "py.typed").read_bytes() == b""
    setup = configparser.ConfigParser()
    setup.read(repository / "setup.cfg")
    assert "py.typed" in re.split(
        r"[,\s]+", setup["options.package_data"][name].strip()
    )
