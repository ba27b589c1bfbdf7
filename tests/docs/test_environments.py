"""What docs/environments.md says of suites and their options is what there is."""

import re
from typing import Any

from agents.training import RunConfig
from envs import options
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
