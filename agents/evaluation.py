"""Evaluation: whole episodes of a saved agent, fresh seeds, no learning."""

import json
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, get_args

import numpy as np

import envs as envs_lib
from agents import config as config_lib
from agents import driver, policy, registry, video
from agents import settings as settings_lib
from agents.api import Agent, Mode, VectorEnv

SEED = 1_000_000  # far from those of trainings
_MAX_SEED = 2**31  # policies keep theirs in int32


def play(
    agent: Agent,
    envs: VectorEnv,
    episodes: int,
    *,
    seed: int,
    mode: Mode,
    progress: Callable[[int], None] = lambda done: None,
    stop: Callable[[], bool] = lambda: False,
    recorder: video.EpisodeRecorder | None = None,
    on_video: Callable[[np.ndarray], None] = lambda frames: None,
) -> list[driver.Episode]:
    """Plays episodes and returns them in the order in which they ended.

    Args:
        agent: Who acts.
        envs: The environments.
        episodes: How many.
        seed: Seeds environments and policy noise.
        mode: 'sample' | 'greedy' | 'random'.
        progress: Called with the number of episodes that ended.
        stop: Ends early when it returns True.
        recorder: Records row 0.
        on_video: Takes each recorded episode [T, H, W, 3].
    """
    ended: list[driver.Episode] = []
    for step, counted in driver.play(agent, envs, episodes, seed=seed, mode=mode):
        ended.extend(counted)
        progress(len(ended))
        if recorder is not None:
            frames = recorder.add(step, envs.render)
            if frames is not None:
                on_video(frames)
        if stop():
            break
    return ended


class Evaluator:
    """A saved agent with its environment, loaded once and played as often as one likes.

    Args:
        folder: The run's logdir, a policy's folder, or the name of a shipped policy, as 'dreamerv2/catch'.
        env: Another environment with the same spaces; the run's own when empty.
        env_options: Options of the environment that replace the run's, as 'sticky=0,noop_max=1'.
        agent_options: Settings of the agent to act with in place of its own, as 'use_memory=false'.

    Attributes:
        run: The run's settings, those of the environment as evaluated.
        agent: The agent of the newest checkpoint.

    Raises:
        FileNotFoundError: If the folder holds no run, or no checkpoint yet.
        ValueError: On an unknown environment or option.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        env: str = "",
        env_options: str = "",
        agent_options: str = "",
    ) -> None:
        path = policy.locate(folder)
        self.run = run_settings(path, env, env_options)
        self.agent = registry.load(path, options=agent_options)
        self.agent_options = agent_options

    def play(
        self,
        *,
        episodes: int = 10,
        seed: int = SEED,
        mode: Mode = "greedy",
        num_envs: int = 4,
        video_path: str = "",
        progress: Callable[[int], None] = lambda done: None,
    ) -> dict[str, Any]:
        """Plays, as `evaluate`."""
        check_arguments(episodes, mode, [seed])
        envs = settings_lib.make_envs(self.run, min(num_envs, episodes))
        written: list[str] = []

        def write(frames: np.ndarray) -> None:
            if not written:
                picture = video.upscale(frames)
                written.append(str(video.write_video(video_path, picture)))

        try:
            _check_spaces(envs, self.agent)
            ended = play(
                self.agent,
                envs,
                episodes,
                seed=seed,
                mode=mode,
                progress=progress,
                recorder=video.EpisodeRecorder() if video_path else None,
                on_video=write,
            )
        finally:
            envs.close()
        return self._what(mode, seed, envs) | summary(ended) | {"video": written}

    def _what(self, mode: str, seed: int, envs: VectorEnv) -> dict[str, Any]:
        return {
            "agent": self.agent.name,
            "env": self.run.env,
            "env_options": self.run.env_options,
            "agent_options": self.agent_options,
            "env_steps": self.agent.env_steps,
            "updates": self.agent.updates,
            "mode": mode,
            "seed": seed,
            "num_envs": envs.num_envs,
        }


def evaluate(
    folder: str | os.PathLike[str],
    *,
    episodes: int = 10,
    seed: int = SEED,
    mode: Mode = "greedy",
    num_envs: int = 4,
    env: str = "",
    env_options: str = "",
    agent_options: str = "",
    video_path: str = "",
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Evaluates the newest checkpoint of a run, or a policy.

    Args:
        folder: The run's logdir, a policy's folder, or the name of a shipped policy, as 'dreamerv2/catch'.
        episodes: Whole episodes to play.
        seed: Seeds environments and policy noise.
        mode: 'greedy' | 'sample' | 'random'.
        num_envs: Environments stepped together; with the seed it decides what the noise is.
        env: Another environment with the same spaces; the run's own when empty.
        env_options: Options of the environment that replace the run's, as 'sticky=0,noop_max=1'.
        agent_options: Settings of the agent to act with in place of its own, as 'use_memory=false'.
        video_path: Writes the first episode of row 0 there (.mp4 or .gif).
        progress: Called with the number of episodes that ended.

    Returns:
        JSON values: mean, std, every return and length, and what was evaluated how.

    Raises:
        FileNotFoundError: If the folder holds no run, or no checkpoint yet.
        ValueError: On a bad argument, or an environment with other spaces.
    """
    check_arguments(episodes, mode, [seed])
    return Evaluator(folder, env, env_options, agent_options).play(
        episodes=episodes,
        seed=seed,
        mode=mode,
        num_envs=num_envs,
        video_path=video_path,
        progress=progress,
    )


