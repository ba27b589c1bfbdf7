"""Random steps in an environment: what they show of it, and what is wrong with it."""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from agents import random_policy
from agents.api import State
from agents.driver import Episode, EpisodeTracker
from envs.api import Step, VectorEnv

KEPT = 400  # vector steps kept for timing an agent
COMPARED = 200  # vector steps played again with the same seed
LARGE_REWARD, SMALL_REWARD = 100.0, 1e-3
LARGE_FLOAT = 100.0


class Trial(NamedTuple):
    """What some random steps showed.

    Attributes:
        env_steps: Environment steps made, over all rows.
        seconds: Time the environments took for them.
        rewards: [N] of all environment steps.
        episodes: Those that ended.
        terminated, truncated: How many ended so.
        low, high: Key -> the least and largest value of each element, over steps and rows.
        steps: The first vector steps, the reset among them.
    """

    env_steps: int
    seconds: float
    rewards: np.ndarray
    episodes: list[Episode]
    terminated: int
    truncated: int
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]
    steps: list[Step]

    @property
    def steps_per_s(self) -> float:
        """Environment steps per second, over all rows."""
        return self.env_steps / max(self.seconds, 1e-9)


def run(
    envs: VectorEnv, env_steps: int, seed: int, progress: Callable[[int], Any]
) -> Trial:
    """Makes random steps.

    Args:
        envs: The environments; they are reset here.
        env_steps: How many, over all rows.
        seed: Seeds environments and actions.
        progress: Takes the steps made so far.

    Raises:
        EnvError: When the environment raises or breaks its spaces.
    """
    step = envs.reset(seed=seed)
    state: State = _first_state(envs, seed)
    tracker = EpisodeTracker(envs.num_envs)
    tracker.add(step)
    low = {key: value.min(0) for key, value in step.observation.items()}
    high = {key: value.max(0) for key, value in step.observation.items()}
    steps, rewards, episodes = [step], [], []
    ends = np.zeros(2, int)
    made, seconds = 0, 0.0
    while made < env_steps:
        action, state = random_policy.act(envs.spaces.action, state)
        start = time.perf_counter()
        step = envs.step(action)
        seconds += time.perf_counter() - start
        made += int(np.count_nonzero(~step.is_first))
        rewards.append(step.reward[~step.is_first])
        episodes += tracker.add(step)
        terminal = step.discount[step.is_last] == 0
        ends += (np.count_nonzero(terminal), np.count_nonzero(~terminal))
        for key, value in step.observation.items():
            low[key] = np.minimum(low[key], value.min(0))
            high[key] = np.maximum(high[key], value.max(0))
        if len(steps) < KEPT:
            steps.append(step)
        progress(made)
    return Trial(
        made,
        seconds,
        np.concatenate(rewards),
        episodes,
        int(ends[0]),
        int(ends[1]),
        low,
        high,
        steps,
    )


def find_difference(envs: VectorEnv, seed: int, steps: list[Step]) -> str:
    """Plays the same actions after a reset with the same seed; returns what came differently, '' if nothing.

    Args:
        envs: Environments that may have been used before.
        seed: The seed that the steps came from.
        steps: The reset, and what followed it.
    """
    state: State = _first_state(envs, seed)
    again = envs.reset(seed=seed)
    for number, wanted in enumerate(steps[:COMPARED]):
        if number:
            action, state = random_policy.act(envs.spaces.action, state)
            again = envs.step(action)
        if name := _differing(wanted, again):
            return f"{name} at step {number}"
    return ""


def find_warnings(
    trial: Trial, spaces: Any, time_limit: int, different: str
) -> list[str]:
    """Says what will make learning hard, and what to do, a sentence each.

    Args:
        trial: What was seen.
        spaces: The spaces of one row.
        time_limit: Agent steps after which episodes are cut; 0 for none.
        different: What `find_difference` found.
    """
    return [
        *_reward_warnings(trial.rewards, trial.terminated),
        *_episode_warnings(trial, time_limit),
        *_observation_warnings(trial, spaces),
        *_seed_warnings(different),
    ]


