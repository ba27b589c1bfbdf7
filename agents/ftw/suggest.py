"""Which preset suits an environment, and what FTW does with each of its spaces."""

from collections.abc import Callable
from typing import Any

from agents.api import Spaces
from agents.impala import suggest as impala
from agents.impala.agent import LARGE_SIDE
from agents.suggestion import Part, Seen, Suggestion


def suggest(
    env: str, look: Callable[[], Spaces], has_gpu: Callable[[], bool]
) -> Suggestion:
    """Returns the preset for the size of images; see `agents.suggestion.suggest`."""
    del env, has_gpu
    sides = [min(b.shape[:2]) for b in look().observation.values() if len(b.shape) == 3]
    if sides and max(sides) >= LARGE_SIDE:
        why = (
            f"images of {LARGE_SIDE} pixels a side or more: the paper's net, for a GPU"
        )
        return Suggestion("paper", (why,))
    return Suggestion("ctf", ("small images or vectors: nets that two cores train",))


def explain(agent: Any) -> list[Part]:
    """Returns what a built agent does with each key, with game events, and with the action."""
    parts = impala.explain(agent)
    if agent.config.rewards == "events":
        how = "weighted, as the reward that is learned from"
        parts.append(Part("info/events", how, "none: they are no observation"))
    return parts


def advise(agent: Any, seen: Seen) -> list[str]:
    """Returns settings that do not fit what was seen, each with the flag that would."""
    never = seen.reward_low == seen.reward_high == 0
    ended = seen.terminated + seen.truncated > 0
    if agent.config.rewards == "env" and never and ended:
        return [
            "the environment's own reward was always 0, and nothing else is learned from: add "
            "--env_options=win_reward=true (capture the flag), or leave out no_internal_rewards"
        ]
    return []
