"""Settings of MERLIN and its two baselines, and their presets.

Numbers: Wayne et al. 2018 (arXiv 1803.10760) and, where no copy of its methods gives them, the group's next agent, RMA
(Hung et al. 2019, arXiv 1810.06721). Steps count environment steps.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from agents.config import ablated, option

AGENTS = ("merlin", "rl_mem", "rl_lstm")


@dataclasses.dataclass(frozen=True)
class MERLINConfig:
    """Defaults are those of the preset paper."""

    agent: str = option(
        "merlin",
        "merlin; rl_mem, a memory trained by the policy alone; rl_lstm, no memory.",
        AGENTS,
        names_run=True,
    )
    precision: str = option(
        "float32",
        "Compute type of the image nets; all else is float32.",
        ("float32", "bfloat16", "auto"),
    )
    jit_compile: bool = option(False, "Compile the update with XLA.")
    length: int = option(
        20, "Steps per window, tau: gradients reach no further.", low=1
    )

    latent: int = option(200, "Latent variables, |z|.", low=1)
    lstm_layers: int = option(2, "Layers of every LSTM.", low=1)
    lstm_units: int = option(256, "Units of each layer.", low=1)
    slots: int = option(
        1350, "Rows of the memory; about the steps of an episode.", low=1
    )
    read_heads: int = option(3, "Reads of the memory per step, K.", low=1)
    # Open: how sharp reads are before anything is learned.
    sharpness: float = option(
        0.69,
        "Sharpness of reads at first; 0.69 reads nearly the mean of all rows.",
        low=0.01,
    )
    policy_units: int = option(
        200, "Units of the policy's and the value's hidden layer.", low=1
    )
    advantage_units: int = option(50, "Units of the advantage's hidden layer.", low=1)
    vector_units: int = option(64, "Units of the two layers that read vectors.", low=1)
    # Open: what decodes the parts that are no large images.
    decoder_layers: int = option(
        2,
        "Layers of what decodes all but large images; 0: linear in z, so that reads tell apart whatever z holds.",
        low=0,
    )
    image_units: int = option(500, "Units that come of an image.", low=1)
    image_depth: int = option(64, "Channels of the image nets.", low=1)

    # Open: which of the three readings of the write the paper has; see layers/memory.py.
    retroactive: str = option(
        "a",
        "How rows are completed by what came after them: a, b, c, or none.",
        ("a", "b", "c", "none"),
    )
    retroactive_discount: float = option(
        0.0, "Its discount; 0 takes the discount of rewards, as the paper does."
    )
    # Open: whether a read trains what was written within the window.
    stop_write: bool = option(False, "Write values as constants.")
    use_memory: bool = option(True, "Whether reads bring anything; else zeros.")

    image_scale: float = option(50.0, "Weight of an image's mean error per value.")
    vector_scale: float = option(1.0, "Weight of the summed error of vectors.")
    action_scale: float = option(1.0, "Weight of the last action's error.")
    reward_scale: float = option(1.0, "Weight of the reward's error.")
    return_scale: float = option(0.4, "Weight of the return's error.")
    kl_scale: float = option(1.0, "Weight of the KL divergence.")
    # Open: R1 has a Bernoulli per class of the softmax, the group's next agent the plain cross-entropy.
    action_likelihood: str = option(
        "bernoulli", "Error of the last action.", ("bernoulli", "categorical")
    )
    return_gradient: bool = option(
        True, "Whether predicting the return shapes the latent state."
    )

    discount: float = option(0.96, "Discount, gamma.")
    gae_lambda: float = option(0.9, "Mixing of n-step advantages, lambda.")
    entropy_scale: str = option(
        "0.01", "Weight of the policy's entropy; may be a schedule.", is_schedule=True
    )
    predictor_lr: float = option(1e-4, "Learning rate of the predictor.")
    policy_lr: float = option(
        1e-4, "Learning rate of the policy, or of a whole baseline."
    )
    adam_epsilon: float = option(1e-6, "Adam's epsilon.")
    predictor_clip: float = option(
        100.0, "Largest global norm of the predictor's gradient."
    )
    policy_clip: float = option(100.0, "Largest global norm of the policy's gradient.")

    def __post_init__(self) -> None:
        for name in ("retroactive_discount", "discount", "gae_lambda"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(
                    f"{name}={value} came, but a number from 0 to 1 is expected"
                )
        for name, (part, owners) in _PARTS.items():
            left_out = all(
                getattr(self, key) == value for key, value in ABLATIONS[name].items()
            )
            if left_out and self.agent not in owners:
                settings = ", ".join(f"{k}={v}" for k, v in ABLATIONS[name].items())
                raise ValueError(
                    f"ablate={name} ({settings}) came with agent={self.agent}, but an agent with {part} to leave out "
                    f"is expected: {' or '.join(owners)}"
                )

    @property
    def prefill(self) -> int:
        """No step is random."""
        return 0


_RUN = {"num_envs": 32, "log_every": 5_000, "eval_every": 50_000, "save_every": 50_000}

# Nets for tasks of a few symbols on one core.
_SMALL = _RUN | {
    "latent": 16,
    "lstm_layers": 1,
    "lstm_units": 32,
    "policy_units": 64,
    "advantage_units": 32,
    "vector_units": 32,
    "retroactive_discount": 0.9,
    "discount": 0.98,
    "vector_scale": 10.0,
    "predictor_lr": 1e-3,
    "policy_lr": 1e-3,
    "predictor_clip": 5.0,
    "policy_clip": 1.0,
    "eval_episodes": 20,
    "video_every": 100_000,
}

# Field names are those of MERLINConfig and of agents.training.RunConfig.
PRESETS: dict[str, dict[str, Any]] = {
    # Differs: 192 workers update without waiting for each other in the paper; here one batch of environments, whose
    # windows make one update. 16 fit into the memory of one machine.
    "paper": {
        "num_envs": 16,
        "env_steps": 100_000_000,
        "log_every": 10_000,
        "eval_every": 1_000_000,
        "save_every": 200_000,
        "video_every": 200_000,
    },
    "memory_length": _SMALL
    | {"env": "zoo:MemoryLength40-v0", "slots": 40, "env_steps": 1_000_000},
    # Rows for the longest of POPGym's common episodes, 104 steps.
    "popgym": _SMALL
    | {"env": "popgym:RepeatFirstEasy-v0", "slots": 112, "env_steps": 1_000_000},
    # A sharp read of rows whose parts lie in directions of their own: with a nonlinear decoder z holds the symbol as a
    # length, which no cosine tells apart. The low discount says which turn it was that paid.
    "memory_game": _SMALL
    | {
        "env": "zoo:MemoryGame8-v0",
        "slots": 16,
        "length": 16,
        "latent": 32,
        "lstm_units": 128,
        "decoder_layers": 0,
        "sharpness": 10.0,
        "reward_scale": 5.0,
        "return_scale": 2.0,
        # Differs: the paper's KL has the weight 1.
        "kl_scale": 0.01,
        "discount": 0.7,
        "entropy_scale": "0.05",
        "policy_lr": 2e-3,
        "env_steps": 2_000_000,
    },
    # An image's error is a mean over 49 cells and 3 factors, of which the cue is one: with the paper's weights its bit costs
    # more as KL than it gains, and no latent state has it. Many updates on few rows find it sooner than few on many. A low
    # discount makes detours dear. Sharp reads find the cue among other rows, and a linear decoder makes it large in z. A turn
    # that chance settled is undone by the entropy alone: its weight grows as soon as the way is known, and the rate is low, or
    # the gradient's noise outweighs it. Results: scores/merlin/README.md.
    "minigrid_memory": _SMALL
    | {
        "env": "zoo:MiniGridMemory13-v0",
        "num_envs": 8,
        "slots": 32,
        "sharpness": 10.0,
        "length": 6,
        "latent": 32,
        "decoder_layers": 0,
        "image_depth": 16,
        "image_units": 100,
        "image_scale": 1_000.0,
        "reward_scale": 10.0,
        "return_scale": 10.0,
        "kl_scale": 0.01,
        "predictor_clip": 100.0,
        "discount": 0.85,
        "policy_lr": 3e-4,
        "entropy_scale": "cosine_quarter(0.001,0.02,5e5)",
        "eval_every": 100_000,
        "video_every": 500_000,
        "env_steps": 1_000_000,
    },
    "rl_mem": {"agent": "rl_mem"},
    "rl_lstm": {"agent": "rl_lstm"},
    "debug": {
        "latent": 3,
        "lstm_layers": 1,
        "lstm_units": 4,
        "slots": 6,
        "policy_units": 4,
        "advantage_units": 4,
        "vector_units": 4,
        "image_units": 4,
        "image_depth": 2,
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

# What the agent is without; the first is a variant of figure 3g, the others ask what carries it.
ABLATIONS: dict[str, dict[str, Any]] = {
    "no_return_gradient": {"return_gradient": False},
    "no_retroactive": {"retroactive": "none"},
    "no_reconstruction": {
        "image_scale": 0.0,
        "vector_scale": 0.0,
        "action_scale": 0.0,
        "reward_scale": 0.0,
    },
    "no_memory": {"use_memory": False},
}

# Ablation -> the part it leaves out, and the agents that have one.
_PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "no_return_gradient": ("a latent state that returns shape", ("merlin",)),
    "no_retroactive": ("a retroactive write", ("merlin",)),
    "no_reconstruction": ("a reconstruction", ("merlin",)),
    "no_memory": ("a memory", ("merlin", "rl_mem")),
}


def ablate(names: Iterable[str]) -> Mapping[str, Any]:
    """Returns the settings of the named ablations together; ValueError on an unknown one."""
    return ablated(ABLATIONS, names)
