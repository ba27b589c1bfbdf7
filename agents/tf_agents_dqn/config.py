"""Settings of DQN and C51, and their presets."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from agents.config import no_ablations, option


@dataclasses.dataclass(frozen=True)
class DQNConfig:
    """Defaults are those of the preset atari."""

    algorithm: str = option(
        "dqn",
        "dqn, or c51: a distribution over returns.",
        ("dqn", "c51"),
        names_run=True,
    )
    precision: str = option("float32", "Compute type.", ("float32",))
    frame_stack: int = option(4, "Pictures that the network sees at once.", low=1)
    reward_transform: str = option(
        "sign", "Applied to rewards before learning.", ("identity", "sign")
    )
    dense_layers: int = option(1, "Dense layers.", low=1)
    hidden: int = option(512, "Units of a dense layer.", low=1)
    discount: float = option(0.99, "Discount, gamma.")
    learning_rate: float = option(2.5e-4, "Adam's.")
    adam_epsilon: float = option(1e-5, "Adam's epsilon.")
    clip: float = option(10.0, "Largest global norm of a gradient.")
    target_every: int = option(2_500, "Updates between target networks.", low=1)
    epsilon: str = option(
        "linear(1,0.01,250000)",
        "Share of random actions while collecting; may be a schedule.",
        is_schedule=True,
    )
    atoms: int = option(51, "Atoms of c51.", low=2)
    highest: float = option(10.0, "Highest return of c51; the lowest is minus that.")
    replay_capacity: int = option(1_000_000, "Rows kept, over all environments.", low=1)
    replay_sampling: str = option(
        "steps",
        "Windows uniform over rows, or over episodes first.",
        ("steps", "episodes"),
    )
    prioritize_ends: bool = option(
        False, "With 'episodes', draw the last window of an episode more often."
    )
    batch_size: int = option(32, "Transitions per batch, B.", low=1)
    prefill: int = option(50_000, "Environment steps with random actions at first.")
    pretrain: int = option(0, "Updates made when the prefill is done.")
    train_every: float = option(4.0, "Environment steps per update after that.")

    @property
    def batch_length(self) -> int:
        """Rows per window: the pictures of s_t, and the last of s_{t+1}."""
        return self.frame_stack + 1


_RUN = {"num_envs": 1, "eval_every": 25_000, "save_every": 25_000, "video_every": 0}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Mnih et al. 2015, with Adam as Dopamine and Rainbow have it.
    "atari": _RUN | {"env_options": "size=84", "env_steps": 50_000_000},
    # The same on a small budget: it starts to learn early, and updates as often as two cores allow.
    "atari_small": _RUN
    | {
        "env_options": "size=84",
        "env_steps": 200_000,
        "prefill": 5_000,
        "epsilon": "linear(1,0.02,50000)",
        "target_every": 500,
        "learning_rate": 1e-4,
        "replay_capacity": 200_000,
    },
    # Young and Tian 2019 (arXiv 1903.03176), with Adam and on a smaller budget.
    "minatar": _RUN
    | {
        "env": "minatar:Breakout-v1",
        "env_steps": 300_000,
        "frame_stack": 1,
        "reward_transform": "identity",
        "hidden": 128,
        "prefill": 5_000,
        "epsilon": "linear(1,0.05,30000)",
        "target_every": 500,
        "train_every": 2.0,
        "replay_capacity": 100_000,
    },
    "vector": _RUN
    | {
        "env": "gym:CartPole-v1",
        "env_steps": 30_000,
        "eval_every": 5_000,
        "frame_stack": 1,
        "reward_transform": "identity",
        "dense_layers": 2,
        "hidden": 128,
        "highest": 100.0,
        "learning_rate": 3e-4,
        "prefill": 1_000,
        "epsilon": "linear(1,0.05,5000)",
        "target_every": 200,
        "train_every": 1.0,
        "batch_size": 64,
        "replay_capacity": 50_000,
    },
    # To lay over another one: 'minatar,c51'.
    "c51": {"algorithm": "c51"},
    "debug": {
        "hidden": 8,
        "prefill": 40,
        "batch_size": 4,
        "replay_capacity": 500,
        "target_every": 5,
        "env_steps": 80,
        "eval_every": 0,
    },
}


ablate = no_ablations
