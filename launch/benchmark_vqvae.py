"""The cases of `--suite=vqvae`: updates of both stages of VQ-VAE and dVAE, and pictures that are drawn from the prior.

Random bytes of the pictures' shapes: no file is needed. `MODEL/PRESET` are the presets for two cores; the `paper` presets have their
sizes with one picture per batch, so that an update fits into a small machine's memory.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from agents import config as config_lib
from agents.process import peak_bytes
from launch.measures import Row, machine_case, measured, times

_SMALL = tuple(f"{model}/{preset}" for model in ("vqvae", "dvae") for preset in ("mnist", "atari"))  # fmt: skip
_SAMPLES = 16


def model_case(name: str, **overrides: Any) -> Callable[[int], list[Row]]:
    """CPU and wall seconds of an update of each stage, updates per second, and seconds of sampling."""

    def case(repeats: int) -> list[Row]:
        model, images = _make(*name.split("/"), **overrides)
        found = []
        for stage, at in (("codes", 0), ("prior", model.config.code_updates)):
            model.updates = at
            cpu, wall = times(lambda: model.update(images)["loss"], repeats)
            found += [
                measured(f"{name}/{stage}_cpu", cpu * 1e3, "CPU ms"),
                measured(f"{name}/{stage}", 1 / wall, "updates/s", "higher"),
            ]
        if not overrides:  # as many passes through the prior as there are codes
            cpu, _ = times(lambda: model.sample(_SAMPLES).shape, max(1, repeats // 5))
            found.append(measured(f"{name}/sample_cpu", cpu / _SAMPLES, "CPU s/image"))
        return [
            *found,
            measured(f"{name}/peak_memory", peak_bytes() / 1e9, "GB"),
        ]

    return case


def _make(name: str, preset: str, **overrides: Any) -> tuple[Any, np.ndarray]:
    """A new model of a preset, and a batch of random bytes."""
    from agents.dvae import config as dvae
    from agents.dvae.model import DVAE
    from agents.vqvae import config as vqvae
    from agents.vqvae.model import VQVAE

    presets: Any = vqvae.PRESETS if name == "vqvae" else dvae.PRESETS
    cls, model = (vqvae.VQVAEConfig, VQVAE) if name == "vqvae" else (dvae.DVAEConfig, DVAE)  # fmt: skip
    values = {**presets[preset], **overrides}
    config: Any = config_lib.resolve(
        cls, {k: v for k, v in values.items() if k in config_lib.names(cls)}
    )
    run = config_lib.resolve(
        vqvae.ImagesFitConfig,
        {k: v for k, v in values.items() if k in config_lib.names(vqvae.ImagesFitConfig)},
    )  # fmt: skip
    bits = run.data == vqvae.MNIST
    shape = (28, 28, 1) if bits else (run.size, run.size, 1 if run.grayscale else 3)
    levels, rng = 2 if bits else 256, np.random.default_rng(0)
    images = rng.integers(levels, size=(config.batch_size, *shape), dtype=np.uint8)
    return model(config, images.mean(0), seed=0, levels=levels), images


CASES: dict[str, Callable[[int], list[Row]]] = {
    "machine": machine_case,
    **{name: model_case(name) for name in _SMALL},
    "vqvae/vqvae2": model_case("vqvae/vqvae2"),
    "vqvae/paper": model_case("vqvae/paper", batch_size=1),
    "dvae/paper": model_case("dvae/paper", batch_size=1),
}
