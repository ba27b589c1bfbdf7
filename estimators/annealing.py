"""Temperatures and slopes that change with the update; of numbers as of tensors, so that graphs can hold them."""

import dataclasses
from types import ModuleType
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class ExponentialFloor:
    """temperature = max(floor, exp(-rate t)),  t = the last multiple of `every` up to the update.

    Args:
        rate: Per update; 1e-5 reaches 1/2 after 69,315 updates.
        floor: The least value.
        every: Updates between two changes.

    References:
        Jang et al. 2017 (arXiv 1611.01144), section 4.2: rates 1e-5 and 1e-4, every 500 or 1000, floor 0.5.
    """

    rate: float
    floor: float = 0.5
    every: int = 1

    def __post_init__(self) -> None:
        _check_positive(self, "floor", "every")
        if self.rate < 0:
            raise ValueError(f"rate must not be negative, got {self.rate}.")

    def __call__(self, update: Any) -> Any:
        ops, update = _prepare(update)
        held = ops.floor(update / self.every) * self.every
        return ops.maximum(self.floor, ops.exp(-self.rate * held))


@dataclasses.dataclass(frozen=True)
class Cosine:
    """From `initial` to `final` within `updates`, then constant.

    half wave:     final + (initial - final) (1 + cos(pi m)) / 2,  m = min(update / updates, 1)
    quarter wave:  initial + (final - initial) (1 - cos(pi m / 2))

    Args:
        initial: The first value.
        final: The last value.
        updates: The length.
        quarter: Takes the quarter wave, which ends at its steepest.

    References:
        Ramesh et al. 2021 (arXiv 2102.12092), appendix A.2: from 1 to 1/16 over 150,000 updates, the defaults.
        Open: it says 'cosine' and not which; the half wave is the default.
    """

    initial: float = 1.0
    final: float = 1 / 16
    updates: int = 150_000
    quarter: bool = False

    def __post_init__(self) -> None:
        _check_positive(self, "initial", "final", "updates")

    def __call__(self, update: Any) -> Any:
        return cosine(update, self.initial, self.final, self.updates, self.quarter)


@dataclasses.dataclass(frozen=True)
class Slope:
    """slope = min(maximum, 1 + rate epoch), for the slope-annealed straight-through estimator.

    Args:
        updates_per_epoch: Updates of one pass through the data.
        rate: Per epoch.
        maximum: The last value.

    References:
        Chung et al. 2017 (arXiv 1609.01704). Open: rate and maximum, from later users of the trick.
    """

    updates_per_epoch: int
    rate: float = 0.04
    maximum: float = 5.0

    def __post_init__(self) -> None:
        _check_positive(self, "updates_per_epoch", "rate", "maximum")

    def __call__(self, update: Any) -> Any:
        ops, update = _prepare(update)
        epoch = ops.floor(update / self.updates_per_epoch)
        return ops.minimum(self.maximum, 1.0 + self.rate * epoch)


def cosine(
    update: Any, initial: float, final: float, updates: float, quarter: bool = False
) -> Any:
    """Returns what `Cosine` has at an update, for numbers of any sign."""
    ops, update = _prepare(update)
    angle = np.pi * ops.minimum(update / updates, 1.0)
    if quarter:
        return initial + (final - initial) * (1 - ops.cos(angle / 2))
    return final + (initial - final) * (1 + ops.cos(angle)) / 2


def _prepare(update: Any) -> tuple[ModuleType, Any]:
    """NumPy and a float for a number; TensorFlow and a float32 tensor for a tensor or variable."""
    if isinstance(update, int | float | np.generic):
        return np, float(update)
    import tensorflow as tf

    return tf, tf.cast(update, tf.float32)


def _check_positive(schedule: Any, *names: str) -> None:
    for name in names:
        if not getattr(schedule, name) > 0:
            raise ValueError(f"{name} must be positive, got {getattr(schedule, name)}.")
