"""Plays a shipped policy or a run: `python -m launch.evaluate --policy=dreamerv2/catch --video=out.gif`.

A run of your own: `--logdir=runs/dreamerv2/zoo-Catch-v0/catch/seed0`.
"""

import launch.origin  # noqa: F401

import json
import pathlib
from typing import cast

from absl import flags

from agents import evaluation, policy, registry
from agents.api import Mode
from launch import app, tensorflow_log

_LOGDIR = flags.DEFINE_string("logdir", None, "Folder of the run.")
_POLICY = flags.DEFINE_string(
    "policy", None, "A shipped policy, AGENT/NAME; 'list' shows them."
)
_EPISODES = flags.DEFINE_integer(
    "episodes",
    None,
    "Whole episodes to play; 10 of a run, 4 of a policy, when not given.",
    lower_bound=1,
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
    from rich.console import Console
    from rich.progress import Progress

    if _POLICY.value == "list":
        print("\n".join(policy.shipped()))
        return
    folder = _folder()
    registry.read_config(folder)  # before TensorFlow takes its time
    episodes = _EPISODES.value or (4 if _POLICY.value else 10)
    tensorflow_log.load()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluating", total=episodes)
        result = evaluation.evaluate(
            folder,
            episodes=episodes,
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


def _folder() -> pathlib.Path:
    if bool(_LOGDIR.value) == bool(_POLICY.value):
        came = "both" if _LOGDIR.value else "neither"
        raise ValueError(
            f"{came} of --logdir and --policy came: give either --logdir, the folder of a run, or --policy, one of {', '.join(policy.shipped())}"
        )
    if _POLICY.value:
        return policy.find(_POLICY.value)
    return pathlib.Path(str(_LOGDIR.value))


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
