"""docs/cluster.md says what was measured, and its commands name flags that there are."""

import dataclasses
import json
import re
import subprocess

import pytest

from agents.ftw.config import FTWConfig
from agents.settings import RunConfig


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "cluster.md").read_text()


@pytest.fixture(scope="module")
def costs(load_script):
    return load_script("docs/cluster_costs.py")


def test_the_tables_are_those_of_the_measured_costs(page, costs):
    measured = json.loads(costs.FILE.read_text())
    assert costs.units(measured) in page and costs.table(measured) in page
    assert measured["hardware"] in page


def test_the_table_counts_what_it_says(costs):
    """By hand: a member's thousand steps take 2 s, an arena's 0.5 s."""
    given = {
        "member_cpu": 2.0,
        "arena_cpu": 0.5,
        "driver_cpu": 0.1,
        "ray_cpu": 0.1,
        "rows_bytes": 1000.0,
        "acting_bytes": 10**6,
        "member_gb": 1.0,
        "arena_gb": {"8": 2.0},
        "driver_gb": {"8": 3.0},
    }
    found = costs.needs(given, 8)
    assert found["rate"] == 4000  # eight members, 500 steps a second each
    assert found["arenas"] == 2 and found["processes"] == 11
    assert found["memory_gb"] == 8 + 2 * 2 + 3
    # 1.25 windows of 3,200 steps a second, each with the weights of eight.
    assert found["megabytes"] == pytest.approx(4 + 1.25 * 8)
    assert found["cores"] == pytest.approx(8 + 2 + 0.8)
    assert found["hours"] == pytest.approx(450_000 * 600 / 4000 / 3600)
    # The league's own process makes no more than a thousand steps a second.
    assert costs.needs(given | {"driver_cpu": 1.0}, 8)["rate"] == 1000


def test_the_scripts_of_the_page_are_shell_with_flags_that_exist(page):
    scripts = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    assert len(scripts) >= 2
    known = {f.name for cls in (RunConfig, FTWConfig) for f in dataclasses.fields(cls)}
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, text=True)
        assert done.returncode == 0
        joined = script.replace("\\\n", " ")
        for line in re.findall(r"launch\.ftw (.*)", joined):
            flags = set(re.findall(r"--(\w+)", line.partition("#")[0]))
            assert flags <= known | {"preset"}, line


def test_without_a_part_it_says_how_to_call_it(costs, monkeypatch):
    monkeypatch.setattr("sys.argv", ["cluster_costs.py"])
    with pytest.raises(SystemExit, match="measure"):
        costs.main()