def _reward_warnings(rewards: np.ndarray, terminated: int) -> list[str]:
    largest = float(np.abs(rewards).max())
    if largest == 0:
        return [
            f"no reward in {len(rewards):,} random steps: learning starts only once one was found by chance; "
            "shape the reward, start episodes nearer to it, or give it a longer --prefill"
        ]
    warnings = []
    if rewards.min() == rewards.max() and not terminated:
        warnings.append(
            f"every reward was {rewards[0]:g}, and no episode terminated: nothing tells good play from bad "
            "(where the length of an episode is what counts, its end must be a termination)"
        )
    if largest > LARGE_REWARD:
        warnings.append(
            f"rewards reach {largest:g}: divide them so that they stay within about 1 "
            "(gymnasium.wrappers.TransformReward)"
        )
    if largest < SMALL_REWARD:
        warnings.append(
            f"no reward is larger than {largest:g}: multiply them so that they reach about 1 "
            "(gymnasium.wrappers.TransformReward)"
        )
    return warnings


def _episode_warnings(trial: Trial, time_limit: int) -> list[str]:
    if not trial.episodes:
        limit = f"--time_limit={time_limit} cuts them later" if time_limit else ""
        return [
            f"no episode ended within {trial.env_steps:,} steps: "
            + (limit or "if they can last for ever, cut them with --time_limit=N")
        ]
    if max(episode.length for episode in trial.episodes) == 1:
        return [
            "every episode was one step long: check terminated and truncated of step"
        ]
    return []


def _observation_warnings(trial: Trial, spaces: Any) -> list[str]:
    warnings = []
    for key, box in spaces.observation.items():
        low, high = trial.low[key], trial.high[key]
        if (low == high).all():
            warnings.append(
                f"observation '{key}' never changed: is it filled at every step, in an array of its own?"
            )
        elif box.dtype == np.float32:
            warnings += _float_warnings(key, len(box.shape) == 3, low, high)
    return warnings


def _float_warnings(
    key: str, is_image: bool, low: np.ndarray, high: np.ndarray
) -> list[str]:
    largest = float(max(abs(low.min()), abs(high.max())))
    if is_image and largest > 2:
        return [
            f"image '{key}' has floats up to {largest:g}, which go in as they are: return uint8 (0 to 255), "
            "or floats within 0 and 1"
        ]
    if largest > LARGE_FLOAT:
        return [
            f"observation '{key}' reaches {largest:g}, and floats go in as they are: scale it to about 1 "
            "(gymnasium.wrappers.NormalizeObservation or TransformObservation)"
        ]
    return []


def _seed_warnings(different: str) -> list[str]:
    if not different:
        return []
    return [
        f"one seed gave two games ({different} differed): draw every random number from self.np_random, which "
        "super().reset(seed=seed) seeds, or runs cannot be repeated"
    ]


def _first_state(envs: VectorEnv, seed: int) -> dict[str, np.ndarray]:
    return {"seed": np.tile(np.array([[seed, 0]], np.int32), (envs.num_envs, 1))}


def _differing(one: Step, other: Step) -> str:
    """Returns the name of the first field that is not equal; '' if all are."""
    for key, value in one.observation.items():
        if not np.array_equal(value, other.observation[key]):
            return f"observation '{key}'"
    for name in ("reward", "discount", "is_first", "is_last"):
        if not np.array_equal(getattr(one, name), getattr(other, name)):
            return "the end of an episode" if name != "reward" else "reward"
    return ""


def describe_space(space: gymnasium.Space) -> str:
    """Returns a space in a few words: '96x96x3 uint8, 0 to 255' or 'Discrete(4)'."""
    if not isinstance(space, gymnasium.spaces.Box):
        return str(space)
    shape = "x".join(map(str, space.shape)) or "one number,"
    if space.dtype == np.bool_:
        return f"{shape} bool"
    low, high = float(np.min(space.low)), float(np.max(space.high))
    finite = math.isfinite(low) and math.isfinite(high)
    bounds = f"{low:g} to {high:g}" if finite else "no bounds"
    return f"{shape} {np.dtype(space.dtype).name}, {bounds}"
