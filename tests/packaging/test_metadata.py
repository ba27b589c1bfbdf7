"""setup.cfg, pyproject.toml and constraints.txt agree with each other and with the folders."""

import ast
import configparser
import re
import sysconfig
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ZOO = "latent-agent-zoo"
ROOMS = ("agents", "layers", "estimators", "envs", "launch")
# Distributions that name their licence only in their repository.
UNNAMED = {"namex": "Apache-2.0"}


@pytest.fixture(scope="module")
def setup(repository: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(repository / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def constraints(repository: Path) -> dict[str, str]:
    lines = (repository / "constraints.txt").read_text().splitlines()
    return {
        canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines
    }


def requirements(text: str) -> dict[str, Requirement]:
    parsed = [
        Requirement(line)
        for line in text.splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return {canonicalize_name(each.name): each for each in parsed}


def base(setup: configparser.ConfigParser) -> dict[str, Requirement]:
    return requirements(setup["options"]["install_requires"])


def closure(name: str) -> dict[str, metadata.Distribution]:
    """All distributions that a plain install of `name` brings here, markers evaluated."""
    found: dict[str, metadata.Distribution] = {}
    open_ends = [(name, "")]
    while open_ends:
        name, extra = open_ends.pop()
        distribution = metadata.distribution(name)
        if canonicalize_name(name) in found and not extra:
            continue
        found[canonicalize_name(name)] = distribution
        for text in distribution.requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                open_ends.append((needed.name, ""))
                open_ends.extend((needed.name, each) for each in needed.extras)
    return found


def licence(name: str, distribution: metadata.Distribution) -> str:
    """The short form: the expression, else the classifiers, else the first line of the free text."""
    about = distribution.metadata
    classifiers = [
        line.removeprefix("License :: ")
        for line in about.get_all("Classifier") or []
        if line.startswith("License :: ")
    ]
    free_text = (about.get("License") or "").strip().split("\n")[0]
    return (
        about.get("License-Expression")
        or ", ".join(classifiers)
        or free_text
        or UNNAMED.get(name, "")
    )


def test_the_base_has_no_gpl_lgpl_or_agpl_distribution():
    found = closure(ZOO)
    assert {"tensorflow", "keras", "numpy", "tf-keras"} <= set(found)
    licences = {name: licence(name, each) for name, each in found.items()}
    assert [name for name, text in licences.items() if not text] == []
    pattern = re.compile(r"GPL|GNU|General Public", re.IGNORECASE)
    assert {n: text for n, text in licences.items() if pattern.search(text)} == {}


def test_the_licence_check_knows_a_gpl_distribution_when_it_sees_one():
    assert "GPL" in licence("ale-py", metadata.distribution("ale-py"))
    assert "GPL" in licence("minatar", metadata.distribution("minatar"))


@pytest.mark.parametrize(
    "name, newer",
    [("tensorflow", "2.22.0"), ("keras", "3.20.0"), ("numpy", "2.4.6")],
)
def test_a_newer_release_already_present_is_kept(setup, name, newer):
    assert newer in base(setup)[name].specifier


def test_only_the_tf_agents_extra_holds_numpy_back(setup):
    extras = setup["options.extras_require"]
    holding = [
        extra
        for extra in extras
        if "numpy" in (needed := requirements(extras[extra]))
        and "2.4.6" not in needed["numpy"].specifier
    ]
    assert holding == ["tf-agents"]


def test_every_base_requirement_has_a_lower_bound(setup):
    for name, needed in base(setup).items():
        assert any(each.operator == ">=" for each in needed.specifier), name


def test_the_tested_versions_lie_in_the_ranges(setup, constraints):
    texts = [
        setup["options"]["install_requires"],
        *setup["options.extras_require"].values(),
    ]
    for text in texts:
        for name, needed in requirements(text).items():
            if name != ZOO:
                assert constraints[name] in needed.specifier, name


def test_constraints_are_plain_versions(repository):
    lines = (repository / "constraints.txt").read_text().splitlines()
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", line), line
    assert len(lines) == len({line.split("==")[0].lower() for line in lines})
    assert "tf-agents==0.19.0" in {line.lower().replace("_", "-") for line in lines}


def test_this_environment_holds_the_versions_of_the_constraints(constraints):
    # setuptools, once imported, puts copies of its own on the path: only what is installed counts
    installed = metadata.distributions(path=[sysconfig.get_path("purelib")])
    here = {canonicalize_name(each.name): each.version for each in installed}
    assert {"tensorflow", "keras", "numpy", "tf-agents", "ale-py"} <= set(here)
    wrong = {
        name: (here[name], constraints[name])
        for name in set(here) & set(constraints)
        if here[name] != constraints[name]
    }
    assert wrong == {}


def test_the_extra_named_all_names_every_other(setup):
    extras = setup["options.extras_require"]
    (everything,) = requirements(extras["all"]).values()
    assert everything.extras == set(extras) - {"all"}


def test_the_overrides_of_uv_repeat_the_ranges_of_setup_cfg(setup, repository):
    pyproject = tomllib.loads((repository / "pyproject.toml").read_text())
    overrides = requirements(
        "\n".join(pyproject["tool"]["uv"]["override-dependencies"])
    )
    assert set(pyproject) == {"build-system", "tool"}
    for name in set(overrides) & set(base(setup)):
        assert overrides[name].specifier == base(setup)[name].specifier


def test_every_package_folder_is_listed(setup, repository):
    listed = setup["options"]["packages"].split()
    folders = {
        ".".join(file.parent.relative_to(repository).parts)
        for room in ROOMS
        for file in (repository / room).rglob("*.py")
    }
    assert set(listed) == folders
    for room in ROOMS:
        assert (repository / room / "py.typed").exists()


def test_every_console_script_leads_to_a_function(setup, repository):
    for line in setup["options.entry_points"]["console_scripts"].strip().splitlines():
        script, target = line.split(" = ")
        module, function = target.split(":")
        assert script.startswith("zoo-")
        file = repository / (module.replace(".", "/") + ".py")
        names = [
            node.name
            for node in ast.parse(file.read_text()).body
            if isinstance(node, ast.FunctionDef)
        ]
        assert function in names, target


def test_the_licence_is_the_full_text_of_apache_2(setup, repository):
    text = (repository / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "APPENDIX: How to apply the Apache License to your work" in text
    assert len(text.splitlines()) > 200
    assert setup["metadata"]["license_expression"] == "Apache-2.0"


def test_the_citation_names_the_version(repository):
    from agents.version import VERSION

    citation = (repository / "CITATION.cff").read_text()
    assert f"\nversion: {VERSION}\n" in citation
    assert f"## {VERSION}" in (repository / "CHANGELOG.md").read_text()
