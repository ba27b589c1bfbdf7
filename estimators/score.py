"""Estimators by the score function: they need the cost's values, not its gradient, and are unbiased."""

import tensorflow as tf
import tensorflow_probability as tfp

from estimators import latents
from estimators.cost import Cost, Estimate, evaluate
from estimators.gradients import attach_gradient
from estimators.moments import Moments


def score_function(
    logits: tf.Tensor,
    cost: Cost,
    seed: tf.Tensor,
    latent: str = "categorical",
    baseline: float | tf.Tensor = 0.0,
    scale: float | tf.Tensor = 1.0,
) -> Estimate:
    """REINFORCE: gradient = (f(z) - baseline) (z - p) / scale.

    Unbiased (at scale 1) for every baseline that does not depend on z: a constant, a running mean, a function of
    the input.

    Args:
        logits: [*B, N, K], or of bits [*B, N].
        cost: z as `logits`, float32 -> f(z) [*B].
        seed: [2] integers.
        latent: 'categorical' or 'bernoulli'.
        baseline: Scalar or [*B]; a constant to the gradient.
        scale: Positive scalar, for variance normalisation.

    Returns:
        The estimate, of one sample.

    Raises:
        ValueError: If a shape is wrong, or (eagerly) a logit is not finite.

    References:
        Williams 1992; Jang et al. 2017 (arXiv 1611.01144), section 3.3.
    """
    kind, logits = latents.prepare(logits, latent)
    z = kind.sample(logits, kind.noise(tf.shape(logits), seed))
    f = evaluate(cost, z, kind)
    fixed = tf.stop_gradient(f)
    signal = kind.spread((fixed - baseline) / scale)
    gradient = signal * (z - kind.mean(logits))
    return Estimate(z, fixed, attach_gradient(f, logits, gradient), signal=fixed)


def nvil(
    logits: tf.Tensor,
    cost: Cost,
    seed: tf.Tensor,
    latent: str = "categorical",
    *,
    baseline: tf.Tensor,
    moments: Moments,
) -> Estimate:
    """Neural variational inference: gradient = (f(z) - c - b(x)) (z - p) / max(1, s).

    c and s are the running mean and deviation of f - b(x). The division keeps the direction of the mean, not its
    length.

    Args:
        logits: [*B, N, K], or of bits [*B, N].
        cost: z -> f(z) [*B].
        seed: [2] integers.
        latent: 'categorical' or 'bernoulli'.
        baseline: [*B], b(x), the output of a network; gets a gradient from `control_loss` only.
        moments: Of f - b(x) up to now; afterwards call `moments.update(estimate.signal)`.

    Returns:
        The estimate; its `control_loss` (f(z) - c - b(x))^2 trains the network of the baseline.

    References:
        Mnih and Gregor 2014 (arXiv 1402.0030), Algorithm 1.
    """
    fixed = tf.stop_gradient(baseline)
    made = score_function(
        logits,
        cost,
        seed,
        latent,
        baseline=fixed + moments.mean,
        scale=moments.scale(),
    )
    error = made.cost - moments.mean - baseline
    return made._replace(control_loss=tf.square(error), signal=made.cost - fixed)


def rloo(
    logits: tf.Tensor,
    cost: Cost,
    seed: tf.Tensor,
    latent: str = "categorical",
    samples: int = 2,
) -> Estimate:
    """REINFORCE, leave one out: gradient = mean_i (f_i - mean_{j != i} f_j) (z_i - p).

    Args:
        logits: [*B, N, K], or of bits [*B, N].
        cost: z [M, *B, N, K] -> f(z) [M, *B].
        seed: [2] integers.
        latent: 'categorical' or 'bernoulli'.
        samples: M, at least 2.

    Returns:
        The estimate; its cost is the mean of M.

    References:
        Kool et al. 2019 (Buy 4 REINFORCE samples, get a baseline for free).
    """
    kind, logits = latents.prepare(logits, latent)
    z, f = _several(logits, cost, seed, kind, samples)
    fixed = tf.stop_gradient(f)
    others = (tf.reduce_sum(fixed, 0, keepdims=True) - fixed) / (samples - 1)
    gradient = tf.reduce_mean(kind.spread(fixed - others) * (z - kind.mean(logits)), 0)
    mean = tf.reduce_mean(f, 0)
    return Estimate(z, tf.stop_gradient(mean), attach_gradient(mean, logits, gradient))


