"""'module:Class': what a user's module has, found and told apart."""

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from envs.errors import EnvError, MissingError, RowsError, describe_exception
from envs.parallel import ParallelGame, is_parallel


def find(name: str, suites: Iterable[str]) -> Callable[..., Any]:
    """Imports the module of 'module:Class', also from the current directory, and returns the class or function.

    Raises:
        ValueError: If there is none, with near names; `suites` are those that could have been meant.
    """
    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = module_name in sys.modules or importlib.util.find_spec(module_name)
    except (ModuleNotFoundError, ValueError):
        found = None
    if not found:
        near = difflib.get_close_matches(module_name, list(suites), 3, 0.5)
        raise ValueError(
            f"unknown suite {module_name!r} in {name!r}: it is neither one of {sorted(suites)} nor a "
            f"module that can be imported from here{f'; did you mean {near[0]!r}?' if near else ''}"
        )
    module = importlib.import_module(module_name)
    if not callable(getattr(module, attribute, None)):
        near = difflib.get_close_matches(attribute, dir(module), 5, 0.5)
        raise ValueError(
            f"module {module_name!r} has no class or function {attribute!r}; near names: {near}"
        )
    return getattr(module, attribute)


def takes_num_envs(factory: Callable) -> bool:
    """Returns whether a class or function makes all rows by itself."""
    try:
        return "num_envs" in inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return False


def make_parallel_game(
    name: str, factory: Callable, num_envs: int, options: dict[str, Any]
) -> ParallelGame:
    """Returns the game of a ParallelEnv's class; its errors name the environment."""
    try:
        return ParallelGame(factory, num_envs, **options)
    except (RowsError, MissingError):
        raise
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    except Exception:
        text = f"{name}: its constructor or first reset raised{describe_exception()}"
    raise EnvError(text)


def makes_parallel_envs(factory: partial) -> bool:
    """Whether a class is one of pettingzoo's kind; of a function, whether what it makes is.

    A function is called for this, but only where its module has a name from pettingzoo or a class of that kind.
    """
    if inspect.isclass(factory.func) or takes_num_envs(factory):
        return is_parallel(factory.func)
    names = getattr(factory.func, "__globals__", {}).values()
    if not any(_is_of_pettingzoo(each) for each in names):
        return False
    try:
        made = factory()
    except Exception:
        return False  # it is tried again as another kind, which tells of the error
    getattr(made, "close", lambda: None)()
    return is_parallel(made)


def _is_of_pettingzoo(value: Any) -> bool:
    home = value.__name__ if inspect.ismodule(value) else type(value).__module__
    if inspect.isclass(value) or inspect.isfunction(value):
        home = value.__module__
    is_kind = inspect.isclass(value) and is_parallel(value)
    return is_kind or str(home).split(".")[0] == "pettingzoo"
