"""Settings of FTW, and their presets.

Numbers: Jaderberg et al. 2019 (arXiv 1807.01281), figure S10 of the supplement for sizes; where no copy of its prose is at
hand, those of others who built it. Steps count the steps of all players together.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from agents import schedule
from agents.config import ablated, option
from agents.impala.config import IMPALAConfig

# Open: the paper's own game points are not at hand; captures weigh most, good events count up and bad ones down.
# Order: that of envs.ctf_rules.EVENTS.
EVENT_WEIGHTS = "-0.3,-0.1,1,0.3,0.3,0.5,0.1,0.1,0.4,0.1,-1,-0.2,-0.2"


@dataclasses.dataclass(frozen=True)
class FTWConfig(IMPALAConfig):
    """Defaults are those of the preset paper. A population changes the weights, the rate, the period and the rewards."""

    length: int = option(100, "Steps per window, T.", low=1)
    image_depth: int = option(
        32,
        "Channels of the image net's first layer, and of the net of smaller images.",
        low=1,
    )
    policy_units: int = option(
        256, "Hidden units of the policy's branches and of the value; 0: none."
    )
    reward_transform: str = option(
        "identity", "Of rewards before learning, when they are the environment's."
    )
    entropy_scale: str = option("3e-3", "Weight of the policy's entropy.")
    rule: str = option("rmsprop", "Which optimizer.", ("rmsprop", "adam"))
    learning_rate: str = option("1e-4", "Its step size.")
    epsilon: float = option(1e-5, "Its epsilon.")
    # Open: whether the paper sums or averages.
    sum_losses: bool = option(False, "Sum the losses over the window; else their mean.")

    hierarchy: bool = option(
        True, "Two timescales; else one LSTM, as the paper's baselines have."
    )
    latent: int = option(256, "Latent variables, |z|.", low=1)
    period: int = option(10, "Steps between those of the slow network, tau.", low=1)
    slow_gradient: float = option(
        1.0, "Factor of the gradient from the fast to the slow network."
    )
    slots: int = option(450, "Rows of the memory; 0: none.")
    slot_width: int = option(32, "Numbers per row.", low=1)
    read_heads: int = option(4, "Reads per step and network.", low=1)
    kl_scale: float = option(0.03, "Weight of KL(Q || P), the fast from the slow.")
    prior_scale: float = option(
        3e-3, "Weight of KL(P || N(0, 0.1^2)) at the slow network's steps."
    )

    rewards: str = option(
        "events",
        "What is learned from: weighted game events, or the environment's own reward.",
        ("events", "env"),
    )
    event_weights: str = option(
        EVENT_WEIGHTS, "Internal reward of each event, by comma."
    )

    pixel_scale: float = option(0.03, "Weight of pixel control; 0: none.")
    pixel_discount: float = option(0.9, "Its discount.")
    pixel_crop: int = option(80, "Central pixels a side that it controls.", low=1)
    pixel_cell: int = option(4, "Pixels a side of its cells.", low=1)
    prediction_scale: float = option(0.3, "Weight of reward prediction; 0: none.")

    population: int = option(
        1,
        "Members that play each other and evolve; 1: self-play.",
        low=1,
        names_run=True,
    )
    exploits: str = option(
        "auto",
        "Whether weak members copy strong ones; 'auto': where there are several.",
        ("auto", "on", "off"),
    )
    burn_in: int = option(
        1000, "Games of a member before it may copy another, and between.", low=1
    )
    exploit_below: float = option(
        0.3, "A member copies another that it beats with a lower probability."
    )
    mutation_rate: float = option(
        0.05, "Probability that a number changes when it is copied."
    )
    elo_step: float = option(8.0, "Elo points that a game between equals moves.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weights()
        for name in ("entropy_scale", "learning_rate"):
            curve = schedule.parse(getattr(self, name))
            if curve(0) != curve(10**12):
                raise ValueError(
                    f"{name}={getattr(self, name)!r} came; expected a number: a population changes it, no schedule"
                )
        if self.exploits == "on" and self.population == 1:
            raise ValueError(
                "exploits=on came with population=1, which has nobody to copy: take population=2 or more, or exploits=auto"
            )
        for name in ("exploit_below", "mutation_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"{name}={getattr(self, name)} came; expected a probability, 0 to 1"
                )
        if not 0 <= self.slow_gradient <= 1:
            raise ValueError(
                f"slow_gradient={self.slow_gradient} came; expected 0 to 1"
            )
        if self.pixel_scale and self.pixel_crop % self.pixel_cell:
            raise ValueError(
                f"pixel_crop={self.pixel_crop} came, which cells of pixel_cell={self.pixel_cell} do not fill"
            )

    def weights(self) -> tuple[float, ...]:
        """Returns `event_weights` as numbers; ValueError where they are none."""
        try:
            found = tuple(float(part) for part in self.event_weights.split(","))
        except ValueError:
            found = (math.nan,)
        if not all(map(math.isfinite, found)):
            raise ValueError(
                f"event_weights={self.event_weights!r} came; expected numbers by comma, one for each event"
            )
        return found


_RUN = {"log_every": 20_000, "eval_every": 0, "save_every": 200_000}

# Field names are those of FTWConfig and of agents.training.RunConfig.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": _RUN
    | {
        "env": "ctf:large",
        "env_options": "rgb=true,factored=true,win_reward=true",
        "num_envs": 32,
        "env_steps": 1_000_000_000,
        "video_every": 10_000_000,
    },
    # Nets for two cores.
    "ctf": _RUN
    | {
        "env": "ctf:small",
        "env_options": "win_reward=true",
        "num_envs": 64,
        "env_steps": 10_000_000,
        # Short windows: many updates from few games. Longer ones cost as much per step and learn more slowly.
        "length": 10,
        "image_depth": 16,
        "image_units": 64,
        "vector_units": 32,
        # Differs: planes of 0 and 1 come out of a new net with a deviation of 0.03, less than the noise of the latents.
        "layer_norm": True,
        "lstm_units": 64,
        "policy_units": 0,
        "latent": 32,
        "slots": 0,
        "rule": "adam",
        "learning_rate": "1e-3",
        "epsilon": 1e-8,
        "clip": 1.0,
        # Events are rare: with rewards as they are, the entropy's weight drowns them.
        "reward_scale": 5.0,
        "entropy_scale": "0.003",
        "kl_scale": 1e-5,
        "prior_scale": 1e-6,
        "pixel_crop": 10,
        "pixel_cell": 2,
        "video_every": 1_000_000,
    },
    "debug": {
        "image_units": 4,
        "image_depth": 2,
        "vector_units": 4,
        "lstm_units": 4,
        "policy_units": 4,
        "latent": 3,
        "period": 3,
        "slots": 3,
        "slot_width": 2,
        "read_heads": 2,
        "length": 5,
        "pixel_crop": 10,
        "pixel_cell": 5,
        "num_envs": 4,
        "env_steps": 80,
        "log_every": 20,
        "save_every": 40,
        "eval_every": 0,
        "video_every": 0,
    },
}

# The paper's baselines: self-play with a plain LSTM, without auxiliary tasks, on the win signal alone.
ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "no_hierarchy": {"hierarchy": False},
    "no_auxiliary": {"pixel_scale": 0.0, "prediction_scale": 0.0},
    "no_internal_rewards": {"rewards": "env"},
}


def ablate(names: Iterable[str]) -> Mapping[str, Any]:
    """Returns the settings of the named ablations together; ValueError on an unknown one."""
    return ablated(ABLATIONS, names)
