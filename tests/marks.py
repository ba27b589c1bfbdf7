"""Cases of a test that are left to the slow run."""

from collections.abc import Iterable
from typing import Any

import pytest


def some_slow(values: Iterable[Any], slow: Iterable[Any]) -> list[Any]:
    """The values of a parameter, of which those in `slow`, whose paths the others walk as well, run with `-m slow`."""
    late = list(slow)
    return [
        pytest.param(value, marks=pytest.mark.slow) if value in late else value
        for value in values
    ]
