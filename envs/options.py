"""Options of environments: known by the signatures that take them, also as one line of text."""

import difflib
import inspect
import json
from collections.abc import Callable, Iterable
from typing import Any

from envs.gym import GymEnvs

INTERNAL = {"parallel", "repeats_itself", "timeout_s"}  # of GymEnvs, not for users
TO_CONSTRUCTOR = "kwargs."


def check(suite: str, build: Callable, options: Iterable[str]) -> None:
    """Raises TypeError, with the known ones, for an option that a builder does not take."""
    known = set(_parameters(build))
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(
                f"unknown option {option!r} for {suite!r}{hint}; known options: {sorted(known)}"
            )


def resolved(build: Callable, options: dict[str, Any]) -> dict[str, Any]:
    """Returns every option of a builder: what is given, else its default."""
    return {key: each.default for key, each in _parameters(build).items()} | options


def parse(suite: str, build: Callable, text: str) -> dict[str, Any]:
    """Reads 'rgb=true,size=32' as options of a builder, each of the type that its signature names.

    `kwargs.NAME=VALUE` is an argument of the environment's constructor, where the builder takes those.

    Raises:
        ValueError: For text of another form, an unknown option (with the known ones) or a wrong value.
    """
    options: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not (key and equals and value):
            raise ValueError(
                f"env_options are key=value by comma, such as rgb=true,size=32; got {part!r}"
            )
        name = key.removeprefix(TO_CONSTRUCTOR)
        try:
            check(suite, build, [key if name == key else "kwargs"])
        except TypeError as error:
            raise ValueError(str(error)) from None
        if key == "kwargs":
            raise ValueError(f"env_options: write kwargs.NAME=VALUE; got {part!r}")
        if name != key:
            options.setdefault("kwargs", {})[name] = _literal(value)
        else:
            options[key] = _typed(key, value, _parameters(build)[key].annotation)
    return options


def format_options(options: dict[str, Any]) -> str:
    """Returns options as `parse` reads them, in one spelling."""
    kwargs = options.get("kwargs", {})
    flat = {key: value for key, value in options.items() if key != "kwargs"}
    flat |= {TO_CONSTRUCTOR + key: value for key, value in kwargs.items()}
    return ",".join(f"{key}={_spell(flat[key])}" for key in sorted(flat))


def _parameters(build: Callable) -> dict[str, inspect.Parameter]:
    """Returns the keyword-only options of a builder, those of GymEnvs where it passes them on."""
    parameters = inspect.signature(build).parameters.values()
    own = {p.name: p for p in parameters if p.kind == p.KEYWORD_ONLY}
    if any(p.kind == p.VAR_KEYWORD for p in parameters):
        passed = _parameters(GymEnvs)
        own = {k: p for k, p in passed.items() if k not in INTERNAL} | own
    return own


def _typed(key: str, text: str, kind: Any) -> Any:
    value = None if text.lower() == "none" else _literal(text.lower())
    if kind is float and type(value) is int:
        value = float(value)
    is_bool = isinstance(value, bool)
    if is_bool != (kind is bool) or not isinstance(value, kind):
        name = "true or false" if kind is bool else getattr(kind, "__name__", kind)
        raise ValueError(f"env_options: {key}={text} came, but {name} is expected")
    return value


def _literal(text: str) -> Any:
    """Returns a JSON value, or the text itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _spell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
