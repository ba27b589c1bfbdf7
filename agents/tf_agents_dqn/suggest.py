"""Which preset suits an environment, and what DQN does with its spaces."""

from collections.abc import Callable
from typing import Any

from agents import stock_suggest
from agents.api import Spaces
from agents.suggestion import Part, Seen, Suggestion

SUITES = {"atari": "atari_small", "minatar": "minatar"}


def suggest(
    env: str, look: Callable[[], Spaces], has_gpu: Callable[[], bool]
) -> Suggestion:
    """Returns the preset of the suite, or the one for vectors or small pictures; see `agents.suggestion.suggest`."""
    if env.startswith("atari:") and has_gpu():
        return Suggestion("atari", ("Atari", "a GPU"))
    return stock_suggest.suggest(env, look, SUITES)


def explain(agent: Any) -> list[Part]:
    """Returns what the network reads, and how it chooses."""
    key, box = next(iter(agent.spaces.observation.items()))
    kind = "pixels / 255" if box.dtype == "uint8" else "as float32"
    if agent.config.frame_stack > 1:
        kind += f", {agent.config.frame_stack} pictures stacked"
    net = "convolutions and a dense layer" if len(box.shape) == 3 else "a dense layer"
    number = int(agent.spaces.action.n)
    return [
        Part(f"observation/{key}", kind, net),
        Part("action", f"one of {number} classes", "the largest Q-value"),
    ]


def advise(agent: Any, seen: Seen) -> list[str]:
    """Returns what does not fit the rewards seen."""
    largest = max(abs(seen.reward_low), abs(seen.reward_high))
    found = stock_suggest.advise(agent.config.reward_transform, seen)
    if agent.config.algorithm == "c51" and largest > agent.config.highest:
        found.append(
            f"a reward of {largest:g} is beyond the returns that c51 knows, {agent.config.highest:g}: --highest"
        )
    return found
