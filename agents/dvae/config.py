"""Settings of the discrete VAE, the first stage of DALL-E, and the presets that set them with the run's.

Numbers: Ramesh et al. 2021 (arXiv 2102.12092), appendix A.2. Schedules count updates.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from agents import schedule
from agents.config import check_positive, option
from agents.vqvae.config import (
    ATARI_SIZES,
    DEBUG_SIZES,
    MNIST_SIZES,
    CodesConfig,
)


@dataclasses.dataclass(frozen=True)
class DVAEConfig(CodesConfig):
    """Everything that shapes a dVAE and its learning."""

    # Open: the paper says 'cosine'; cosine_quarter is the other shape that its readers took.
    temperature: str = option(
        "cosine(1, 0.0625, 150000)",
        "Of the relaxed codes, a schedule: cosine(...), cosine_quarter(...).",
        is_schedule=True,
    )
    # Open: the shape of the ramp; a straight line here.
    kl_weight: str = option(
        "warmup(5000, 6.6)",
        "Of the KL from the uniform prior, a schedule; 1 is a bound.",
        is_schedule=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("temperature", schedule.parse(self.temperature))


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Differs: frames of a game in place of 250 million pictures; the nets of our VQ-VAE, without the paper's max-pooling
    # and bottlenecks; whole shades, not logit-Laplace; neither weight decay nor averaged weights.
    "paper": {
        "data": "atari:Pong",
        "grayscale": False,
        "frames": 20_000,
        "size": 256,
        "codes": 8192,
        "code_size": 128,
        "downsample": 8,
        "batch_size": 512,  # the paper's 64 GPUs had 8 each
        "prior_batch_size": 16,
        "learning_rate": "cosine(1e-4, 1.25e-6, 1200000)",
        "updates": 4_000_000,
        "code_updates": 3_000_000,
        "eval_every": 50_000,
    },
    "mnist": MNIST_SIZES
    | {"temperature": "cosine(1, 0.0625, 8000)", "kl_weight": "warmup(2000, 1)"},
    "atari": ATARI_SIZES
    | {"temperature": "cosine(1, 0.0625, 4000)", "kl_weight": "warmup(1000, 1)"},
    "debug": DEBUG_SIZES
    | {"temperature": "cosine(1, 0.0625, 80)", "kl_weight": "warmup(40, 1)"},
}
