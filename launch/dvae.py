"""The discrete VAE, DALL-E's latent, and a prior of its codes: `python -m launch.dvae --data=mnist`.

Trains nets and codes through Gumbel-Softmax while the temperature falls and the KL's weight rises, then a Transformer on
the codes, and reports bits per dimension. With --compare it trains the same sizes as a VQ-VAE too and writes both into
one table. The same command resumes either.
"""

import launch.origin  # noqa: F401

import dataclasses
import pathlib
from typing import Any

from absl import flags

from agents.dvae.config import PRESETS, DVAEConfig
from launch import app, codes, codes_table, jobs

_COMPARE = flags.DEFINE_bool(
    "compare", False, "Train a VQ-VAE of the same sizes as well; a table of both."
)
_SEEDS = flags.DEFINE_list("seeds", ["0"], "With --compare: seeds of each model.")
_WORKERS = flags.DEFINE_integer(
    "workers", 0, "With --compare: processes at a time; 0: one per core.", lower_bound=0
)
_OUTPUT = flags.DEFINE_string(
    "output", "", "With --compare: where the table goes; empty: beside its runs."
)
codes.define_flags(DVAEConfig, PRESETS)


def model() -> type:
    """Loads TensorFlow and returns the model."""
    from agents.dvae.model import DVAE

    return DVAE


def compare() -> None:
    """Trains what is missing of both models, and writes the table."""
    values = flags.FLAGS
    chosen = codes.settings("dvae", DVAEConfig, PRESETS)
    parts = pathlib.Path(chosen.run.logdir).parts
    folder = pathlib.Path(values.logdir or pathlib.Path("runs/dvae/compare", *parts[2:4]))  # fmt: skip
    # Settings and data that do not fit are told here, and frames are collected once for all runs.
    run: Any = dataclasses.replace(chosen.run, logdir=str(folder))
    codes.data(run, chosen.config.check_size)
    plan = codes_table.Plan(
        folder, run, chosen.config, tuple(int(seed) for seed in _SEEDS.value)
    )
    output = pathlib.Path(_OUTPUT.value) if _OUTPUT.value else folder
    codes_table.train(plan, output, _WORKERS.value or len(jobs.usable_cores()))


def main() -> None:
    """Runs what the flags say."""
    if _COMPARE.value:
        compare()
        return
    codes.fit(codes.settings("dvae", DVAEConfig, PRESETS), model)


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
