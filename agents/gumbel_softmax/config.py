"""Settings of the models of Table 1 of the Gumbel-Softmax paper, and the presets that set them with the run's.

Numbers: Jang et al. 2017 (arXiv 1611.01144), section 4. Schedules count updates.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from agents import schedule
from agents.config import check_positive, option

TASKS = ("sbn", "vae")
LATENTS = ("bernoulli", "categorical")
# The columns of the paper's table, then estimators that came after it. VIMCO has another objective, of several samples.
PAPER = (
    "score_function",
    "darn",
    "muprop",
    "straight_through",
    "slope_annealed_straight_through",
    "gumbel_softmax",
    "st_gumbel_softmax",
)
NEWER = ("nvil", "rloo", "reinmax", "disarm", "gumbel_rao", "rebar", "relax", "arm")
ESTIMATORS = PAPER + NEWER


@dataclasses.dataclass(frozen=True)
class GumbelSoftmaxConfig:
    """Everything that shapes a model and its learning; defaults are the paper's, or our choice where it is silent."""

    task: str = option(
        "sbn",
        "sbn: the lower half of a digit from the upper, by two stochastic layers; vae: the whole digit from one.",
        TASKS,
    )
    latent: str = option("bernoulli", "Bits, or classes.", LATENTS)
    estimator: str = option(
        "gumbel_softmax", "How gradients pass the latents.", ESTIMATORS
    )
    # Open: the paper chooses among six from 1e-5 to 3e-3 by validation and does not say which it took.
    learning_rate: float = option(1e-3, "Of SGD.", low=1e-8)
    momentum: float = option(0.9, "Of SGD.")
    # Open: not in the paper; the authors' notebooks have 100.
    batch_size: int = option(100, "Images per update, B.", low=1)
    temperature: str = option(
        "",
        "Of relaxed samples, a schedule; empty: 1 for sbn, anneal(1e-4, 0.5, 500) for vae.",
    )
    # Open: the paper gives no slopes; those of later users of the trick, an epoch being 500 updates.
    slope: str = option(
        "slope(500, 0.04, 5)",
        "Of the slope-annealed straight-through estimator.",
        is_schedule=True,
    )
    samples: int = option(
        0, "Samples per latent of rloo (0: 2) and gumbel_rao (0: 10).", low=0
    )
    control_learning_rate: float = option(
        1e-3, "Of Adam, for baselines and control variates.", low=1e-8
    )
    control_temperature: float = option(
        0.5, "Where the temperature of rebar and relax begins; it is learned.", low=1e-3
    )
    variables: int = option(
        0, "Latent variables per layer; 0: 200 bits, or 20 of classes.", low=0
    )
    classes: int = option(10, "Classes per latent variable.", low=2)
    units: int = option(
        200, "Units of the categorical VAE's deterministic layer.", low=1
    )
    # Open: the paper says 'sigmoid' of nets with bits only.
    activation: str = option(
        "sigmoid", "Of the deterministic layer.", ("sigmoid", "tanh", "relu")
    )
    # Open: the final version of the paper says learned, an earlier one uniform.
    prior: str = option("learned", "Of the VAE's latents.", ("learned", "uniform"))
    # Differs: the paper puts the KL of the sample into the objective; summed over classes it has less noise and is
    # the same for all estimators.
    kl: str = option(
        "analytic",
        "The VAE's KL: in closed form, or of the sample.",
        ("analytic", "sampled"),
    )

    def __post_init__(self) -> None:
        for name, curve in (
            ("temperature", self.temperature_schedule()),
            ("slope", self.slope_schedule()),
        ):
            check_positive(name, curve)

    def latent_variables(self) -> int:
        """Returns the number of latent variables per stochastic layer."""
        return self.variables or (200 if self.latent == "bernoulli" else 20)

    def temperature_schedule(self) -> schedule.Schedule:
        """Returns the temperature as a function of the update."""
        default = "1" if self.task == "sbn" else "anneal(1e-4, 0.5, 500)"
        return schedule.parse(self.temperature or default)

    def slope_schedule(self) -> schedule.Schedule:
        """Returns the slope as a function of the update."""
        return schedule.parse(self.slope)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Open: the number of updates is not in the paper; its figures run to about 500,000.
    "paper": {"updates": 500_000},
    "small": {"updates": 100_000},
    "debug": {
        "updates": 200,
        "batch_size": 20,
        "variables": 5,
        "classes": 3,
        "units": 10,
        "samples": 2,
        "eval_samples": 20,
        "eval_every": 100,
        "log_every": 50,
        "save_every": 100,
    },
}
