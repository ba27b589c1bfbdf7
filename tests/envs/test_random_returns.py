"""Random play returns what was measured elsewhere, and our own environments pass gymnasium's checker."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from tests.envs.rows import random_action

# Mean, standard deviation and number of the episodes of random play that were measured without our adapters.
MEASURED = {
    "zoo:Catch-v0": (-0.6, 0.8, 10_000),  # by enumeration
    "zoo:Dials-v0": (2.5, 0.612, 10_000),  # by enumeration
    "zoo:MemoryGame4-v0": (-2.94, 3.26, 100_000),  # by enumeration
    "zoo:MemoryGame8-v0": (-11.27, 2.86, 100_000),
    "zoo:MemoryGame16-v0": (-26.81, 3.29, 100_000),
    "zoo:MemoryLength40-v0": (0.0, 1.0, 10_000),  # a coin
    "zoo:MiniGridMemory7-v0": (0.178, 0.306, 10_000),  # by enumeration, also the next
    "zoo:MiniGridMemory13-v0": (0.178, 0.295, 10_000),
    "minatar:Breakout-v1": (0.41, 0.66, 979),
    "minatar:SpaceInvaders-v1": (4.22, 3.07, 20),
    "minigrid:MiniGrid-Empty-5x5-v0": (0.204, 0.262, 48),
    "popgym:RepeatPreviousEasy-v0": (-0.491, 0.135, 20),
    "popgym:RepeatFirstEasy-v0": (-0.509, 0.122, 20),
    "popgym:AutoencodeEasy-v0": (-0.510, 0.112, 20),
    "popgym:ConcentrationEasy-v0": (-0.189, 0.105, 20),
    "popgym:CountRecallEasy-v0": (-0.937, 0.051, 20),
    "popgym:PositionOnlyCartPoleEasy-v0": (0.110, 0.058, 20),
    "dm_control:cartpole-swingup": (33.4, 21.3, 11),
    "dm_control:walker-walk": (32.8, 3.0, 16),
    "crafter:Crafter": (1.70, 0.97, 20),
    "gym:CartPole-v1": (22.4, 11.9, 20),
    "gym:Pendulum-v1": (-1234, 298, 20),
}
STATE = {"pixels": False, "action_repeat": 2, "parallel": "sync"}


def random_returns(name: str, episodes: int, **options: Any) -> np.ndarray:
    """Returns those of the first episodes of one row, from seed 0."""
    env = envs.make(name, **options)
    rng = np.random.default_rng(0)
    step, total, returns = env.reset(), 0.0, []
    while len(returns) < episodes:
        step = env.step(random_action(env, rng))
        total = 0.0 if step.is_first[0] else total + float(step.reward[0])
        if step.is_last[0]:
            returns.append(total)
    env.close()
    return np.array(returns)


@pytest.mark.parametrize(
    ("name", "episodes", "options"),
    [
        ("zoo:Catch-v0", 200, {}),
        ("zoo:Dials-v0", 100, {}),
        ("zoo:MemoryGame4-v0", 200, {}),
        ("zoo:MemoryGame8-v0", 200, {}),
        ("zoo:MemoryGame16-v0", 100, {}),
        ("zoo:MemoryLength40-v0", 100, {}),
        ("zoo:MiniGridMemory7-v0", 30, {}),
        ("minatar:Breakout-v1", 200, {}),
        ("minatar:SpaceInvaders-v1", 60, {}),
        ("minigrid:MiniGrid-Empty-5x5-v0", 60, {}),
        ("popgym:RepeatPreviousEasy-v0", 20, {}),
        ("popgym:RepeatFirstEasy-v0", 20, {}),
        ("popgym:AutoencodeEasy-v0", 20, {}),
        ("popgym:ConcentrationEasy-v0", 10, {}),
        ("popgym:CountRecallEasy-v0", 20, {}),
        ("popgym:PositionOnlyCartPoleEasy-v0", 20, {}),
        ("dm_control:cartpole-swingup", 4, STATE),
        ("dm_control:walker-walk", 2, STATE),
        ("crafter:Crafter", 2, {}),
        ("gym:CartPole-v1", 60, {}),
        ("gym:Pendulum-v1", 10, {}),
    ],
)
def test_random_play_returns_what_was_measured(
    name: str, episodes: int, options: dict[str, Any]
) -> None:
    mean, deviation, count = MEASURED[name]
    returns = random_returns(name, episodes, **options)
    error = deviation * np.sqrt(1 / episodes + 1 / count)
    assert abs(returns.mean() - mean) < 3 * error, (returns.mean(), mean, error)


def test_minigrid_returns_the_same_whatever_its_pictures_are() -> None:
    name = "minigrid:MiniGrid-Empty-5x5-v0"
    symbols = random_returns(name, 12)
    np.testing.assert_array_equal(symbols, random_returns(name, 12, rgb=True))
    assert len(set(symbols.tolist())) > 3


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "name", [key for key in gymnasium.registry if key.startswith("zoo/")]
)
def test_our_registered_environments_pass_gymnasiums_own_checker(name: str) -> None:
    check_env(gymnasium.make(name, render_mode="rgb_array").unwrapped)
