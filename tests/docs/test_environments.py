"""What docs/environments.md says of suites and their options is what there is."""

import re
from typing import Any

from agents.training import RunConfig
from envs import options
from envs.ctf_rules import EVENTS
from envs.make import SUITES, _module
from tests.envs.test_random_returns import MEASURED

BY_FLAG = {"action_repeat", "full_action_space", "time_limit"}


def test_every_suite_and_every_option_is_explained(repository: Any) -> None:
    text = (repository / "docs" / "environments.md").read_text()
    named = set(re.findall(r"`(\w+)", text))
    known: set[str] = set()
    for build in [*SUITES.values(), _module]:
        known |= set(options._parameters(build))
    assert known | set(SUITES) <= named | BY_FLAG
    assert vars(RunConfig()).keys() >= BY_FLAG


def test_the_random_returns_are_those_that_tests_compare_with(repository: Any) -> None:
    text = (repository / "docs" / "environments.md").read_text()
    rows = re.findall(r"^\| `([\w:-]+)`[^|]*\|[^|]*\|[^|]*\| (-?[\d.]+)", text, re.M)
    stated = {name: value for name, value in rows if name in MEASURED}
    assert len(stated) >= 6
    for name, value in stated.items():
        digits = len(value.partition(".")[2])
        assert round(MEASURED[name][0], digits) == float(value), name


def test_the_program_that_plays_capture_the_flag_runs(
    repository: Any, capsys: Any
) -> None:
    text = (repository / "docs" / "environments.md").read_text()
    programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (program,) = [each for each in programs if "ctf:small" in each]
    exec(compile(program, "environments.md", "exec"), {})
    assert re.fullmatch(r"\(256, 13\) \d+% drawn\n", capsys.readouterr().out)


def test_the_events_are_told_in_their_order(repository: Any) -> None:
    text = (repository / "docs" / "environments.md").read_text()
    cells = re.findall(r"\| (\d+) \| ([\w' ]+?) (?=\|)", text)
    told = {int(number): words for number, words in cells}
    assert sorted(told) == list(range(13))
    for number, name in enumerate(EVENTS):
        words = set(name.split("_")) - {"carrier", "flag", "other"}
        assert words <= set(told[number].split()), name
