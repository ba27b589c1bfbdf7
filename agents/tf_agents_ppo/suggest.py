"""Which preset suits an environment, and what PPO does with its spaces."""

from collections.abc import Callable
from typing import Any

from agents import stock_suggest
from agents.api import Spaces
from agents.suggestion import Part, Seen, Suggestion

SUITES = {"atari": "atari", "minatar": "minatar"}


def suggest(
    env: str, look: Callable[[], Spaces], has_gpu: Callable[[], bool]
) -> Suggestion:
    """Returns the preset of the suite, or the one for vectors or small pictures; see `agents.suggestion.suggest`."""
    return stock_suggest.suggest(env, look, SUITES)


def explain(agent: Any) -> list[Part]:
    """Returns what the networks read, and how actions are drawn."""
    key, box = next(iter(agent.spaces.observation.items()))
    kind = "pixels / 255" if box.dtype == "uint8" else "as float32"
    net = "convolutions and dense layers" if len(box.shape) == 3 else "dense layers"
    return [
        Part(f"observation/{key}", kind, net),
        Part("action", str(agent.spaces.action), "drawn from the policy"),
    ]


def advise(agent: Any, seen: Seen) -> list[str]:
    """Returns what does not fit the rewards seen."""
    return stock_suggest.advise(agent.config.reward_transform, seen)
