"""docs/expectations.md knows every preset, and names metrics, flags and files that exist."""

import re

import pytest

from agents import config, registry, training
from agents.dreamerv2.config import PRESETS

OF_LAUNCHERS = {"env", "suite", "mode"}


@pytest.fixture(scope="module")
def text(repository):
    return (repository / "docs" / "expectations.md").read_text()


def quoted(text):
    return re.findall(r"`([^`]+)`", text)


def test_every_preset_has_a_row_and_every_row_names_its_source(text):
    rows = [line for line in text.splitlines() if line.startswith("|")]
    firsts = " ".join(row.split("|")[1] for row in rows)
    assert set(PRESETS) <= set(quoted(firsts)), set(PRESETS) - set(quoted(firsts))
    speeds = text.split("## How fast")[1].split("\n## ")[0].strip().split("\n\n")[0]
    for row in speeds.splitlines()[2:]:
        words = ("measured", "published", "computed", "estimate")
        assert any(word in row.split("|")[-2] for word in words), row


def test_every_flag_is_a_setting(text):
    known = config.names(training.RunConfig, registry.entry("dreamerv2").config)
    flags = set(re.findall(r"--(\w+)", text))
    assert flags and flags <= known | OF_LAUNCHERS


def test_every_metric_is_one_that_the_agents_readme_explains(text, repository):
    readme = (repository / "agents" / "dreamerv2" / "README.md").read_text()
    explained = set(quoted(readme))
    known = config.names(training.RunConfig, registry.entry("dreamerv2").config)
    others = known | set(PRESETS) | {"action"}
    names = {each for each in quoted(text) if re.fullmatch(r"[a-z]+(_[a-z]+)*", each)}
    assert "model_kl" in names
    assert names - explained - others == set()


def test_every_folder_and_launcher_is_there(text, repository):
    for folder in re.findall(r"`(scores/[\w/-]+)`", text):
        assert (repository / folder).is_dir(), folder
    for name in re.findall(r"python -m (launch\.\w+)", text):
        assert (repository / (name.replace(".", "/") + ".py")).is_file(), name


def test_every_link_leads_somewhere(text, repository):
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (repository / "docs" / target).resolve().exists(), target
