"""Crafter: a small open world with 22 achievements, behind gymnasium's interface."""

import contextlib
import io
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from envs.extras import require

NAMES = ("Crafter", "CrafterNoReward")
BOOL: Any = np.bool_
ACTIONS = 17
PICTURE = 252  # pixels a side, of pictures for people: 9 cells of 28 pixels
ACHIEVEMENTS = (
    "collect_coal",
    "collect_diamond",
    "collect_drink",
    "collect_iron",
    "collect_sapling",
    "collect_stone",
    "collect_wood",
    "defeat_skeleton",
    "defeat_zombie",
    "eat_cow",
    "eat_plant",
    "make_iron_pickaxe",
    "make_iron_sword",
    "make_stone_pickaxe",
    "make_stone_sword",
    "make_wood_pickaxe",
    "make_wood_sword",
    "place_furnace",
    "place_plant",
    "place_stone",
    "place_table",
    "wake_up",
)


class Crafter(gymnasium.Env):
    """Crafter's environment, which has gym's first interface and is not quite reproducible by itself.

    The reward is 1 for each step that unlocks an achievement and a tenth of the change of health (9 at
    the start); an episode ends by death, or is cut after 10,000 steps. `info["achievements"]`, [22] bool
    in the order of ACHIEVEMENTS, are those unlocked in the episode so far; `score` makes the benchmark's
    score of them.

    Args:
        reward: False makes every reward 0.
        size: Pixels a side of the picture, [size, size, 3] uint8.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    render_mode = "rgb_array"
    info_spaces = {"achievements": spaces.Box(0, 1, (len(ACHIEVEMENTS),), BOOL)}

    def __init__(self, reward: bool = True, size: int = 64):
        self.observation_space = spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = spaces.Discrete(ACTIONS)
        self._arguments = {"reward": reward, "size": (size, size)}
        self._env: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode in a new world; without a seed the next one of the stream."""
        super().reset(seed=seed)
        if seed is not None or self._env is None:
            start = int(self.np_random.integers(2**31 - 1))
            self._env = _make(seed=start, **self._arguments)
        return self._env.reset(), _info({})

    def step(
        self, action: int
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, np.ndarray]]:
        """Takes one of the 17 actions."""
        observation, reward, done, info = self._env.step(int(action))
        dead = info["discount"] == 0
        ended = done and not dead
        return observation, float(reward), dead, ended, _info(info["achievements"])

    def render(self) -> np.ndarray:
        """Returns [252, 252, 3] uint8; the night's noise is drawn without touching the world's stream."""
        stream = self._env._world.random
        state = stream.get_state()
        picture = self._env.render((PICTURE, PICTURE))
        stream.set_state(state)
        return picture


def score(achievements: np.ndarray) -> float:
    """Returns the Crafter score: exp(mean_i ln(1 + s_i)) - 1.

    Args:
        achievements: [N, 22] bool, `info["achievements"]` at the end of each of N episodes; s_i is the
            percentage of episodes that unlocked achievement i.

    Returns:
        A percentage; 1.6 for random play, 10.0 for DreamerV2 and 50.5 for people, as published.

    References:
        Hafner 2021, Benchmarking the Spectrum of Agent Capabilities (arXiv 2109.06780), section 3.
    """
    success = 100 * np.asarray(achievements, np.float64).mean(0)
    return float(np.exp(np.log1p(success).mean()) - 1)


def names() -> list[str]:
    """Returns the names of the environments; ImportError if the extra is missing."""
    _load()
    return list(NAMES)


def _load() -> ModuleType:
    """Imports crafter; where the old gym is installed it imports that too, which complains of its age."""
    with contextlib.redirect_stderr(io.StringIO()):
        return require("crafter", "crafter")


def _make(**arguments: Any) -> Any:
    """Makes Crafter's own environment, reproducible.

    It keeps creatures in sets, whose order depends on addresses in memory, and draws one of them by
    its place. Here they come in the order in which they were born.
    """
    env = _load().Env(**arguments)
    balance = env._balance_object

    def in_order(chunk: Any, creatures: set, *rest: Any) -> None:
        ordered = [each for each in env._world.objects if each in creatures]
        balance(chunk, ordered, *rest)

    env._balance_object = in_order
    return env


def _info(counts: dict[str, int]) -> dict[str, np.ndarray]:
    return {"achievements": np.array([counts.get(key, 0) > 0 for key in ACHIEVEMENTS])}
