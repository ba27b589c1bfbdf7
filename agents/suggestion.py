"""Advice about an environment before anything is trained: each agent gives its own, in `agents/NAME/suggest.py`."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

from agents import registry
from agents.api import Agent, Spaces


class Suggestion(NamedTuple):
    """A preset and why it suits.

    Attributes:
        preset: Its name.
        reasons: Sentences.
    """

    preset: str
    reasons: tuple[str, ...]


class Part(NamedTuple):
    """What an agent does with one key of the observation, or with the action.

    Attributes:
        key: 'observation/KEY' or 'action'.
        goes_in: How its numbers are prepared for the nets.
        net: Which net reads it, or chooses it.
    """

    key: str
    goes_in: str
    net: str


class Seen(NamedTuple):
    """What some random steps in an environment showed.

    Attributes:
        reward_low, reward_high: The range of the rewards.
        terminated, truncated: Episodes that ended so.
    """

    reward_low: float
    reward_high: float
    terminated: int
    truncated: int


def suggest(
    agent: str,
    env: str,
    look: Callable[[], Spaces],
    has_gpu: Callable[[], bool],
) -> Suggestion:
    """Returns the preset of an agent that suits an environment and this machine.

    Args:
        agent: Its name in the zoo.
        env: 'suite:name'.
        look: Makes the environment and returns its spaces; called where the suite does not decide.
        has_gpu: Looks for a GPU; called where one decides.

    Raises:
        ValueError: If the agent is unknown.
    """
    return _module(agent).suggest(env, look, has_gpu)


def explain(agent: Agent) -> list[Part]:
    """Returns what a built agent does with each key of the observation, and with the action, last."""
    return _module(agent.name).explain(agent)


def advise(agent: Agent, seen: Seen) -> list[str]:
    """Returns settings of a built agent that do not fit what was seen, each with the flag that would."""
    return _module(agent.name).advise(agent, seen)


def _module(agent: str) -> Any:
    registry.entry(agent)  # refuses unknown names
    return importlib.import_module(f"agents.{agent}.suggest")
