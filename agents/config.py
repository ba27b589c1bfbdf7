"""Configs: frozen dataclasses, named presets laid over them, checked overrides."""

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from agents import schedule

Config = TypeVar("Config")
Presets = Mapping[str, Mapping[str, Any]]


def option(
    default: Any,
    text: str,
    choices: tuple[Any, ...] = (),
    low: float = 0,
    is_schedule: bool = False,
    names_run: bool = False,
) -> Any:
    """Returns a dataclass field with what is to be known of it.

    Args:
        default: Its default; its type is the option's.
        text: What --help says.
        choices: The values it may take, where they are few.
        low: The least value of a number.
        is_schedule: Whether it is a string that `schedule.parse` reads.
        names_run: Whether a value that is not the preset's belongs into the name of a run's folder.
    """
    metadata = {"help": text, "choices": choices, "low": low}
    metadata |= {"schedule": is_schedule, "names_run": names_run}
    return dataclasses.field(default=default, metadata=metadata)


def near(name: str, known: Iterable[str]) -> str:
    """Returns 'unknown NAME; did you mean A, B? known: ...' for error messages."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return f"{name!r}.{hint} Known: {', '.join(known)}."


def ablated(table: Presets, names: Iterable[str]) -> dict[str, Any]:
    """Returns the settings of the named ablations together; ValueError on an unknown one, with the near ones."""
    values: dict[str, Any] = {}
    for name in names:
        if name not in table:
            raise ValueError(f"unknown ablation {near(name, table)}")
        values |= table[name]
    return values


def no_ablations(names: Iterable[str]) -> Mapping[str, Any]:
    """The `ablate` of an agent that has none; ValueError on any name."""
    for name in names:
        raise ValueError(f"unknown ablation {name!r}: this agent has none")
    return {}


def overlay(presets: Presets, names: str) -> dict[str, Any]:
    """Lays the presets named in 'a,b' over each other, the later one on top.

    Raises:
        ValueError: On an unknown name, with the near ones.
    """
    values: dict[str, Any] = {}
    for name in filter(None, names.split(",")):
        if name not in presets:
            raise ValueError(f"unknown preset {near(name, presets)}")
        values |= presets[name]
    return values


def resolve(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """Builds the config from field values, each checked against its type and choices.

    Raises:
        ValueError: On an unknown field (with the near names) or a value of the wrong kind.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            raise ValueError(f"unknown option {near(name, fields)}")
    checked = {name: _check(fields[name], value) for name, value in values.items()}
    return cls(**checked)


def parse(cls: type, text: str) -> dict[str, Any]:
    """Reads 'use_memory=false,latent=8' as fields of a config class, checked.

    Raises:
        ValueError: For text of another form, an unknown field (with the near names) or a value of the wrong kind.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not (name and equals and value):
            raise ValueError(f"settings are name=value by comma; got {part!r}")
        if name not in fields:
            raise ValueError(f"unknown option {near(name, fields)}")
        spelled = {"true": True, "false": False}.get(value.lower(), value)
        values[name] = _check(fields[name], spelled)
    return values


def positive_numbers(name: str, text: str) -> tuple[int, ...]:
    """Reads the option `name`, '16,32,32', as numbers above zero; ValueError where it is none of that form."""
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise ValueError(
            f"{name}={text!r} came; expected positive numbers by comma, such as 16,32,32"
        )
    return found


def check_positive(name: str, curve: schedule.Schedule) -> None:
    """Raises ValueError if the schedule of the option `name` reaches 0."""
    least, _ = curve.bounds()
    if not least > 0:
        raise ValueError(
            f"{name}={str(curve)!r} came, which reaches {least:g}; it must stay positive"
        )


def names(*classes: type) -> set[str]:
    """Returns the field names of the dataclasses."""
    return {field.name for cls in classes for field in dataclasses.fields(cls)}


def to_json(config: Any) -> dict[str, Any]:
    """Returns the fields as JSON values (tuples become lists)."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
    }


def differing(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns 'name: SAVED there, NOW here' for every field whose value is not the same."""
    return [
        f"{name}: {saved.get(name)!r} there, {now.get(name)!r} here"
        for name in sorted(saved.keys() | now.keys())
        if saved.get(name) != now.get(name)
    ]


def _check(field: dataclasses.Field, value: Any) -> Any:
    kind = field.type if isinstance(field.type, type) else type(field.default)
    try:
        value = _cast(kind, value)
    except (TypeError, ValueError):
        raise ValueError(
            f"{field.name}={value!r} came, but a value of type {kind.__name__} is expected"
        ) from None
    choices, low = field.metadata["choices"], field.metadata["low"]
    if choices and value not in choices:
        raise ValueError(
            f"{field.name}={value!r} came, but one of {', '.join(map(repr, choices))} is expected"
        )
    if isinstance(value, int | float) and not low <= value < math.inf:
        raise ValueError(
            f"{field.name}={value} came, but a number of at least {low} is expected"
        )
    if field.metadata["schedule"]:
        _check_schedule(field.name, value, low)
    return value


def _check_schedule(name: str, value: str, low: float) -> None:
    try:
        least, _ = schedule.parse(value).bounds()
    except ValueError as error:
        raise ValueError(f"{name}={value!r} came: {error}") from None
    if least < low:
        raise ValueError(
            f"{name}={value!r} came, which reaches {least:g}, but numbers of at least {low:g} are expected"
        )


def _cast(kind: type, value: Any) -> Any:
    if kind is bool:
        if not isinstance(value, bool):
            raise TypeError
        return value
    if kind is int:
        if isinstance(value, bool) or int(value) != float(value):
            raise ValueError
        return int(float(value))
    if kind is float:
        return float(value)
    if kind is tuple:
        return tuple(value)
    return str(value)
