"""`make pong`: twenty minutes of Pong on two cores, and what they can show."""

import launch.origin  # noqa: F401

import json
import pathlib
from typing import Any

import numpy as np
from absl import flags

import agents
from agents import score
from launch import app, tensorflow_log

_LOGDIR = flags.DEFINE_string("logdir", "runs/pong", "Where the run leaves its files.")
_MINUTES = flags.DEFINE_float(
    "minutes", 17.0, "Minutes of training; run again to go on."
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed.")

BATCHES = 40
SETTINGS = {
    "env": "atari:Pong",
    "preset": "atari_small",
    "mlp_layers": 2,
    "mlp_units": 200,
    "model_lr": 1e-3,
    "kl_scale": 0.02,
    "eval_every": 0,
}

_BEFORE = """DreamerV2 on Pong for about {minutes:.0f} minutes, from 64x64 gray pixels, with small nets.
What this shows: that the whole agent runs on the real emulator, and that its world model learns Pong: at the end its
open-loop prediction over 10 steps (it sees 5 frames, then dreams with its eyes shut) is compared with a prediction
that copies the last frame. It must beat the copy. Watch {logdir}/videos meanwhile: first comes the field, then where
ball and paddles usually are, which beats the copy already; that the dream follows them takes longer than this.
What it does not show: good play. The score stays near -21; leaving it takes millions of frames (published: -18 after
1 million, -9 after 2, +11 after 5), which is days on two cores and hours on a GPU.
"""


def main() -> None:
    """Trains for a while, then measures the dreams."""
    logdir = pathlib.Path(_LOGDIR.value)
    print(_BEFORE.format(minutes=_MINUTES.value, logdir=logdir))
    tensorflow_log.load()
    agent = agents.train(
        "dreamerv2",
        **SETTINGS,
        seed=_SEED.value,
        minutes=_MINUTES.value,
        logdir=str(logdir),
    )
    model, copy = open_loop_errors(agent)
    print_errors(model, copy)
    result = {
        "command": "make pong",
        "commit": score.commit(),
        "versions": score.versions(),
        "hardware": score.hardware(),
        "minutes": _MINUTES.value,
        "env_steps": agent.env_steps,
        "updates": agent.updates,
        "model_error": model.tolist(),
        "copy_error": copy.tolist(),
    }
    (logdir / "pong.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nDreams and episodes are in {logdir / 'videos'}.")


def open_loop_errors(agent: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean squared errors [10] of the model's dream and of a copy, over 40 batches of replayed sequences."""
    results = [agent.open_loop(agent.batch(1_000 + i)) for i in range(BATCHES)]
    model = np.mean([result.model_error for result in results], 0)
    return model, np.mean([result.copy_error for result in results], 0)


def print_errors(model: np.ndarray, copy: np.ndarray) -> None:
    """Prints a table and who is better."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Open-loop prediction of Pong: mean squared error x 10,000")
    for column in ("step", "world model", "copy of the last frame", "ratio"):
        table.add_column(column, justify="right")
    rows = [
        (str(i + 1), m, c) for i, (m, c) in enumerate(zip(model, copy, strict=True))
    ]
    for name, m, c in [*rows, ("mean", model.mean(), copy.mean())]:
        table.add_row(name, f"{m * 1e4:.2f}", f"{c * 1e4:.2f}", f"{m / c:.2f}")
    Console().print(table)
    better = "beats" if model.mean() < copy.mean() else "does not yet beat"
    print(f"Over 10 steps the world model {better} copying the last frame.")


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
