"""Watching an agent: one episode, with what went on inside the agent at each step."""

import itertools
from typing import NamedTuple

import numpy as np

from agents import video
from agents.api import Agent, Mode, VectorEnv

LONGEST = 1000  # steps


class Watched(NamedTuple):
    """An episode of T steps, the first observation included.

    Attributes:
        frames: [T, H, W, 3] uint8; None where the environment draws nothing.
        observation: Key -> [T, ...].
        action: [T, ...], chosen at each step; the last is never taken.
        reward: [T], received on arriving.
        terminated: Whether the last step is a true end.
        inner: Name -> [T, ...], see the agent's `look`.
    """

    frames: np.ndarray | None
    observation: dict[str, np.ndarray]
    action: np.ndarray
    reward: np.ndarray
    terminated: bool
    inner: dict[str, np.ndarray]

    def returns(self, discount: float) -> np.ndarray:
        """Returns the sum of later rewards at each step, discounted, [T]; 0 at the last."""
        later, found = 0.0, np.zeros(len(self.reward))
        for t in reversed(range(len(self.reward) - 1)):
            later = found[t] = self.reward[t + 1] + discount * later
        return found


def watch(
    agent: Agent,
    envs: VectorEnv,
    seed: int,
    mode: Mode = "greedy",
    longest: int = LONGEST,
) -> Watched:
    """Plays an episode in row 0 and returns it.

    Args:
        agent: One that can be looked into: `can_watch`.
        envs: The environments.
        seed: Seeds environments and policy noise.
        mode: 'sample' | 'greedy'.
        longest: Steps after which it is cut.

    Raises:
        ValueError: If the agent cannot be looked into.
    """
    if not agent.can_watch:
        raise ValueError(f"nothing can be seen inside of {agent.name}")
    recorder = video.EpisodeRecorder(longest)
    rows: list[dict[str, np.ndarray]] = []
    step, state = envs.reset(seed), agent.initial_state(envs.num_envs, seed)
    for t in itertools.count():
        frames = recorder.add(step, envs.render)
        action, state, inner = agent.look(step, state, mode)
        row = {f"observation/{key}": value for key, value in step.observation.items()}
        row |= {"action": action, "reward": step.reward}
        row |= {f"inner/{key}": value for key, value in inner.items()}
        rows.append({key: np.asarray(value)[0].copy() for key, value in row.items()})
        if step.is_last[0] or t + 1 == longest:
            break
        step = envs.step(action)
    stacked = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    return Watched(
        frames,
        _part(stacked, "observation/"),
        stacked["action"],
        stacked["reward"],
        bool(step.discount[0] == 0),
        _part(stacked, "inner/"),
    )


def _part(rows: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        key.removeprefix(prefix): value
        for key, value in rows.items()
        if key.startswith(prefix)
    }
