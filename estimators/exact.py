"""Exact expectations and gradients by enumeration, and any estimator's bias and variance against them."""

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from estimators import interface, latents
from estimators.cost import Cost, Estimate, evaluate, part

MOST = 1 << 20  # states, of which the costs are held at once


class Exact(NamedTuple):
    """An expected cost.

    Attributes:
        value: E f(z).
        gradient: Its gradient with respect to the logits, their shape.
    """

    value: float
    gradient: np.ndarray


class Quality(NamedTuple):
    """How good an estimator is at one point; all but `draws` in the units of the gradient.

    Attributes:
        mean: The estimates' mean, the shape of the logits.
        standard_error: Of each entry of the mean.
        bias: Euclidean length of the mean's distance from the exact gradient.
        variance: The trace of the covariance of one estimate.
        z: The largest distance of an entry from the exact one, in standard errors; below about 4 for an unbiased
            estimator.
        draws: Estimates taken.
    """

    mean: np.ndarray
    standard_error: np.ndarray
    bias: float
    variance: float
    z: float
    draws: int


def states(shape: tuple[int, ...], latent: str = "categorical") -> np.ndarray:
    """Returns every sample, [S, *shape] float32: K^N of [N, K] classes, 2^N of [N] bits.

    Raises:
        ValueError: If there are more than a million, or the shape is not that of one latent.
    """
    kind = latents.get(latent)
    if len(shape) != kind.event_rank:
        dims = "[N, K]" if kind.event_rank == 2 else "[N]"
        raise ValueError(
            f"logits have shape {shape}; enumeration takes those of one latent, {dims}."
        )
    choices = shape[-1] if kind.event_rank == 2 else 2
    count = choices ** shape[0]
    if count > MOST:
        raise ValueError(
            f"logits of shape {shape} have {count:,} samples; at most {MOST:,} are enumerated."
        )
    indices = np.array(list(itertools.product(range(choices), repeat=shape[0])))
    if kind.event_rank == 2:
        return np.eye(choices, dtype=np.float32)[indices]
    return indices.astype(np.float32)


def expectation(logits: Any, cost: Cost, latent: str = "categorical") -> Exact:
    """Returns the expected cost and its gradient, summed over every sample.

    value    = sum_z q(z) f(z)
    gradient = sum_z q(z) f(z) (z - p)

    Args:
        logits: [N, K], or of bits [N].
        cost: z [S, N, K] -> f(z) [S].
        latent: 'categorical' or 'bernoulli'.

    Raises:
        ValueError: If there are too many samples, or a shape is wrong.
    """
    kind, logits = latents.prepare(tf.convert_to_tensor(logits), latent)
    z = tf.constant(states(tuple(logits.shape), latent))
    f = np.asarray(evaluate(cost, z, kind), np.float64)
    log_q = np.asarray(kind.log_prob(logits[None], z), np.float64)
    weighted = np.exp(log_q) * f
    score = np.asarray(z - kind.mean(logits), np.float64)
    return Exact(
        float(weighted.sum()),
        np.tensordot(weighted, score, axes=1),
    )


def quality(
    estimator: str | Callable[..., Estimate],
    logits: Any,
    cost: Cost,
    latent: str = "categorical",
    *,
    draws: int = 100_000,
    seed: int = 0,
    batch: int = 10_000,
    **options: Any,
) -> Quality:
    """Measures an estimator's bias and variance by samples, against the exact gradient.

    Args:
        estimator: A name of `estimators.NAMES`, or a function with the arguments of those estimators.
        logits: [N, K], or of bits [N].
        cost: z [..., N, K] -> f(z) [...].
        latent: 'categorical' or 'bernoulli'.
        draws: Estimates to take.
        seed: Of the samples.
        batch: Estimates at a time.
        **options: Those of the estimator.

    Raises:
        ValueError: As `expectation` and the estimator do.
    """
    truth = expectation(logits, cost, latent).gradient
    sample = functools.partial(
        gradients, estimator, logits, cost, latent, options=options
    )
    total, square, taken = np.zeros_like(truth), np.zeros_like(truth), 0
    for i in itertools.count():
        count = min(batch, draws - taken)
        if count <= 0:
            break
        errors = np.float64(sample(count, part([seed, 0], i))) - truth
        total, square = total + errors.sum(0), square + np.square(errors).sum(0)
        taken += count
    error = total / taken
    variance = np.maximum(square / taken - np.square(error), 0)
    standard_error = np.sqrt(variance / taken)
    floor = 1e-6 * (1 + np.abs(truth))  # of float32
    return Quality(
        truth + error,
        standard_error,
        float(np.linalg.norm(error)),
        float(variance.sum()),
        float(np.max(np.abs(error) / np.maximum(standard_error, floor))),
        taken,
    )


def gradients(
    estimator: str | Callable[..., Estimate],
    logits: Any,
    cost: Cost,
    latent: str,
    count: int,
    seed: tf.Tensor,
    options: dict[str, Any],
) -> np.ndarray:
    """Returns `count` independent estimates of the gradient, [count, *logits.shape]."""
    run = (
        functools.partial(interface.estimate, estimator)
        if isinstance(estimator, str)
        else estimator
    )
    logits = tf.cast(tf.convert_to_tensor(logits), tf.float32)
    rows = tf.tile(logits[None], [count] + [1] * logits.shape.rank)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(rows)
        surrogate = run(rows, cost, seed, latent, **options).surrogate
    return tape.gradient(surrogate, rows, unconnected_gradients="zero").numpy()
