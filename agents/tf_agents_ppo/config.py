"""Settings of PPO, and their presets."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from agents.config import no_ablations, option


@dataclasses.dataclass(frozen=True)
class PPOConfig:
    """Defaults are those of the preset vector."""

    precision: str = option("float32", "Compute type.", ("float32",))
    length: int = option(128, "Transitions per window and environment, T.", low=1)
    epochs: int = option(10, "Gradient steps on each window.", low=1)
    reward_transform: str = option(
        "identity", "Applied to rewards before learning.", ("identity", "sign")
    )
    dense_layers: int = option(2, "Dense layers of both networks.", low=1)
    hidden: int = option(64, "Units of a dense layer.", low=1)
    discount: float = option(0.99, "Discount, gamma.")
    gae_lambda: float = option(0.95, "Mixing of n-step advantages, lambda.")
    ratio_clip: float = option(0.2, "Probability ratios are clipped to 1 +- this.")
    entropy_scale: float = option(0.01, "Weight of the entropy.")
    learning_rate: float = option(1e-3, "Adam's.")
    adam_epsilon: float = option(1e-5, "Adam's epsilon.")
    clip: float = option(0.5, "Largest global norm of a gradient.")

    @property
    def prefill(self) -> int:
        """No step is random."""
        return 0


_RUN = {"eval_every": 25_000, "save_every": 25_000, "video_every": 0}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "vector": _RUN | {"env": "gym:CartPole-v1", "num_envs": 8, "env_steps": 100_000},
    "minatar": _RUN
    | {
        "env": "minatar:Breakout-v1",
        "num_envs": 16,
        "env_steps": 300_000,
        "dense_layers": 1,
        "hidden": 128,
    },
    # Schulman et al. 2017 (arXiv 1707.06347), table 5; whole windows instead of 4 minibatches.
    "atari": _RUN
    | {
        "num_envs": 8,
        "env_steps": 10_000_000,
        "env_options": "size=84",
        "reward_transform": "sign",
        "dense_layers": 1,
        "hidden": 512,
        "epochs": 12,
        "ratio_clip": 0.1,
        "learning_rate": 2.5e-4,
    },
    "debug": {
        "hidden": 8,
        "length": 10,
        "epochs": 2,
        "num_envs": 2,
        "env_steps": 80,
        "eval_every": 0,
    },
}


ablate = no_ablations
