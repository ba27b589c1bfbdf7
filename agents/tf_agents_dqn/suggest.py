"""Which preset suits an environment, and what DQN does with its spaces."""

from collections.abc import Callable
from typing import Any

from agents.api import Spaces
from agents.suggestion import Part, Seen, Suggestion

SUITES = {"atari": "atari_small", "minatar": "minatar"}


def suggest(
    env: str, look: Callable[[], Spaces], has_gpu: Callable[[], bool]
) -> Suggestion:
    """Returns the preset of the suite, or the one for vectors or small pictures; see `agents.suggestion.suggest`."""
    suite = env.split(":")[0]
    if suite == "atari" and has_gpu():
        return Suggestion("atari", ("Atari", "a GPU"))
    if suite in SUITES:
        return Suggestion(
            SUITES[suite], (f"the preset made for {suite}: environments",)
        )
    ranks = {len(box.shape) for box in look().observation.values()}
    if ranks == {1}:
        return Suggestion("vector", ("vectors alone",))
    return Suggestion("minatar", ("pictures",))


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
    if agent.config.reward_transform == "sign" and largest not in (0.0, 1.0):
        return [
            f"rewards reach {largest:g}, and learning sees only their sign: --reward_transform=identity keeps them"
        ]
    if agent.config.algorithm == "c51" and largest > agent.config.highest:
        return [
            f"a reward of {largest:g} is beyond the returns that c51 knows, {agent.config.highest:g}: --highest"
        ]
    return []
