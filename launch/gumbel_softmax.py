"""Table 1 of the Gumbel-Softmax paper: `python -m launch.gumbel_softmax --task=vae --estimator=gumbel_softmax`.

Trains one cell, a task, a kind of latent and an estimator, on binarised MNIST, and evaluates it. With --table it
trains the whole of Table 1, cell by cell, and writes it beside the paper's. The same command resumes either.
"""

import launch.origin  # noqa: F401

import dataclasses
import pathlib

from absl import flags

from agents import config as config_lib
from agents import datasets, fitting
from agents.fitting import Fit, SampledFitConfig
from agents.gumbel_softmax.config import (
    NEWER,
    PAPER,
    PRESETS,
    GumbelSoftmaxConfig,
)
from launch import app, gumbel_plan, gumbel_table, jobs, tensorflow_log

_PRESET = flags.DEFINE_string(
    "preset", "small", f"One of {', '.join(PRESETS)}; 'a,b' lays b over a."
)
_FRESH = flags.DEFINE_bool(
    "fresh", False, "Start over in the logdir: what a run left there is removed."
)
_TABLE = flags.DEFINE_bool(
    "table", False, "Train the whole of Table 1, cell by cell; --updates per cell."
)
_COLUMNS = flags.DEFINE_list(
    "columns", [*PAPER, *NEWER], "With --table: the estimators."
)
_ROWS = flags.DEFINE_list("rows", list(gumbel_plan.ROWS), "With --table: the models.")
_RATES = flags.DEFINE_list(
    "rates", ["3e-4", "1e-3", "3e-3"], "With --table: learning rates to choose from."
)
_SCREEN = flags.DEFINE_integer(
    "screen_updates", 20_000, "With --table: updates of the runs that choose."
)
_SEEDS = flags.DEFINE_list(
    "seeds", ["0", "1", "2"], "With --table: seeds of the headline cells."
)
_HEADLINE = flags.DEFINE_list(
    "headline",
    ["straight_through", "gumbel_softmax"],
    "With --table: the estimators that get all seeds.",
)
_WORKERS = flags.DEFINE_integer(
    "workers", 0, "With --table: processes at a time; 0: one per core.", lower_bound=0
)
_OUTPUT = flags.DEFINE_string(
    "output", "", "With --table: where it is written; empty: beside its runs."
)
_FOLDER = "runs/gumbel_softmax/table"
for _field in (
    *dataclasses.fields(SampledFitConfig),
    *dataclasses.fields(GumbelSoftmaxConfig),
):
    app.define_field(_field)


def settings() -> Fit:
    """Resolves the flags: the preset, then what is on the command line."""
    given = app.given(SampledFitConfig, GumbelSoftmaxConfig)
    values = config_lib.overlay(PRESETS, _PRESET.value) | given
    of_run = config_lib.names(SampledFitConfig)
    run = config_lib.resolve(
        SampledFitConfig, {k: values[k] for k in values if k in of_run}
    )
    config = config_lib.resolve(
        GumbelSoftmaxConfig, {k: values[k] for k in values if k not in of_run}
    )
    if not run.logdir:
        run = dataclasses.replace(run, logdir=default_logdir(run, config))
    return Fit("gumbel_softmax", run, config, _FRESH.value)


def default_logdir(run: SampledFitConfig, config: GumbelSoftmaxConfig) -> str:
    """Returns runs/gumbel_softmax/TASK-LATENT/ESTIMATOR/lrRATE/seedN."""
    cell = f"{config.task}-{config.latent}/{config.estimator}"
    return f"runs/gumbel_softmax/{cell}/lr{config.learning_rate:g}/seed{run.seed}"


def table() -> None:
    """Trains what is missing of the table, and writes it after every run."""
    values = flags.FLAGS
    unknown = set(_COLUMNS.value) - {*PAPER, *NEWER}
    if unknown:
        raise ValueError(f"--columns: {config_lib.near(min(unknown), PAPER + NEWER)}")
    datasets.binarized_mnist(values.data_dir)  # missing data is told at once
    overlaid = config_lib.overlay(PRESETS, _PRESET.value)
    passed = ("data_dir", "batch_size", "eval_samples", "valid_samples")
    folder = pathlib.Path(values.logdir or _FOLDER)
    output = pathlib.Path(_OUTPUT.value) if _OUTPUT.value else folder
    plan = gumbel_plan.Plan(
        folder=folder,
        updates=values.updates if values["updates"].present else overlaid["updates"],
        screen_updates=_SCREEN.value,
        rates=tuple(float(rate) for rate in _RATES.value),
        estimators=tuple(_COLUMNS.value),
        rows=tuple(_ROWS.value),
        headline=tuple(_HEADLINE.value),
        seeds=tuple(int(seed) for seed in _SEEDS.value),
        preset=_PRESET.value,
        flags=tuple(f"--{k}={values[k].value}" for k in passed if values[k].present),
        record=gumbel_plan.read_record(output),
    )
    gumbel_table.train(plan, output, _WORKERS.value or len(jobs.usable_cores()))


def main() -> None:
    """Runs what the flags say."""
    if _TABLE.value:
        table()
        return
    chosen = settings()
    data = datasets.binarized_mnist(chosen.run.data_dir)
    tensorflow_log.load()
    from agents.gumbel_softmax.model import GumbelSoftmaxModel

    fitting.fit(chosen, data, GumbelSoftmaxModel)


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
