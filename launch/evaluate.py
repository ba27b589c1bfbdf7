"""Evaluates a run: `python -m launch.evaluate --logdir=runs/dreamerv2/zoo-Catch-v0/minigrid/seed0`."""

import launch.origin  # noqa: F401

import json
import pathlib
from typing import cast

from absl import flags

from agents import evaluation, registry
from agents.api import Mode
from launch import app, tensorflow_log

_LOGDIR = flags.DEFINE_string("logdir", None, "Folder of the run.")
_EPISODES = flags.DEFINE_integer(
    "episodes", 10, "Whole episodes to play.", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 1_000_000, "Seeds environments and policy noise.")
_MODE = flags.DEFINE_enum(
    "mode", "greedy", ["greedy", "sample", "random"], "How to act."
)
_NUM_ENVS = flags.DEFINE_integer(
    "num_envs", 4, "Environments stepped together.", lower_bound=1
)
_ENV = flags.DEFINE_string("env", "", "Another environment with the same spaces.")
_VIDEO = flags.DEFINE_string(
    "video", "", "Write the first episode there: .mp4 or .gif."
)
_JSON = flags.DEFINE_string("json", "", "Write the result there; '-' prints it.")


def main() -> None:
    """Runs what the flags say."""
    from rich.progress import Progress

    if not _LOGDIR.value:
        raise ValueError("--logdir is missing: which run is to be evaluated?")
    registry.read_config(
        pathlib.Path(_LOGDIR.value)
    )  # before TensorFlow takes its time
    tensorflow_log.load()
    with Progress(transient=True) as progress:
        task = progress.add_task("evaluating", total=_EPISODES.value)
        result = evaluation.evaluate(
            _LOGDIR.value,
            episodes=_EPISODES.value,
            seed=_SEED.value,
            mode=cast(Mode, _MODE.value),
            num_envs=_NUM_ENVS.value,
            env=_ENV.value,
            video_path=_VIDEO.value,
            progress=lambda done: progress.update(task, completed=done),
        )
    if _JSON.value == "-":
        print(json.dumps(result, indent=2))
        return
    print(
        f"{result['env']} at step {result['env_steps']:,}: {result['mean']:.2f} "
        f"± {result['standard_error']:.2f} (standard error), {result['episodes']} episodes, {result['mode']}, "
        f"lengths {min(result['lengths'])} to {max(result['lengths'])}"
    )
    for path in result["video"]:
        print(f"video: {path}")
    if _JSON.value:
        evaluation.write_json(result, _JSON.value)


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