def run_settings(
    folder: pathlib.Path, env: str = "", env_options: str = ""
) -> settings_lib.RunConfig:
    """Returns the settings of the run in a folder, with its environment as it is to be evaluated.

    Raises:
        FileNotFoundError: If the folder holds no run.
        ValueError: On an unknown environment or option, or a folder that knows no environment.
    """
    saved = registry.read_config(folder)
    values = saved.get("run", {}) | ({"env": env} if env else {})
    if "env" not in values:
        raise ValueError(
            f"{folder} was saved by `agent.save`, which knows no environment: name one with --env"
        )
    run: Any = config_lib.resolve(settings_lib.RunConfig, values)
    envs_lib.check_name(run.env)
    return settings_lib.with_env_options(run, env_options)


def check_arguments(episodes: int, mode: str, seeds: Iterable[int]) -> None:
    """Raises ValueError where nothing could be played so."""
    if episodes < 1:
        raise ValueError(f"episodes={episodes} came, but at least 1 is expected")
    if mode not in get_args(Mode):
        raise ValueError(f"unknown mode {config_lib.near(mode, get_args(Mode))}")
    for seed in seeds:
        if not 0 <= seed < _MAX_SEED:
            raise ValueError(
                f"the seed {seed} came, but one from 0 to {_MAX_SEED - 1} is expected"
            )


def _check_spaces(envs: VectorEnv, agent: Agent) -> None:
    there, here = (
        registry.without_factors(spaces.to_json())
        for spaces in (agent.spaces, envs.spaces)
    )
    if differing := config_lib.differing(there, here):
        raise ValueError(
            f"{envs.name} has other spaces than the agent was trained on: {'; '.join(differing)}"
        )


def summary(ended: list[driver.Episode]) -> dict[str, Any]:
    """Returns number, mean, deviation, every return and length of episodes, as JSON values."""
    scores = np.array([episode.score for episode in ended])
    std = float(scores.std(ddof=1)) if len(scores) > 1 else 0.0
    return {
        "episodes": len(ended),
        "mean": float(scores.mean()),
        "std": std,
        "standard_error": std / len(scores) ** 0.5,
        "returns": [float(score) for score in scores],
        "lengths": [episode.length for episode in ended],
    }


def write_json(result: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Writes a result of `evaluate`, in folders that are made where they are missing."""
    target = pathlib.Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n")
