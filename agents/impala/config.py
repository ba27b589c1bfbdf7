"""Settings of IMPALA, and their presets.

Numbers: Espeholt et al. 2018 (arXiv 1802.01561), tables D.1 to D.3 and G.1. Steps count environment steps.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from agents.config import no_ablations, option, positive_numbers

REWARDS = ("identity", "unit", "asymmetric")


@dataclasses.dataclass(frozen=True)
class IMPALAConfig:
    """Defaults are those of the preset paper."""

    precision: str = option(
        "float32",
        "Compute type of the image nets; all else is float32.",
        ("float32", "bfloat16", "auto"),
    )
    jit_compile: bool = option(False, "Compile the update with XLA.")
    length: int = option(20, "Steps per window, T.", low=1)

    channels: str = option(
        "16,32,32", "Of the sections of the image net, images of 32 pixels a side on."
    )
    image_depth: int = option(32, "Channels of the net of smaller images.", low=1)
    image_units: int = option(256, "Units that come of an image.", low=1)
    vector_units: int = option(64, "Units of the two layers that read vectors.", low=1)
    layer_norm: bool = option(
        False, "Layer norm of encoded observations: those of small images are tiny."
    )
    lstm_units: int = option(256, "Units of the LSTM.", low=1)
    policy_units: int = option(
        0, "Hidden units of the policy's branches and of the value; 0: none."
    )

    discount: float = option(0.99, "Discount, gamma.")
    vtrace_lambda: float = option(
        1.0, "Lambda in the traces of V-trace: 1 looks to the window's end."
    )
    clip_rho: float = option(1.0, "Largest importance weight of V-trace's errors.")
    clip_c: float = option(1.0, "Largest importance weight of V-trace's traces.")
    reward_transform: str = option(
        "unit",
        "Of rewards before learning: as they are, cut to [-1, 1], or 0.3 min(tanh r, 0) + 5 max(tanh r, 0).",
        REWARDS,
    )
    reward_scale: float = option(
        1.0,
        "Factor of rewards after that: large returns drown the policy in the value's loss.",
    )
    value_scale: float = option(0.5, "Weight of the value's loss.")
    entropy_scale: str = option(
        "0.01", "Weight of the policy's entropy; may be a schedule.", is_schedule=True
    )

    rule: str = option("rmsprop", "Which optimizer.", ("rmsprop", "adam"))
    learning_rate: str = option(
        "linear(6e-4, 0, 50e6)", "Its step size; may be a schedule.", is_schedule=True
    )
    epsilon: float = option(0.01, "Its epsilon.")
    clip: float = option(40.0, "Largest global norm of a gradient.")
    # Differs where False: the paper sums losses over the window and its rows; means do not depend on their number.
    sum_losses: bool = option(True, "Sum the losses over the window; else their mean.")

    @property
    def prefill(self) -> int:
        """No step is random."""
        return 0

    def sections(self) -> tuple[int, ...]:
        """Returns `channels` as numbers; ValueError where they are none."""
        return positive_numbers("channels", self.channels)

    def __post_init__(self) -> None:
        self.sections()


_RUN = {"log_every": 5_000, "eval_every": 50_000, "save_every": 50_000}

# Nets for two cores. Losses are means and the optimizer is Adam, so that one set of numbers serves all sizes.
_SMALL = _RUN | {
    "num_envs": 16,
    "image_units": 128,
    "lstm_units": 128,
    "rule": "adam",
    "learning_rate": "1e-3",
    "epsilon": 1e-8,
    "clip": 1.0,
    "sum_losses": False,
    "reward_transform": "identity",
    "video_every": 0,
}

# Field names are those of IMPALAConfig and of agents.training.RunConfig.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Differs: one process with a batch of environments; --actors=N has others act for it.
    "paper": {
        "num_envs": 32,
        "env_steps": 50_000_000,
        "log_every": 20_000,
        "eval_every": 1_000_000,
        "save_every": 500_000,
        "video_every": 1_000_000,
    },
    "vector": _SMALL
    | {
        "env": "gym:CartPole-v1",
        "env_steps": 300_000,
        "lstm_units": 64,
        "entropy_scale": "0.001",
        "learning_rate": "linear(2e-3, 0, 300e3)",
        "reward_scale": 0.03,
    },
    "minatar": _SMALL
    | {
        "env": "minatar:Breakout-v1",
        "num_envs": 32,
        "env_steps": 1_000_000,
        "length": 5,
        "image_depth": 16,
        # Differs: planes of 0 and 1 come out of a new net as tiny numbers.
        "layer_norm": True,
    },
    "debug": {
        "image_units": 4,
        "image_depth": 2,
        "channels": "2,3",
        "vector_units": 4,
        "lstm_units": 4,
        "length": 5,
        "num_envs": 2,
        "env_steps": 80,
        "log_every": 20,
        "save_every": 40,
        "eval_every": 40,
        "eval_episodes": 1,
        "video_every": 40,
    },
}

ablate = no_ablations
