"""Unbiased estimators that compare related samples: relaxed ones (REBAR, RELAX), antithetic ones (ARM, DisARM)."""

from collections.abc import Callable

import tensorflow as tf

from estimators import latents
from estimators.cost import Cost, Estimate, evaluate, part
from estimators.gradients import attach_gradient


def relax(
    logits: tf.Tensor,
    cost: Cost,
    seed: tf.Tensor,
    latent: str = "categorical",
    *,
    control: Cost,
) -> Estimate:
    """The score function with a free control variate c of the perturbed logits.

    gradient = (f(z) - c(v~)) (z - p) + d c(v) / d logits - d c(v~) / d logits

    v = logits + noise gives the sample z; v~ is drawn from p(v | z), through which the gradient goes. Unbiased for
    every c.

    Args:
        logits: [*B, N, K], or of bits [*B, N].
        cost: z -> f(z) [*B].
        seed: [2] integers.
        latent: 'categorical' or 'bernoulli'.
        control: v [2, *B, N, K] -> c(v) [2, *B], differentiable.

    Returns:
        The estimate; its `control_loss`, the squared length of the gradient, has the variance's gradient with respect
        to the parameters of c.

    References:
        Grathwohl et al. 2018 (arXiv 1711.00123), section 3 and appendix B.
    """
    kind, logits = latents.prepare(logits, latent)
    fixed = tf.stop_gradient(logits)
    noise = kind.noise(tf.shape(logits), part(seed, 0))
    z = kind.sample(fixed, noise)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(fixed)
        both = tf.stack([fixed + noise, kind.condition(fixed, z, part(seed, 1))])
        c, c_conditioned = tf.unstack(evaluate(control, both, kind))
        difference = c - c_conditioned
    path = tape.gradient(difference, fixed, unconnected_gradients="zero")
    f = evaluate(cost, z, kind)
    signal = tf.stop_gradient(f) - c_conditioned
    gradient = kind.spread(signal) * (z - kind.mean(fixed)) + path
    return Estimate(
        z,
        tf.stop_gradient(f),
        attach_gradient(f, logits, gradient),
        kind.sum(tf.square(gradient)),
    )


def rebar(
    logits: tf.Tensor,
    cost: Cost,
    seed: tf.Tensor,
    latent: str = "categorical",
    temperature: float | tf.Tensor = 0.5,
    weight: float | tf.Tensor = 1.0,
) -> Estimate:
    """RELAX with the relaxed cost as its control variate: c(v) = weight f(softmax(v / temperature)).

    Unbiased for every temperature and weight.

    Args:
        logits: [*B, N, K], or of bits [*B, N].
        cost: z [..., *B, N, K] -> f(z) [..., *B]; also of relaxed samples, differentiable.
        seed: [2] integers.
        latent: 'categorical' or 'bernoulli'.
        temperature: Positive scalar; may be a variable that `control_loss` trains.
        weight: Scalar, eta; may be a variable that `control_loss` trains.

    Returns:
        The estimate.

    References:
        Tucker et al. 2017 (arXiv 1703.07370), equation 6.
    """
    latents.check_positive(temperature=temperature)
    kind = latents.get(latent)

    def control(perturbed: tf.Tensor) -> tf.Tensor:
        return weight * evaluate(cost, kind.mean(perturbed / temperature), kind)

    return relax(logits, cost, seed, latent, control=control)


def arm(
    logits: tf.Tensor, cost: Cost, seed: tf.Tensor, latent: str = "bernoulli"
) -> Estimate:
    """Augment, reinforce, merge: gradient = (f(b) - f(b~)) (1/2 - u),  b = [u < p],  b~ = [1 - u < p].

    Args:
        logits: [*B, N] of bits; [*B, N, K] of classes, as K - 1 stick-breaking bits.
        cost: z [2, *B, N] -> f(z) [2, *B].
        seed: [2] integers.
        latent: 'bernoulli' or 'categorical'.

    Returns:
        The estimate; its cost is the mean of the pair.

    References:
        Yin and Zhou 2019 (arXiv 1807.11143).
    """
    return _antithetic(logits, cost, seed, latent, _arm_weight)


def disarm(
    logits: tf.Tensor, cost: Cost, seed: tf.Tensor, latent: str = "bernoulli"
) -> Estimate:
    """ARM with u integrated out: gradient = (f(b) - f(b~)) (b - b~) sigmoid(|logits|) / 2.

    Args:
        logits: [*B, N] of bits; [*B, N, K] of classes, as K - 1 stick-breaking bits.
        cost: z [2, *B, N] -> f(z) [2, *B].
        seed: [2] integers.
        latent: 'bernoulli' or 'categorical'.

    Returns:
        The estimate; its cost is the mean of the pair.

    References:
        Dong et al. 2020 (arXiv 2006.10680), equation 8; Yin et al. 2020 (arXiv 2008.06243), as U2G. Stick-breaking:
        Dong et al. 2021 (arXiv 2106.09223).
    """
    return _antithetic(logits, cost, seed, latent, _disarm_weight)


def _arm_weight(logits: tf.Tensor, noise: tf.Tensor, pair: tf.Tensor) -> tf.Tensor:
    return tf.sigmoid(noise) - 0.5


def _disarm_weight(logits: tf.Tensor, noise: tf.Tensor, pair: tf.Tensor) -> tf.Tensor:
    return 0.5 * (pair[0] - pair[1]) * tf.sigmoid(tf.abs(logits))


def _antithetic(
    logits: tf.Tensor,
    cost: Cost,
    seed: tf.Tensor,
    latent: str,
    weigh: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor],
) -> Estimate:
    """gradient = (f(b) - f(b~)) weight, with respect to the logits of the bits."""
    kind, logits = latents.prepare(logits, latent)
    bits = latents.get("bernoulli")
    sticks = stick_logits(logits) if kind.name == "categorical" else logits
    noise = bits.noise(tf.shape(sticks), seed)
    pair = bits.sample(sticks[None], tf.stack([noise, -noise]))
    z = break_sticks(pair) if kind.name == "categorical" else pair
    f = evaluate(cost, z, kind)
    difference = tf.stop_gradient(f[0] - f[1])
    gradient = kind.spread(difference) * weigh(sticks, noise, pair)
    mean = tf.reduce_mean(f, 0)
    return Estimate(z, tf.stop_gradient(mean), attach_gradient(mean, sticks, gradient))


def stick_logits(logits: tf.Tensor) -> tf.Tensor:
    """Returns a_j = logits_j - log sum_{k > j} exp(logits_k): class j's against all later ones.

    Args:
        logits: [..., K].

    Returns:
        [..., K - 1].
    """
    later = tf.math.cumulative_logsumexp(logits, -1, reverse=True)[..., 1:]
    return logits[..., :-1] - later


def break_sticks(bits: tf.Tensor) -> tf.Tensor:
    """Returns the one-hot of the first bit that is 1, of the last class where none is.

    Args:
        bits: [..., K - 1].

    Returns:
        [..., K].
    """
    left = tf.math.cumprod(1 - bits, -1)
    before = tf.concat([tf.ones_like(left[..., :1]), left], -1)
    return before * tf.concat([bits, tf.ones_like(bits[..., :1])], -1)
