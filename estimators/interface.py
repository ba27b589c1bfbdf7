"""One call for every estimator: logits, a cost and a seed in, a sample and a surrogate out."""

import difflib
import functools
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from estimators import control_variates, latents, pathwise, score
from estimators.cost import Cost, Estimate, evaluate, part


def estimate(
    name: str,
    logits: tf.Tensor,
    cost: Cost,
    seed: tf.Tensor,
    latent: str = "categorical",
    **options: Any,
) -> Estimate:
    """Samples, and makes a surrogate whose gradient estimates that of the expected cost.

        with tf.GradientTape() as tape:
            made = estimators.estimate("reinmax", logits, cost, seed)
            loss = tf.reduce_mean(made.surrogate)

    A cost may hold further latents, by returning the surrogate of an estimate of its own: gradients go through all.

    Args:
        name: One of `estimators.NAMES`.
        logits: [*B, N, K], N classes of K; of bits [*B, N].
        cost: z as `logits`, float32 -> f(z) [*B]; estimators with several samples give it [M, *B, ...].
        seed: [2] integers; the result is a pure function of it, the same in graphs and under XLA.
        latent: 'categorical' or 'bernoulli'.
        **options: Those of the estimator: temperature, samples, baseline, …

    Returns:
        The estimate.

    Raises:
        ValueError: On an unknown name, wrong shapes, a temperature that is not positive, fewer than two classes, or
            (eagerly) logits that are not finite.
    """
    if name not in ESTIMATORS:
        near = difflib.get_close_matches(str(name), ESTIMATORS, n=2, cutoff=0.4)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"unknown estimator {name!r}.{hint} There are {', '.join(ESTIMATORS)}."
        )
    return ESTIMATORS[name](logits, cost, seed, latent, **options)


def _pathwise(sampler: Callable[..., tf.Tensor]) -> Callable[..., Estimate]:
    """Makes an estimator of a sampler (logits, noise, latent=…, **options) -> z."""

    def run(
        logits: tf.Tensor, cost: Cost, seed: tf.Tensor, latent: str, **options: Any
    ) -> Estimate:
        kind, logits = latents.prepare(logits, latent)
        noise = kind.noise(tf.shape(logits), seed)
        z = sampler(logits, noise, latent=latent, **options)
        f = evaluate(cost, z, kind)
        return Estimate(tf.stop_gradient(z), tf.stop_gradient(f), f)

    return run


def _gumbel_rao(
    logits: tf.Tensor, cost: Cost, seed: tf.Tensor, latent: str, **options: Any
) -> Estimate:
    def sampler(logits: tf.Tensor, noise: tf.Tensor, latent: str) -> tf.Tensor:
        return pathwise.gumbel_rao(
            logits, noise, part(seed, 1), latent=latent, **options
        )

    return _pathwise(sampler)(logits, cost, part(seed, 0), latent)


ESTIMATORS: Mapping[str, Callable[..., Estimate]] = {
    "score_function": score.score_function,
    "nvil": score.nvil,
    "rloo": score.rloo,
    "vimco": score.vimco,
    "darn": _pathwise(pathwise.darn),
    "muprop": score.muprop,
    "straight_through": _pathwise(pathwise.straight_through),
    "slope_annealed_straight_through": _pathwise(
        pathwise.slope_annealed_straight_through
    ),
    "gumbel_softmax": _pathwise(pathwise.gumbel_softmax),
    "st_gumbel_softmax": _pathwise(
        functools.partial(pathwise.gumbel_softmax, hard=True)
    ),
    "gumbel_rao": _gumbel_rao,
    "reinmax": _pathwise(pathwise.reinmax),
    "rebar": control_variates.rebar,
    "relax": control_variates.relax,
    "arm": control_variates.arm,
    "disarm": control_variates.disarm,
}
NAMES = tuple(ESTIMATORS)
