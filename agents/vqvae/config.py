"""Settings of models with grids of codes, of the VQ-VAE, and the presets that set them with the run's.

Numbers: van den Oord et al. 2017 (arXiv 1711.00937), section 4.1; Razavi et al. 2019 (arXiv 1906.00446), appendix A.
Schedules count updates.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from agents.config import option
from agents.fitting import FitConfig

MNIST = "mnist"


@dataclasses.dataclass(frozen=True)
class ImagesFitConfig(FitConfig):
    """A run of a model on pictures."""

    data: str = option(
        MNIST,
        "mnist (fixed binarisation), or an environment that shows pictures, as atari:Pong: frames of random play, "
        "collected once, and kept in --data_dir or in the logdir.",
    )
    frames: int = option(10_000, "Frames for training; a tenth more each to validate and test.", low=20)  # fmt: skip
    size: int = option(64, "Pixels a side of frames.", low=4)
    grayscale: bool = option(True, "Frames in shades of gray.")


@dataclasses.dataclass(frozen=True)
class CodesConfig:
    """What shapes nets, prior and learning of a model with grids of codes, whatever its bottleneck."""

    codes: int = option(512, "Entries of the codebook, K.", low=2)
    code_size: int = option(64, "Numbers per entry, D.", low=1)
    downsample: int = option(4, "Pixels a side that a code stands for.", (2, 4, 8, 16))
    levels: int = option(
        1, "Grids of codes: 2 puts one of half the size on top (VQ-VAE-2).", (1, 2)
    )
    channels: int = option(256, "Of convolutions.", low=2)
    residual_channels: int = option(256, "Inside residual blocks.", low=1)
    blocks: int = option(2, "Residual blocks per net.", low=0)
    batch_size: int = option(128, "Images per update, B.", low=1)
    learning_rate: str = option("2e-4", "Of Adam, a schedule.", is_schedule=True)
    clip: float = option(
        1e6,
        "Largest global norm of the first stage's gradients; the papers clip none.",
    )
    code_updates: int = option(
        250_000, "Updates of the first stage; the rest of --updates train the prior."
    )
    # Differs: the papers' priors are PixelCNNs with gates and attention.
    prior_width: int = option(512, "Of the prior's Transformer.", low=4)
    prior_layers: int = option(12, "Of the prior's Transformer.", low=1)
    prior_heads: int = option(8, "Of the prior's attention.", low=1)
    prior_batch_size: int = option(
        0, "Images per update of the prior, at most B; 0: B. Attention is large."
    )
    prior_learning_rate: str = option(
        "3e-4", "Of Adam, for the prior, a schedule of its own updates.", is_schedule=True
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.prior_width % self.prior_heads:
            raise ValueError(
                f"prior_width={self.prior_width} came, but a multiple of prior_heads={self.prior_heads} is expected"
            )

    def check_size(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError where images of this shape, [H, W, C], have no whole grid of codes."""
        unit = self.downsample * (2 if self.levels == 2 else 1)
        if shape[0] % unit or shape[1] % unit:
            raise ValueError(
                f"images of {shape[0]} x {shape[1]} pixels came, but multiples of {unit} are expected for "
                f"downsample={self.downsample} and levels={self.levels}: change one of these, or the size of the pictures, which --size scales from 32 pixels on"
            )


@dataclasses.dataclass(frozen=True)
class VQVAEConfig(CodesConfig):
    """Everything that shapes a VQ-VAE and its learning; defaults are the paper's."""

    commitment: float = option(0.25, "The weight of the commitment loss.")
    # Differs: the first paper trains its codebook by gradients, which `decay=0` does; averages are its appendix's.
    decay: float = option(
        0.99, "Of the averages that the codebook follows; 0: by gradients."
    )
    restart: float = option(
        0.1, "The share of an even usage below which a code moves; 0: never."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (("decay", self.decay), ("restart", self.restart)):
            if not value < 1:
                raise ValueError(
                    f"{name}={value} came, but a number below 1 is expected"
                )


_SMALL: dict[str, Any] = {
    "codes": 128,
    "code_size": 16,
    "channels": 64,
    "residual_channels": 32,
    "blocks": 1,
    "prior_width": 64,
    "prior_layers": 3,
    "prior_heads": 4,
}
# What both models have in common, so that their codes have the same budget.
MNIST_SIZES: dict[str, Any] = _SMALL | {
    "data": MNIST,
    "codes": 32,
    "learning_rate": "cosine(1e-3, 1e-4, 10000)",
    "prior_learning_rate": "cosine(1e-3, 1e-5, 14000)",
    "batch_size": 64,
    "updates": 24_000,
    "code_updates": 10_000,
    "eval_every": 4_000,
    "log_every": 500,
    "save_every": 2_000,
}
ATARI_SIZES: dict[str, Any] = _SMALL | {
    "data": "atari:Pong",
    # Small steps at the end: shades that never change are worth few bits where they are foretold exactly.
    "learning_rate": "cosine(1e-3, 1e-5, 5000)",
    "clip": 10.0,
    "prior_learning_rate": "cosine(1e-3, 1e-5, 2000)",
    "prior_layers": 2,
    "batch_size": 32,
    "updates": 7_000,
    "code_updates": 5_000,
    "eval_every": 2_000,
    "log_every": 200,
    "save_every": 1_000,
}
DEBUG_SIZES: dict[str, Any] = {
    "codes": 8,
    "code_size": 4,
    "channels": 8,
    "residual_channels": 4,
    "blocks": 1,
    "batch_size": 8,
    "learning_rate": "3e-3",
    "prior_learning_rate": "3e-3",
    "prior_width": 8,
    "prior_layers": 1,
    "prior_heads": 2,
    "updates": 120,
    "code_updates": 80,
    "eval_every": 60,
    "log_every": 20,
    "save_every": 60,
}
_LONG: dict[str, Any] = {
    "data": "atari:Pong",
    "grayscale": False,
    "frames": 20_000,
    "eval_every": 50_000,
}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Differs: the papers' images are ImageNet's; these are as large, frames of a game.
    "paper": _LONG | {"size": 128, "updates": 500_000, "prior_batch_size": 32},
    "paper2": _LONG
    | {
        "size": 256,
        "levels": 2,
        "channels": 128,
        "residual_channels": 64,
        "updates": 4_200_000,
        "code_updates": 2_200_000,
        "prior_batch_size": 2,
    },
    "mnist": MNIST_SIZES,
    "atari": ATARI_SIZES,
    "vqvae2": ATARI_SIZES | {"levels": 2},
    "debug": DEBUG_SIZES,
}
