"""MiniGrid's Memory, begun in the room with the cue."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from envs.extras import require
from envs.minigrid import OneHotView

SIZES = (7, 9, 11, 13, 15, 17, 21, 31)
NAME = "MiniGridMemory"  # of those registered, before size and version
PIXELS = 416  # a side, about, of the picture for people


class MiniGridMemory(gymnasium.Env):
    """See an object, walk down a corridor, and turn to its like: 1 - 0.9 steps / (5 size^2), or 0 for the other one.

    The agent begins at the west end of the start room, facing the corridor. The cue, a key or a ball, lies at
    its left; a key and a ball lie at the two ends of the T where the corridor ends. Reaching the cell before
    one of them terminates the episode; 5 size^2 steps truncate it. The shortest way takes size - 1 steps.
    MiniGrid's own `MiniGrid-MemoryS7-v0` and its kin begin anywhere in the corridor, often with no cue seen.

    Observations are `envs.minigrid.OneHotView`'s, bool [7, 7, 20], what the agent sees ahead of it; actions
    turn left, turn right or go forward. Up to size 9 a look back from the junction shows cue and choice in one
    view; from size 11 on memory is needed to do better than half the best return.

    Args:
        size: Cells a side, odd, at least 7.
        render_mode: 'rgb_array' or None.

    Raises:
        ValueError: For another size.
        MissingError: If minigrid is not installed.
    """

    action_meanings = ("left", "right", "forward")
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, size: int = 13, render_mode: str | None = None):
        if size % 2 == 0 or size < SIZES[0]:
            raise ValueError(
                f"size={size} came, but an odd number of at least {SIZES[0]} is expected: the corridor runs in the middle"
            )
        self.render_mode = render_mode
        self._view = OneHotView(_make_game(size, render_mode))
        self.observation_space = self._view.observation_space
        self.action_space = spaces.Discrete(len(self.action_meanings))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        """Places the objects, and the agent beside the cue."""
        super().reset(seed=seed)
        self._view.unwrapped.np_random = self.np_random
        return self._view.reset(options=options)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Turns left (0), turns right (1) or goes forward (2)."""
        observation, reward, terminated, truncated, info = self._view.step(action)
        return observation, float(reward), terminated, truncated, info

    def render(self) -> Any:
        """Returns the whole grid from above, RGB uint8, what the agent sees lighter; about 416 pixels a side."""
        return self._view.render() if self.render_mode == "rgb_array" else None


def _make_game(size: int, render_mode: str | None) -> gymnasium.Env:
    """Makes MiniGrid's environment with the agent in the start room."""
    memory: Any = require("minigrid.envs", "minigrid").MemoryEnv

    class FromTheCue(memory):
        def _gen_grid(self, width: int, height: int) -> None:
            super()._gen_grid(width, height)
            self.agent_pos = (1, height // 2)
            self.agent_dir = 0  # east

    return FromTheCue(
        size=size, render_mode=render_mode, tile_size=max(8, PIXELS // size)
    )
