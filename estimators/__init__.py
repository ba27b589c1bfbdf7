"""Pure functions of tensors: returns, straight-through gradients, divergences, likelihoods.

Names are resolved at their first use, so importing the package loads no TensorFlow.
"""

import importlib
from typing import Any

__zoo__ = "latent-agent-zoo"

_HOME = {
    "bernoulli_log_prob": "likelihood",
    "unit_normal_log_prob": "likelihood",
    "categorical_entropy": "kl",
    "categorical_kl": "kl",
    "gaussian_entropy": "kl",
    "gaussian_kl": "kl",
    "kl_balance": "kl",
    "lambda_return": "returns",
    "gumbel_noise": "straight_through",
    "gumbel_softmax": "straight_through",
    "onehot_straight_through": "straight_through",
    "replace_gradient": "straight_through",
    "scale_gradient": "straight_through",
    "uniform_noise": "straight_through",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
