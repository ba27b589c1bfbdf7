"""What the agents of TF-Agents suggest alike."""

from collections.abc import Callable, Mapping

from agents.api import Spaces
from agents.suggestion import Seen, Suggestion


def suggest(
    env: str, look: Callable[[], Spaces], suites: Mapping[str, str]
) -> Suggestion:
    """Returns the preset of the suite, else 'vector' for vectors alone and 'minatar' for pictures."""
    suite = env.split(":")[0]
    if suite in suites:
        return Suggestion(
            suites[suite], (f"the preset made for {suite}: environments",)
        )
    ranks = {len(box.shape) for box in look().observation.values()}
    if ranks == {1}:
        return Suggestion("vector", ("vectors alone",))
    return Suggestion("minatar", ("pictures",))


def advise(reward_transform: str, seen: Seen) -> list[str]:
    """Returns what does not fit the rewards seen."""
    largest = max(abs(seen.reward_low), abs(seen.reward_high))
    if reward_transform == "sign" and largest not in (0.0, 1.0):
        return [
            f"rewards reach {largest:g}, and learning sees only their sign: --reward_transform=identity keeps them"
        ]
    return []
