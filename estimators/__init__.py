"""Pure functions of tensors: returns, straight-through gradients, divergences, likelihoods.

Names are resolved at their first use, so importing the package loads no TensorFlow.
"""

import importlib
from typing import Any

__zoo__ = "latent-agent-zoo"

_HOME = {
    "Cosine": "annealing",
    "ExponentialFloor": "annealing",
    "Slope": "annealing",
    "arm": "control_variates",
    "break_sticks": "control_variates",
    "disarm": "control_variates",
    "rebar": "control_variates",
    "relax": "control_variates",
    "stick_logits": "control_variates",
    "Estimate": "cost",
    "attach_gradient": "gradients",
    "replace_gradient": "gradients",
    "scale_gradient": "gradients",
    "ESTIMATORS": "interface",
    "NAMES": "interface",
    "estimate": "interface",
    "categorical_entropy": "kl",
    "categorical_kl": "kl",
    "gaussian_entropy": "kl",
    "gaussian_kl": "kl",
    "kl_balance": "kl",
    "bernoulli_log_prob": "likelihood",
    "unit_normal_log_prob": "likelihood",
    "masked_mean": "masked",
    "Moments": "moments",
    "gumbel_noise": "noise",
    "logistic_noise": "noise",
    "uniform_noise": "noise",
    "darn": "pathwise",
    "gumbel_rao": "pathwise",
    "gumbel_softmax": "pathwise",
    "reinmax": "pathwise",
    "slope_annealed_straight_through": "pathwise",
    "straight_through": "pathwise",
    "gae": "returns",
    "lambda_return": "returns",
    "muprop": "score",
    "nvil": "score",
    "rloo": "score",
    "score_function": "score",
    "vimco": "score",
    "VTrace": "off_policy",
    "vtrace": "off_policy",
}
_MODULES = ("exact", "toys")  # public as a whole: estimators.exact.quality(…)
__all__ = sorted([*_HOME, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
