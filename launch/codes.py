"""What the launchers of models with codes share: their flags, data, settings and folders."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

from absl import flags

from agents import config as config_lib
from agents import datasets, fitting, frames
from agents.config import Presets
from agents.datasets import Images
from agents.fitting import Fit
from agents.vqvae.config import MNIST, CodesConfig, ImagesFitConfig
from launch import app, tensorflow_log

flags.disclaim_key_flags()  # what is defined here belongs to the launcher that asks


def define_flags(config: type[CodesConfig], presets: Presets) -> None:
    """Defines a flag for every setting of the run and of the model."""
    names = ", ".join(presets)
    flags.DEFINE_string(
        "preset",
        "",
        f"One of {names}; 'a,b' lays b over a. Empty: mnist, or atari for frames.",
    )
    flags.DEFINE_bool(
        "fresh", False, "Start over in the logdir: what a run left there is removed."
    )
    for field in (*dataclasses.fields(ImagesFitConfig), *dataclasses.fields(config)):
        app.define_field(field)


def preset() -> str:
    """Returns the preset of the flags; where none is given, that of the data."""
    values = flags.FLAGS
    return values.preset or ("mnist" if values.data == MNIST else "atari")


def settings(model: str, config: type[CodesConfig], presets: Presets) -> Fit:
    """Resolves the flags: the preset, then what is on the command line.

    Raises:
        ValueError: On unknown names or values, sizes that do not fit, or stages without updates.
    """
    given = app.given(ImagesFitConfig, config)
    values = config_lib.overlay(presets, preset()) | given
    of_run = config_lib.names(ImagesFitConfig)
    run = config_lib.resolve(
        ImagesFitConfig, {k: values[k] for k in values if k in of_run}
    )
    chosen: Any = config_lib.resolve(
        config, {k: values[k] for k in values if k not in of_run}
    )
    if not 0 < chosen.code_updates < run.updates:
        raise ValueError(
            f"code_updates={chosen.code_updates} came with updates={run.updates}, but each stage needs some: the first "
            "--code_updates of all --updates train the codes, the rest the prior"
        )
    side = datasets.SIDE if run.data == MNIST else run.size
    chosen.check_size((side, side))
    if not run.logdir:
        data = "".join(c if c.isalnum() else "-" for c in run.data)
        name = preset().replace(",", "-")
        logdir = f"runs/{model}/{data}/{name}/seed{run.seed}"
        run = dataclasses.replace(run, logdir=logdir)
    return Fit(model, run, chosen, flags.FLAGS.fresh)


def data(run: ImagesFitConfig, check: frames.Check) -> Images:
    """Loads the images, and collects them first where they are frames that nobody collected.

    Args:
        run: The settings of the run.
        check: Called with the images' shape, before they are collected.
    """
    if run.data == MNIST:
        return datasets.binarized_images(run.data_dir)
    folder = pathlib.Path(run.data_dir or run.logdir)
    # The data is the same for every seed of the model.
    return frames.load(
        run.data, folder, run.frames, run.size, run.grayscale, seed=0, check=check
    )


def fit(chosen: Fit, load_model: Callable[[], Any]) -> None:
    """Trains a model as settings say: data, then TensorFlow, then the run."""
    run: Any = chosen.run
    if not flags.FLAGS.preset:
        print(f"Taking the preset {preset()} for {run.data}; --preset chooses another.")
    images = data(run, chosen.config.check_size)
    chosen.config.check_size(images.train.shape[1:])
    tensorflow_log.load()
    fitting.fit(chosen, images, functools.partial(load_model(), levels=images.levels))
