"""Helpers: playing at random, and steps as stored rows."""

from typing import Any

import gymnasium
import numpy as np

import envs
from envs.counting import CountingGame


def play(env: envs.VectorEnv, seed: int | None, steps: int) -> list[envs.Step]:
    """Returns the reset step and as many more, by actions that are the same every time."""
    rng = np.random.default_rng(1)
    made = [env.reset(seed)]
    for _ in range(steps):
        space: Any = env.spaces.action
        if isinstance(space, gymnasium.spaces.Discrete):
            action = rng.integers(0, space.n, env.num_envs)
        else:
            action = rng.uniform(-1, 1, (env.num_envs, *space.shape))
        made.append(env.step(action))
    return made


def to_rows(steps: list[envs.Step]) -> dict[str, np.ndarray]:
    """Returns steps as stored rows, key -> [T, B, ...]."""
    rows = {}
    for part in ("observation", "info"):
        for key in getattr(steps[0], part):
            values = [getattr(step, part)[key] for step in steps]
            rows[f"{part}/{key}"] = np.stack(values)
    fields = ("action", "reward", "discount", "is_first", "is_last")
    return rows | {name: np.stack([getattr(s, name) for s in steps]) for name in fields}


def play_rows(
    env: envs.VectorEnv, seed: int | None, steps: int
) -> dict[str, np.ndarray]:
    """Returns what `play` plays, as rows."""
    return to_rows(play(env, seed, steps))


def one_row(num_envs: int) -> CountingGame:
    """Ignores how many rows are wanted."""
    return CountingGame(1)
