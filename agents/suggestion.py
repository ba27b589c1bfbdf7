"""Advice about an environment before anything is trained: each agent gives its own, in `agents/NAME/suggest.py`."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from agents import registry
from agents.api import Agent, Spaces, Step
from agents.driver import Episode


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
    """What some steps in an environment showed.

    Attributes:
        reward_low, reward_high: The range of the rewards.
        terminated, truncated: Episodes that ended so.
        longest: Steps of the longest of these.
    """

    reward_low: float = 0.0
    reward_high: float = 0.0
    terminated: int = 0
    truncated: int = 0
    longest: int = 0

    def add(self, step: Step, episodes: Sequence[Episode]) -> "Seen":
        """Returns what is known with an arriving step and the episodes that ended with it."""
        terminated = int(np.count_nonzero(step.is_last & (step.discount == 0)))
        return Seen(
            min(self.reward_low, float(step.reward.min())),
            max(self.reward_high, float(step.reward.max())),
            self.terminated + terminated,
            self.truncated + len(episodes) - terminated,
            max([self.longest, *(episode.length for episode in episodes)]),
        )


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
