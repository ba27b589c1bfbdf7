"""Which preset suits an environment, and what MERLIN does with each of its spaces."""

from collections.abc import Callable
from typing import Any

import numpy as np

from agents.api import Spaces
from agents.suggestion import Part, Seen, Suggestion

MUCH_LONGER = 3  # times as many rows as steps are too many
# Beginning of a name -> its preset.
PRESETS = {
    "zoo:MemoryGame": "memory_game",
    "zoo:MemoryLength": "memory_length",
    "zoo:MiniGridMemory": "minigrid_memory",
    "minigrid:": "minigrid_memory",
    "popgym:": "popgym",
}


def suggest(
    env: str, look: Callable[[], Spaces], has_gpu: Callable[[], bool]
) -> Suggestion:
    """Returns the preset made for the environment, or by its observations; see `agents.suggestion.suggest`."""
    del has_gpu
    for start, preset in PRESETS.items():
        if env.startswith(start):
            return Suggestion(preset, (f"the preset made for {start}…",))
    sides = [box.shape[0] for box in look().observation.values() if len(box.shape) == 3]
    if not sides:
        why = "vectors alone: nets that one core trains in minutes"
        return Suggestion(
            "memory_length", (why, "--slots should be about the steps of an episode")
        )
    if max(sides) >= 64:
        return Suggestion("paper", ("images of 64x64 pixels: the paper's sizes",))
    return Suggestion("minigrid_memory", ("small images",))


def explain(agent: Any) -> list[Part]:
    """Returns what a built agent does with each key, and with the action."""
    encoder, parts = agent.core.encoder, []
    for key, box in agent.spaces.observation.items():
        goes_in = "as x / 255" if box.dtype == np.uint8 else "as it is"
        if key in agent.spaces.factors:
            goes_in = f"as one-hot codes of {agent.spaces.factors[key]}"
        net = f"two layers of {agent.config.vector_units} units"
        if key in encoder.images:
            net = f"{type(encoder.images[key]).__name__}, {agent.config.image_units} units"
        parts.append(Part(f"observation/{key}", goes_in, net))
    return [
        *parts,
        Part(
            "action", f"as a one-hot of {agent.spaces.action.n}", "categorical policy"
        ),
    ]


def advise(agent: Any, seen: Seen) -> list[str]:
    """Returns settings that do not fit what was seen, each with the flag that would."""
    config = agent.config
    advice: list[str] = []
    if config.agent == "rl_lstm":
        return advice
    decay = config.retroactive_discount or config.discount
    if config.agent == "merlin" and config.retroactive != "none" and decay == 1:
        advice.append(
            "with a retroactive discount of 1 the retroactive half of the memory stays zero: add "
            "--retroactive_discount=0.9, or --ablate=no_retroactive to have none"
        )
    if 0 < seen.longest < config.slots / MUCH_LONGER:
        advice.append(
            f"the memory has {config.slots:,} rows, and the longest of the first episodes had {seen.longest:,} steps: "
            f"empty rows dilute every read; add --slots={seen.longest + 1}"
        )
    if seen.longest > config.slots:
        advice.append(
            f"the memory has {config.slots:,} rows, and the longest of the first episodes had {seen.longest:,} steps: "
            "rows are overwritten, those read least first; unless episodes shorten as it learns, add "
            f"--slots={seen.longest + 1}"
        )
    return advice
