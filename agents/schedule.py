"""Values that change with the step, written as short strings in a config.

    0.001                           the same value for ever
    linear(initial, final, steps)   initial + (final - initial) m,  m = min(step / steps, 1)
    warmup(steps, value)            value m
    exp(initial, final, half_life)  final + (initial - final) 0.5^(step / half_life)
    horizon(initial, final, steps)  1 - 1 / h,  h = initial + (final - initial) m
    anneal(rate, floor, every)      max(floor, exp(-rate step)), changed every so many steps
    cosine(initial, final, steps)   final + (initial - final) (1 + cos(pi m)) / 2
    cosine_quarter(initial, final, steps)   initial + (final - initial) (1 - cos(pi m / 2))
    slope(every, rate, maximum)     min(maximum, 1 + rate floor(step / every))

Agents count environment steps, models on data updates. `horizon` gives a discount factor whose horizon h grows
linearly: horizon(10, 100, 100) rises from 0.9 to 0.99. The last four are those of `estimators.annealing`.
"""

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Mapping

from estimators import annealing


def _constant(step: int, value: float) -> float:
    return value


def _linear(step: int, initial: float, final: float, steps: float) -> float:
    mix = min(max(step / steps, 0.0), 1.0)
    return (1 - mix) * initial + mix * final


def _warmup(step: int, steps: float, value: float) -> float:
    return _linear(step, 0.0, value, steps)


def _exp(step: int, initial: float, final: float, half_life: float) -> float:
    return final + (initial - final) * 0.5 ** (max(step, 0) / half_life)


def _horizon(step: int, initial: float, final: float, steps: float) -> float:
    return 1 - 1 / _linear(step, initial, final, steps)


def _anneal(step: int, rate: float, floor: float, every: float) -> float:
    return annealing.ExponentialFloor(rate, floor, int(every))(step)


def _cosine(step: int, initial: float, final: float, steps: float) -> float:
    return annealing.cosine(step, initial, final, steps)


def _cosine_quarter(step: int, initial: float, final: float, steps: float) -> float:
    return annealing.cosine(step, initial, final, steps, quarter=True)


def _slope(step: int, every: float, rate: float, maximum: float) -> float:
    return annealing.Slope(int(every), rate, maximum)(step)


_FORMULAS: Mapping[str, tuple[Callable[..., float], tuple[str, ...]]] = {
    "constant": (_constant, ("value",)),
    "linear": (_linear, ("initial", "final", "steps")),
    "warmup": (_warmup, ("steps", "value")),
    "exp": (_exp, ("initial", "final", "half_life")),
    "horizon": (_horizon, ("initial", "final", "steps")),
    "anneal": (_anneal, ("rate", "floor", "every")),
    "cosine": (_cosine, ("initial", "final", "steps")),
    "cosine_quarter": (_cosine_quarter, ("initial", "final", "steps")),
    "slope": (_slope, ("every", "rate", "maximum")),
}
_NEVER = 10**12  # steps that no run makes
_USAGE = ", ".join(f"{name}({', '.join(_FORMULAS[name][1])})" for name in _FORMULAS)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A value as a function of the step; `str(schedule)` parses back to the same schedule.

    Attributes:
        name: One of the names above, or constant.
        args: The numbers in the brackets.
    """

    name: str
    args: tuple[float, ...]

    def __call__(self, step: int) -> float:
        """Returns the value at a step."""
        return float(_FORMULAS[self.name][0](step, *self.args))

    def bounds(self) -> tuple[float, float]:
        """Returns the least and the most that it ever is: every schedule goes one way."""
        ends = self(0), self(_NEVER)
        return min(ends), max(ends)

    def __repr__(self) -> str:
        numbers = ", ".join(map(_number, self.args))
        return numbers if self.name == "constant" else f"{self.name}({numbers})"


def _number(value: float) -> str:
    """Writes a float so that it reads back exactly, whole ones without a point."""
    return str(int(value)) if value.is_integer() else repr(value)


def parse(value: float | str | Schedule) -> Schedule:
    """Makes a schedule of a number or of a string such as 'linear(3e-3, 3e-4, 100)'.

    Raises:
        ValueError: If the name is unknown, the number of arguments is wrong, or a number is out of range.
    """
    if isinstance(value, Schedule):
        return value
    name, args = _split(str(value).strip(), value)
    if name not in _FORMULAS:
        near = difflib.get_close_matches(name, _FORMULAS, n=2, cutoff=0.4)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(
            f"Unknown schedule '{name}' in {value!r}.{hint} Give a number or one of: {_USAGE}."
        )
    wanted = _FORMULAS[name][1]
    if len(args) != len(wanted):
        raise ValueError(
            f"{value!r} has {len(args)} arguments; {name} takes {len(wanted)}: "
            f"{name}({', '.join(wanted)})."
        )
    _check_ranges(name, dict(zip(wanted, args, strict=True)), value)
    return Schedule(name, args)


def _split(text: str, value: object) -> tuple[str, tuple[float, ...]]:
    """'linear(1, 2, 3)' -> ('linear', (1.0, 2.0, 3.0)); '0.5' -> ('constant', (0.5,))."""
    call = re.fullmatch(r"([A-Za-z_]\w*)\s*\((.*)\)", text)
    name, inside = call.groups() if call else ("constant", text)
    parts = inside.split(",") if inside.strip() else []
    try:
        return name, tuple(float(part) for part in parts)
    except ValueError:
        raise ValueError(
            f"Cannot read the schedule {value!r}. Give a number or one of: {_USAGE}."
        ) from None


def _check_ranges(name: str, args: Mapping[str, float], value: object) -> None:
    for key, number in args.items():
        if not math.isfinite(number):
            raise ValueError(f"{value!r}: {key} is {number}, expected a finite number.")
        if key in ("steps", "half_life", "every") and number <= 0:
            raise ValueError(
                f"{value!r}: {key} is {number:g}, expected more than 0 steps."
            )
        if name == "horizon" and number < 1:
            raise ValueError(
                f"{value!r}: {key} is {number:g}, expected a horizon of at least 1 step."
            )
