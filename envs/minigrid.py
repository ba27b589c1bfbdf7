"""MiniGrid: the agent's view as one-hot symbols, or as a picture."""

from typing import Any

import gymnasium
import numpy as np

from envs.extras import require
from envs.observations import OneHotBox

PREFIXES = ("MiniGrid-", "BabyAI-")
CHANNELS = (11, 6, 3)  # object types, colours, states


class OneHotView(gymnasium.ObservationWrapper):
    """Turns the view's codes [7, 7, 3] into one-hot bool [7, 7, 20]; direction and mission are dropped."""

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        view: Any = env.observation_space
        height, width, _ = view["image"].shape
        shape = (height, width, sum(CHANNELS))
        self.observation_space = OneHotBox(shape, CHANNELS)

    def observation(self, observation: dict) -> np.ndarray:
        """Returns [7, 7, 20] bool: object type, colour, state."""
        codes = np.moveaxis(observation["image"], -1, 0)
        parts = [
            np.eye(n, dtype=bool)[code] for n, code in zip(CHANNELS, codes, strict=True)
        ]
        return np.concatenate(parts, -1)


def register() -> list[str]:
    """Registers the environments with gymnasium and returns their ids."""
    require("minigrid", "minigrid")
    return [key for key in gymnasium.registry if key.startswith(PREFIXES)]


def make_env(name: str, rgb: bool = False) -> gymnasium.Env:
    """Makes an environment with the one-hot view, or with the view as a picture of 8-pixel tiles."""
    register()
    env = gymnasium.make(name, render_mode="rgb_array", disable_env_checker=True)
    if not rgb:
        return OneHotView(env)
    from minigrid.wrappers import ImgObsWrapper, RGBImgPartialObsWrapper

    return ImgObsWrapper(RGBImgPartialObsWrapper(env, tile_size=8))
