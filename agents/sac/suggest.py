"""Which preset suits an environment, and what SAC does with each of its spaces."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from agents.api import Spaces
from agents.sac.nets import LARGE_SIDE
from agents.suggestion import Part, Seen, Suggestion


def suggest(
    env: str, look: Callable[[], Spaces], has_gpu: Callable[[], bool]
) -> Suggestion:
    """Returns the preset for the kind of observations and actions; see `agents.suggestion.suggest`."""
    del env, has_gpu
    spaces = look()
    sides = [min(b.shape[:2]) for b in spaces.observation.values() if len(b.shape) == 3]
    if sides and max(sides) >= LARGE_SIDE:
        why = f"images of {LARGE_SIDE} pixels a side or more: a large net, for a GPU"
        return Suggestion("atari", (why,))
    if sides:
        return Suggestion("minatar", ("small images: nets that two cores train",))
    if isinstance(spaces.action, gymnasium.spaces.Box):
        numbers = sum(box.shape[0] for box in spaces.observation.values())
        if numbers + spaces.action.shape[0] > 10:
            return Suggestion("paper", ("vectors, and real numbers as actions",))
        return Suggestion("pendulum", ("few numbers, and real numbers as actions",))
    return Suggestion("cartpole", ("vectors, and choices as actions",))


def explain(agent: Any) -> list[Part]:
    """Returns what a built agent does with each key, and with the action."""
    encoder, config, parts = agent.encoder, agent.config, []
    for key, box in agent.spaces.observation.items():
        goes_in = "as x / 255" if box.dtype == np.uint8 else "as it is"
        net = "none: actor and critics read it"
        if key in encoder.images:
            net = f"{type(encoder.images[key]).__name__}, {config.image_units} units"
        parts.append(Part(f"observation/{key}", goes_in, net))
    if isinstance(agent.spaces.action, gymnasium.spaces.Box):
        return [*parts, Part("action", "as it is", "normal through a tanh")]
    factors = list(agent.choice.head.classes)
    net = f"one softmax per factor; gradient: {config.estimator}"
    return [*parts, Part("action", f"as one-hot codes of {factors}", net)]


def advise(agent: Any, seen: Seen) -> list[str]:
    """Returns settings that do not fit what was seen, each with the flag that would."""
    largest = agent.config.reward_scale * max(
        abs(seen.reward_low), abs(seen.reward_high)
    )
    if largest > 100:
        return [
            f"rewards reach {largest:g}, and errors of the critics are squared: add --reward_scale={10 / largest:.1g}"
        ]
    return []
