"""`make demo`: DreamerV2 learns Catch within minutes, and leaves a curve, an episode and a dream."""

import launch.origin  # noqa: F401

import pathlib
import time
from typing import Any

from absl import flags

import agents
from agents import score
from launch import app, figures, tensorflow_log

_LOGDIR = flags.DEFINE_string("logdir", "runs/demo", "Where the demo leaves its files.")
_STEPS = flags.DEFINE_integer("env_steps", 8_000, "Environment steps to train.")
_EPISODES = flags.DEFINE_integer("episodes", 100, "Episodes of the final evaluation.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed.")

RANDOM = -0.6  # exact: three of fifteen balls are caught by chance
BAR = 0.5
SETTINGS = {
    "env": "zoo:Catch-v0",
    "preset": "catch",
}

_BEFORE = """DreamerV2 learns Catch: a ball falls, a paddle of one pixel must be under it when it lands.
It sees only the picture; the reward, +1 or -1, comes with the last of nine steps. Acting at random scores {random},
perfect play 1.0. It first plays at random, then learns a model of the game, and a policy from what the model dreams.
This takes a few minutes. Ctrl-C stops it, `make demo` goes on.
"""


def main() -> None:
    """Trains, evaluates, draws."""
    logdir = pathlib.Path(_LOGDIR.value)
    print(_BEFORE.format(random=RANDOM))
    tensorflow_log.load()
    start = time.monotonic()
    agents.train(
        "dreamerv2",
        **SETTINGS,
        env_steps=_STEPS.value,
        seed=_SEED.value,
        logdir=str(logdir),
    ).close()
    result = agents.evaluate(
        logdir, episodes=_EPISODES.value, video_path=str(logdir / "episode.gif")
    )
    wall_s = time.monotonic() - start
    write_score(logdir, result)
    curve = figures.plot_curve(
        logdir / "metrics.jsonl",
        logdir / "curve.png",
        "DreamerV2 on Catch",
        {"random": RANDOM, "perfect": 1.0},
    )
    dreams = sorted((logdir / "videos").glob("dream*"), key=_step_of)
    print(
        f"\nCatch: {result['mean']:.2f} over {result['episodes']} fresh episodes (random {RANDOM}, perfect 1.0), "
        f"in {wall_s / 60:.1f} minutes."
    )
    print(f"  curve    {curve}\n  episode  {logdir / 'episode.gif'}")
    if dreams:
        print(f"  dream    {dreams[-1]}  (first 5 frames seen, the rest imagined)")
    if result["mean"] < BAR:
        raise SystemExit(
            f"expected at least {BAR}: please report this with `python -m launch.doctor`"
        )


def write_score(logdir: pathlib.Path, result: dict[str, Any]) -> None:
    """Writes score.json into the logdir."""
    content = score.score(
        "demo",
        logdir,
        "make demo",
        [score.seed_result(logdir, result)],
        random=RANDOM,
        bar=BAR,
        notes=f"{result['episodes']} fresh evaluation episodes, {result['mode']}.",
    )
    score.write(logdir / "score.json", content)


def _step_of(path: pathlib.Path) -> int:
    return int(path.stem.rsplit("-", 1)[1])


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
