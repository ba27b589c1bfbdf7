"""Helpers: playing at random, and steps as stored rows."""

from typing import Any

import gymnasium
import numpy as np

import envs
from envs.catch import Catch
from envs.counting import CountingGame


def play(env: envs.VectorEnv, seed: int | None, steps: int) -> list[envs.Step]:
    """Returns the reset step and as many more, by actions that are the same every time."""
    rng = np.random.default_rng(1)
    made = [env.reset(seed)]
    for _ in range(steps):
        made.append(env.step(random_action(env, rng)))
    return made


def random_action(env: envs.VectorEnv, rng: np.random.Generator) -> np.ndarray:
    """Returns a uniform action per row."""
    space: Any = env.spaces.action
    if isinstance(space, gymnasium.spaces.Discrete):
        return rng.integers(0, space.n, env.num_envs)
    if isinstance(space, gymnasium.spaces.MultiDiscrete):
        return rng.integers(0, space.nvec, (env.num_envs, len(space.nvec)))
    return rng.uniform(-1, 1, (env.num_envs, *space.shape))


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


def one_catch() -> gymnasium.Env:
    """A function that makes a gymnasium environment, in a module that knows no other kind."""
    return Catch()


class Events(gymnasium.Env):
    """Counts its steps, and tells learners of it in `info` where it is told to."""

    observation_space = gymnasium.spaces.Discrete(1)
    action_space = gymnasium.spaces.Discrete(2)
    info_spaces = {"steps": gymnasium.spaces.Box(0.0, 9.0, (2,), np.float32)}

    def __init__(self, broken: Any = None):
        self._broken = broken
        self._steps = 0

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self._steps = 0
        return 0, self._info()

    def step(self, action: int) -> Any:
        self._steps += 1
        info = self._info() | {"more": "of another kind"}
        return 0, 0.0, False, False, info if self._broken is None else self._broken

    def _info(self) -> dict[str, Any]:
        return {"steps": np.array([self._steps, 0], np.float32)}
