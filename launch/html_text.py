"""Numbers as a reader wants them: rounded, with intervals where there are seeds enough."""

import math
from collections.abc import Sequence
from typing import Any

NONE = "–"


def number(value: Any) -> str:
    """Returns a number with what digits matter; a dash for None, other things as they are."""
    if value is None:
        return NONE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Returns the 95 % interval of the mean by Student's t, as `agents.score.interval`; None of fewer than two values."""
    n = len(values)
    if n < 2:
        return None
    from scipy import stats  # rliable's; `agents.score` would load TensorFlow

    mean = sum(values) / n
    deviation = math.sqrt(sum((x - mean) ** 2 for x in values) / (n - 1))
    half = float(stats.t.ppf(0.975, n - 1)) * deviation / math.sqrt(n)
    return mean - half, mean + half


def mean(values: Sequence[float | None]) -> str:
    """Returns '5.34 (5.20 to 5.48)' of seeds; without the interval of one, a dash of none."""
    known = [value for value in values if value is not None]
    if not known:
        return NONE
    return with_interval(sum(known) / len(known), interval(known))


def with_interval(value: float, ends: Sequence[float] | None) -> str:
    """Returns '5.34 (5.20 to 5.48)'."""
    return number(value) + (f" ({span(ends)})" if ends else "")


def span(ends: Sequence[float]) -> str:
    """Returns '5.20 to 5.48'."""
    low, high = (number(end) for end in ends)
    return low if low == high else f"{low} to {high}"


def seeds(count: int) -> str:
    """Returns '3 seeds'."""
    return "1 seed" if count == 1 else f"{count} seeds"


def versions(found: Any) -> str:
    """Returns 'python 3.11.7, tensorflow 2.21.0'."""
    if not isinstance(found, dict) or not found:
        return "not recorded"
    return ", ".join(f"{name} {version}" for name, version in found.items())
