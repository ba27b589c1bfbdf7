"""Table 1 of the Gumbel-Softmax paper: `python -m launch.gumbel_softmax --task=vae --estimator=gumbel_softmax`.

Trains one cell, a task, a kind of latent and an estimator, on binarised MNIST, and evaluates it. With --table it
trains the whole of Table 1, cell by cell, and writes it beside the paper's. The same command resumes either.
"""

import launch.origin  # noqa: F401

import dataclasses

from absl import flags

from agents import config as config_lib
from agents import datasets, fitting
from agents.fitting import Fit, FitConfig
from agents.gumbel_softmax.config import PRESETS, GumbelSoftmaxConfig
from launch import app, tensorflow_log

_PRESET = flags.DEFINE_string(
    "preset", "small", f"One of {', '.join(PRESETS)}; 'a,b' lays b over a."
)
_FRESH = flags.DEFINE_bool(
    "fresh", False, "Start over in the logdir: what a run left there is removed."
)
for _field in (
    *dataclasses.fields(FitConfig),
    *dataclasses.fields(GumbelSoftmaxConfig),
):
    app.define_field(_field)


def settings() -> Fit:
    """Resolves the flags: the preset, then what is on the command line."""
    given = app.given(FitConfig, GumbelSoftmaxConfig)
    values = config_lib.overlay(PRESETS, _PRESET.value) | given
    of_run = config_lib.names(FitConfig)
    run, config = (
        config_lib.resolve(
            cls, {k: v for k, v in values.items() if (k in of_run) is mine}
        )
        for cls, mine in ((FitConfig, True), (GumbelSoftmaxConfig, False))
    )
    if not run.logdir:
        run = dataclasses.replace(run, logdir=default_logdir(run, config))
    return Fit("gumbel_softmax", run, config, _FRESH.value)


def default_logdir(run: FitConfig, config: GumbelSoftmaxConfig) -> str:
    """Returns runs/gumbel_softmax/TASK-LATENT/ESTIMATOR/lrRATE/seedN."""
    cell = f"{config.task}-{config.latent}/{config.estimator}"
    return f"runs/gumbel_softmax/{cell}/lr{config.learning_rate:g}/seed{run.seed}"


def main() -> None:
    """Runs what the flags say."""
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
