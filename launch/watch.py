"""Draws what goes on inside an agent in an episode: `python -m launch.watch --logdir=RUN --output=DIR`.

Or of a shipped policy: `--policy=merlin/memory-length`. Of MERLIN: what was read from which row of the memory, what was written
where, what was decoded, the return that was foretold, and how surprising each step was; a picture and a video.
"""

import launch.origin  # noqa: F401

import pathlib

from absl import flags

from agents import evaluation, policy, video, watching
from agents import settings as settings_lib
from agents.api import Mode
from launch import app, tensorflow_log

_LOGDIR = flags.DEFINE_string("logdir", None, "Folder of the run.")
_POLICY = flags.DEFINE_string("policy", None, "A shipped policy, AGENT/NAME.")
_OUTPUT = flags.DEFINE_string("output", "watched", "Folder of picture and video.")
_ENV = flags.DEFINE_string("env", "", "Another environment with the same spaces.")
_SEED = flags.DEFINE_integer(
    "seed", evaluation.SEED, "Seeds environment and noise.", lower_bound=0
)
_MODE = flags.DEFINE_enum("mode", "greedy", ["greedy", "sample"], "How to act.")
_FPS = flags.DEFINE_integer("fps", 4, "Steps per second of the video.", lower_bound=1)


def main() -> None:
    """Plays, draws, writes."""
    source = _LOGDIR.value or _POLICY.value
    if not source or (_LOGDIR.value and _POLICY.value):
        raise ValueError(
            "one of --logdir and --policy is needed: who is to be watched?"
        )
    policy.locate(source)  # before TensorFlow takes its time
    tensorflow_log.load()
    evaluator = evaluation.Evaluator(source, _ENV.value)
    agent = evaluator.agent
    if not agent.can_watch:
        raise ValueError(
            f"{agent.name} has nothing to show of its inside; its episodes: "
            "python -m launch.evaluate --video"
        )
    envs = settings_lib.make_envs(evaluator.run, 1)
    try:
        watched = watching.watch(agent, envs, _SEED.value, _mode())
    finally:
        envs.close()
    report = agent.show(watched)
    folder = pathlib.Path(_OUTPUT.value)
    written = [
        video.write_picture(folder / f"{name}.png", picture)
        for name, picture in report.pictures.items()
    ]
    written += [
        video.write_video(folder / name, frames, _FPS.value)
        for name, frames in report.videos.items()
    ]
    print(f"Return {watched.reward.sum():g} in {len(watched.reward) - 1} steps.")
    print("\n".join(f"  {path}" for path in written))


def _mode() -> Mode:
    return "sample" if _MODE.value == "sample" else "greedy"


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
