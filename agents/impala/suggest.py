"""Which preset suits an environment, and what IMPALA does with each of its spaces."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from agents.api import Spaces
from agents.impala.agent import LARGE_SIDE
from agents.suggestion import Part, Seen, Suggestion


def suggest(
    env: str, look: Callable[[], Spaces], has_gpu: Callable[[], bool]
) -> Suggestion:
    """Returns the preset for the kind of observations; see `agents.suggestion.suggest`."""
    del env, has_gpu
    sides = [min(b.shape[:2]) for b in look().observation.values() if len(b.shape) == 3]
    if not sides:
        return Suggestion("vector", ("vectors alone",))
    if max(sides) >= LARGE_SIDE:
        why = (
            f"images of {LARGE_SIDE} pixels a side or more: the paper's net, for a GPU"
        )
        return Suggestion("paper", (why,))
    return Suggestion("minatar", ("small images: nets that two cores train",))


def explain(agent: Any) -> list[Part]:
    """Returns what a built agent does with each key, and with the action."""
    encoder, parts = agent.encoder, []
    for key, box in agent.spaces.observation.items():
        goes_in = "as x / 255" if box.dtype == np.uint8 else "as it is"
        net = f"two layers of {agent.config.vector_units} units"
        if key in encoder.images:
            net = f"{type(encoder.images[key]).__name__}, {agent.config.image_units} units"
        parts.append(Part(f"observation/{key}", goes_in, net))
    space = agent.spaces.action
    if isinstance(space, gymnasium.spaces.Box):
        return [*parts, Part("action", "as it is", "truncated normal policy")]
    factors = agent.choice.head.classes
    return [
        *parts,
        Part("action", f"as one-hot codes of {factors}", "one softmax per factor"),
    ]


def advise(agent: Any, seen: Seen) -> list[str]:
    """Returns settings that do not fit what was seen, each with the flag that would."""
    config, largest = agent.config, max(abs(seen.reward_low), abs(seen.reward_high))
    if config.reward_transform == "unit" and largest > 1:
        return [
            f"rewards reach {largest:g}, and what is beyond 1 is cut: add --reward_transform=identity where their sizes matter"
        ]
    return []
