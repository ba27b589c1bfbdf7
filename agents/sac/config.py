"""Settings of SAC, and their presets.

Numbers: Haarnoja et al. 2018 (arXiv 1812.05905), table 1; Christodoulou 2019 (arXiv 1910.07207), table 2. Steps count
environment steps.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from agents import schedule
from agents.config import (
    check_positive,
    no_ablations,
    option,
    positive_numbers,
)

ESTIMATORS = ("exact", "gumbel_softmax", "st_gumbel_softmax", "straight_through")


@dataclasses.dataclass(frozen=True)
class SACConfig:
    """Defaults are those of the preset paper."""

    estimator: str = option(
        "exact",
        "How the gradient of the critics reaches a policy of choices: expected over all actions, or through a sample.",
        ESTIMATORS,
        names_run=True,
    )
    temperature: str = option(
        "1.0",
        "Temperature of the sample's relaxation; may be a schedule.",
        is_schedule=True,
    )
    critic: str = option(
        "mlp",
        "How the critics read a choice's code: as an input beside the observation, or as what weighs one output per action.",
        ("mlp", "linear"),
    )
    precision: str = option(
        "float32",
        "Compute type of the image nets; all else is float32.",
        ("float32", "bfloat16", "auto"),
    )
    jit_compile: bool = option(False, "Compile the update with XLA.")

    channels: str = option(
        "16,32,32", "Of the sections of the image net, images of 32 pixels a side on."
    )
    image_depth: int = option(32, "Channels of the net of smaller images.", low=1)
    image_layers: int = option(2, "Convolutions of that net.", low=1)
    image_units: int = option(256, "Units that come of an image.", low=1)
    hidden: int = option(256, "Units of the hidden layers.", low=1)
    hidden_layers: int = option(2, "Hidden layers of actor and critics.", low=1)

    discount: float = option(0.99, "Discount, gamma.")
    reward_scale: float = option(1.0, "Factor of rewards before learning.")
    entropy_share: str = option(
        "0.98",
        "Entropy wanted of choices, as a share of that of uniform ones; may be a schedule.",
        is_schedule=True,
    )
    entropy_per_action: float = option(
        -1.0, "Entropy wanted of each real number of an action, nats.", low=-math.inf
    )
    entropy_scale: float = option(1.0, "Weight of the entropy at first, alpha.")
    entropy_lr: float = option(
        3e-4, "Learning rate of that weight; 0: it stays as it is."
    )
    actor_lr: float = option(3e-4, "Learning rate of the actor.")
    critic_lr: float = option(3e-4, "Learning rate of critics and encoder.")
    adam_epsilon: float = option(1e-7, "Adam's epsilon.")
    clip: float = option(
        1e6, "Largest global norm of a gradient; the paper clips none."
    )
    target_rate: float = option(
        0.005, "Share by which the target critics follow at each update."
    )

    replay_capacity: int = option(1_000_000, "Rows kept, over all environments.", low=1)
    replay_sampling: str = option(
        "steps",
        "Windows uniform over rows, or over episodes first.",
        ("steps", "episodes"),
    )
    prioritize_ends: bool = option(
        False, "With 'episodes', draw the last window of an episode more often."
    )
    batch_size: int = option(256, "Windows per batch, B.", low=1)
    batch_length: int = option(
        2, "Rows per window, one more than its transitions.", low=2
    )
    prefill: int = option(10_000, "Environment steps with random actions at first.")
    pretrain: int = option(0, "Updates made when the prefill is done.")
    train_every: float = option(1.0, "Environment steps per update after that.")

    @property
    def units(self) -> tuple[int, ...]:
        """Sizes of the hidden layers."""
        return (self.hidden,) * self.hidden_layers

    def sections(self) -> tuple[int, ...]:
        """Returns `channels` as numbers; ValueError where they are none."""
        return positive_numbers("channels", self.channels)

    def __post_init__(self) -> None:
        self.sections()
        check_positive("temperature", schedule.parse(self.temperature))
        if schedule.parse(self.entropy_share).bounds()[1] > 1:
            raise ValueError(
                f"entropy_share={self.entropy_share} came, but no policy has more entropy than a uniform one: at most 1"
            )
        if not self.target_rate <= 1:
            raise ValueError(
                f"target_rate={self.target_rate} came, but a share is at most 1"
            )
        if not self.entropy_scale > 0:
            raise ValueError(
                f"entropy_scale={self.entropy_scale} came, but its logarithm is learned: give a positive number, such "
                "as 1e-8 for almost none, with --entropy_lr=0"
            )
        if not self.train_every > 0:
            raise ValueError(
                f"train_every={self.train_every} came, but a number above 0 is expected"
            )


_RUN = {"eval_every": 5_000, "save_every": 10_000, "video_every": 0}

# Field names are those of SACConfig and of agents.training.RunConfig.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Haarnoja et al. 2018: states and real numbers.
    "paper": {
        "env": "gym:HalfCheetah-v5",
        "env_steps": 1_000_000,
        "eval_every": 10_000,
        "save_every": 50_000,
        "video_every": 0,
    },
    # Christodoulou 2019: pictures and choices.
    # Differs: its image net is IMPALA's, and its target critics follow slowly.
    "atari": {
        "env": "atari:Pong",
        "critic": "linear",
        "env_options": "size=84",
        "env_steps": 5_000_000,
        "eval_every": 100_000,
        "save_every": 100_000,
        "video_every": 0,
        "hidden": 512,
        "hidden_layers": 1,
        "batch_size": 64,
        "prefill": 20_000,
        "train_every": 4.0,
    },
    "cartpole": _RUN
    | {
        "env": "gym:CartPole-v1",
        "critic": "linear",
        "num_envs": 8,
        "env_steps": 50_000,
        "hidden": 64,
        "batch_size": 64,
        "prefill": 1_000,
        "entropy_share": "0.2",
        "entropy_scale": 0.01,
        # Returns near 100 are learned slowly by a small net.
        "reward_scale": 0.05,
        "actor_lr": 1e-3,
        "critic_lr": 1e-3,
        "entropy_lr": 1e-3,
        "target_rate": 0.03,
        "train_every": 2.0,
        "replay_capacity": 50_000,
    },
    "pendulum": _RUN
    | {
        "env": "gym:Pendulum-v1",
        "env_steps": 20_000,
        "hidden": 128,
        "batch_size": 128,
        "prefill": 1_000,
        "actor_lr": 1e-3,
        "critic_lr": 1e-3,
        "entropy_lr": 1e-3,
        "target_rate": 0.01,
        "train_every": 2.0,
        "replay_capacity": 50_000,
    },
    "minatar": _RUN
    | {
        "env": "minatar:Breakout-v1",
        "critic": "linear",
        "num_envs": 8,
        "env_steps": 300_000,
        "eval_every": 25_000,
        "save_every": 50_000,
        "image_depth": 16,
        "image_layers": 1,
        "image_units": 128,
        "hidden": 128,
        "hidden_layers": 1,
        "batch_size": 64,
        "prefill": 5_000,
        "entropy_share": "0.3",
        "entropy_scale": 0.05,
        "target_rate": 0.01,
        "train_every": 4.0,
        "replay_capacity": 100_000,
    },
    "debug": {
        "hidden": 8,
        "image_depth": 2,
        "image_units": 4,
        "channels": "2,3",
        "batch_size": 4,
        "prefill": 40,
        "replay_capacity": 500,
        "env_steps": 80,
        "log_every": 20,
        "save_every": 40,
        "eval_every": 40,
        "eval_episodes": 1,
        "video_every": 40,
    },
}

ablate = no_ablations
