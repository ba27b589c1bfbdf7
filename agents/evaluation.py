"""Evaluation: whole episodes of a saved agent, fresh seeds, no learning."""

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any, get_args

import numpy as np

import envs as envs_lib
from agents import config as config_lib
from agents import driver, policy, registry, training, video
from agents.api import Agent, Mode, VectorEnv


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


def evaluate(
    folder: str | os.PathLike[str],
    *,
    episodes: int = 10,
    seed: int = 1_000_000,
    mode: Mode = "greedy",
    num_envs: int = 4,
    env: str = "",
    video_path: str = "",
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Evaluates the newest checkpoint of a run, or a policy.

    Args:
        folder: The run's logdir, a policy's folder, or the name of a shipped policy, as 'dreamerv2/catch'.
        episodes: Whole episodes to play.
        seed: Seeds environments and policy noise.
        mode: 'greedy' | 'sample' | 'random'.
        num_envs: Environments stepped together.
        env: Another environment with the same spaces; the run's own when empty.
        video_path: Writes the first episode of row 0 there (.mp4 or .gif).
        progress: Called with the number of episodes that ended.

    Returns:
        JSON values: mean, std, every return and length, and what was evaluated how.

    Raises:
        FileNotFoundError: If the folder holds no run, or no checkpoint yet.
        ValueError: On a bad argument, or an environment with other spaces.
    """
    _check_arguments(episodes, mode)
    path = policy.locate(folder)
    saved = registry.read_config(path)
    settings = saved.get("run", {}) | ({"env": env} if env else {})
    if "env" not in settings:
        raise ValueError(
            f"{path} was saved by `agent.save`, which knows no environment: name one with --env"
        )
    run: Any = config_lib.resolve(training.RunConfig, settings)
    envs_lib.check_name(run.env)
    agent = registry.load(path)
    envs = training.make_envs(run, min(num_envs, episodes))
    try:
        _check_spaces(envs, agent)
    except ValueError:
        envs.close()
        raise
    written: list[str] = []

    def write(frames: np.ndarray) -> None:
        if not written:
            picture = video.upscale(frames)
            written.append(str(video.write_video(video_path, picture)))

    try:
        ended = play(
            agent,
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
    return _summary(ended, run.env, agent, mode, seed) | {"video": written}


def _check_arguments(episodes: int, mode: str) -> None:
    if episodes < 1:
        raise ValueError(f"episodes={episodes} came, but at least 1 is expected")
    if mode not in get_args(Mode):
        raise ValueError(f"unknown mode {config_lib.near(mode, get_args(Mode))}")


def _check_spaces(envs: VectorEnv, agent: Agent) -> None:
    there, here = agent.spaces.to_json(), envs.spaces.to_json()
    if differing := config_lib.differing(there, here):
        raise ValueError(
            f"{envs.name} has other spaces than the agent was trained on: {'; '.join(differing)}"
        )


def _summary(
    ended: list[driver.Episode], env: str, agent: Agent, mode: str, seed: int
) -> dict[str, Any]:
    scores = np.array([episode.score for episode in ended])
    return {
        "agent": agent.name,
        "env": env,
        "env_steps": agent.env_steps,
        "updates": agent.updates,
        "mode": mode,
        "seed": seed,
        "episodes": len(ended),
        "mean": float(scores.mean()),
        "std": float(scores.std(ddof=1)) if len(scores) > 1 else 0.0,
        "standard_error": float(scores.std(ddof=1) / len(scores) ** 0.5)
        if len(scores) > 1
        else 0.0,
        "returns": [float(score) for score in scores],
        "lengths": [episode.length for episode in ended],
    }


def write_json(result: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Writes a result of `evaluate`."""
    pathlib.Path(path).write_text(json.dumps(result, indent=2) + "\n")