def vimco(
    logits: tf.Tensor,
    cost: Cost,
    seed: tf.Tensor,
    latent: str = "categorical",
    samples: int = 2,
    mean: str = "geometric",
) -> Estimate:
    """The gradient of a bound of several samples, each with the others' as its baseline.

    With costs f_i = -log w_i the bound is B = -log (1/M) sum_i w_i, and

    gradient = sum_i (B - B_{-i}) (z_i - p)

    B_{-i} is B with the weight w_i replaced by the mean of the others, geometric or arithmetic.

    Args:
        logits: [*B, N, K], or of bits [*B, N].
        cost: z [M, *B, N, K] -> -log w(z) [M, *B].
        seed: [2] integers.
        latent: 'categorical' or 'bernoulli'.
        samples: M, at least 2.
        mean: 'geometric' or 'arithmetic'.

    Returns:
        The estimate; its cost is B.

    References:
        Mnih and Rezende 2016 (arXiv 1602.06725), equations 10 to 14. The geometric baseline is TensorFlow
        Probability's.
    """
    if mean not in ("geometric", "arithmetic"):
        raise ValueError(f"mean is {mean!r}; expected 'geometric' or 'arithmetic'.")
    kind, logits = latents.prepare(logits, latent)
    z, f = _several(logits, cost, seed, kind, samples)
    weights = tf.stop_gradient(-f)
    if mean == "geometric":
        without, bound = tfp.stats.log_soomean_exp(weights, 0)
    else:
        bound = tf.reduce_logsumexp(weights, 0) - tf.math.log(float(samples))
        without = _log_mean_of_others(weights, samples)
    gradient = tf.reduce_sum(kind.spread(without - bound) * (z - kind.mean(logits)), 0)
    value = tf.math.log(float(samples)) - tf.reduce_logsumexp(-f, 0)
    return Estimate(
        z, tf.stop_gradient(value), attach_gradient(value, logits, gradient)
    )


def muprop(
    logits: tf.Tensor,
    cost: Cost,
    seed: tf.Tensor,
    latent: str = "categorical",
    mean_cost: Cost | None = None,
    scale: float | tf.Tensor = 1.0,
) -> Estimate:
    """The score function of what a first-order expansion at the mean leaves, plus the expansion's own gradient.

    gradient = (f(z) - f(p) - f'(p) . (z - p)) (z - p) / scale + J(p) f'(p),   J(p) = d p / d logits

    Args:
        logits: [*B, N, K], or of bits [*B, N].
        cost: z -> f(z) [*B]; also of probabilities.
        seed: [2] integers.
        latent: 'categorical' or 'bernoulli'.
        mean_cost: In place of the cost at p, where the cost itself holds samples: the same with their means.
        scale: Positive scalar, for variance normalisation.

    Returns:
        The estimate, of one sample.

    References:
        Gu et al. 2016 (arXiv 1511.05176), equation 7.
    """
    kind, logits = latents.prepare(logits, latent)
    p = tf.stop_gradient(kind.mean(logits))
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(p)
        at_mean = evaluate(mean_cost or cost, p, kind)
    slope = tape.gradient(at_mean, p, unconnected_gradients="zero")
    z = kind.sample(logits, kind.noise(tf.shape(logits), seed))
    f = evaluate(cost, z, kind)
    rest = f - at_mean - kind.sum(slope * (z - p))
    gradient = kind.spread(rest / scale) * (z - p) + kind.pull_back(p, slope)
    fixed = tf.stop_gradient(f)
    return Estimate(z, fixed, attach_gradient(f, logits, gradient), signal=fixed)


def _several(
    logits: tf.Tensor,
    cost: Cost,
    seed: tf.Tensor,
    kind: latents.Latent,
    samples: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """M samples [M, *B, *E] and their costs [M, *B]."""
    if samples < 2:
        raise ValueError(f"samples must be at least 2, got {samples}.")
    noise = kind.noise(tf.concat([[samples], tf.shape(logits)], 0), seed)
    noise = tf.ensure_shape(noise, [samples, *logits.shape])
    z = kind.sample(logits[None], noise)
    return z, evaluate(cost, z, kind)


def _log_mean_of_others(log_w: tf.Tensor, samples: int) -> tf.Tensor:
    """log (1/M) sum_j w_j with w_i replaced by the mean of the others, for each i: the mean of the others itself."""
    own = tf.eye(samples, dtype=tf.bool)
    own = tf.reshape(own, [samples, samples] + [1] * (log_w.shape.rank - 1))
    others = tf.where(own, -float("inf"), log_w[None])
    return tf.reduce_logsumexp(others, 1) - tf.math.log(float(samples - 1))
