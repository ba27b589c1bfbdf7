"""Samples of discrete choices through which gradients flow: they need no cost, and stand anywhere in a network."""

from collections.abc import Callable

import tensorflow as tf

from estimators import latents, shapes
from estimators.gradients import replace_gradient
from estimators.latents import Latent


def straight_through(
    logits: tf.Tensor,
    noise: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
    latent: str = "categorical",
) -> tf.Tensor:
    """Samples classes or bits whose gradient is that of the probabilities.

    Forward:  z = onehot(argmax_k(logits_k + g_k)),  g ~ Gumbel(0, 1);  bits: z = [logits + l > 0],  l ~ Logistic
    Backward: dz := d softmax(logits / temperature), whatever was sampled;  bits: d sigmoid(logits / temperature)

    Unbiased where the cost is linear in the sample and the temperature is 1.

    Args:
        logits: [..., K], or of bits [...].
        noise: As `logits`, g or l; zeros give the mode.
        temperature: Positive scalar, of the backward pass alone.
        latent: 'categorical' or 'bernoulli'.

    Returns:
        As `logits`, float32, exactly one-hot (or 0 or 1) in value.

    Raises:
        ValueError: If the shapes differ, or the temperature is not positive.

    References:
        Bengio et al. 2013 (arXiv 1308.3432); Hafner et al. 2021 (arXiv 2010.02193), Algorithm 1; the Gumbel-max
        trick: Maddison et al. 2014 (arXiv 1411.0030).
    """
    latents.check_positive(temperature=temperature)

    def pull(kind: Latent, logits: tf.Tensor, z: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
        return kind.pull_back(kind.mean(logits / temperature), g) / temperature

    return _sample(logits, noise, latent, pull)


def slope_annealed_straight_through(
    logits: tf.Tensor,
    noise: tf.Tensor,
    slope: float | tf.Tensor,
    latent: str = "categorical",
) -> tf.Tensor:
    """Straight-through of slope * logits: samples and gradient become steeper while the slope is raised.

    Forward:  z ~ sigmoid(slope logits)
    Backward: dz := d sigmoid(slope logits);  classes: softmax in place of sigmoid

    Args:
        logits: [..., K], or of bits [...].
        noise: As `logits`; see `straight_through`.
        slope: Positive scalar; 1 is `straight_through`.
        latent: 'categorical' or 'bernoulli'.

    Returns:
        As `logits`, float32, exactly one-hot (or 0 or 1) in value.

    References:
        Chung et al. 2017 (arXiv 1609.01704), section 2.3, of bits.
        Differs: its hard sigmoid is a sigmoid here, as in Jang et al. 2017.
    """
    latents.check_positive(slope=slope)
    logits = tf.cast(logits, tf.float32) * slope
    return straight_through(logits, noise, latent=latent)


def gumbel_softmax(
    logits: tf.Tensor,
    noise: tf.Tensor,
    temperature: float | tf.Tensor,
    hard: bool = False,
    latent: str = "categorical",
) -> tf.Tensor:
    """Relaxes a sample: y = softmax((logits + g) / temperature);  bits: y = sigmoid((logits + l) / temperature).

    Biased by O(temperature), with a variance of O(1 / temperature). With `hard` the bias does not vanish with the
    temperature, unless the cost is quadratic: the mean then tends to that of `reinmax`.

    Args:
        logits: [..., K], or of bits [...].
        noise: As `logits`, the Gumbel noise g, or of bits the logistic noise l.
        temperature: Positive scalar; towards 0 y becomes one-hot.
        hard: Whether to return onehot(argmax y) with the gradient of y (straight-through Gumbel-Softmax).
        latent: 'categorical' or 'bernoulli'.

    Returns:
        As `logits`, float32: rows sum to 1 (bits: in [0, 1]); exactly one-hot (0 or 1) where `hard`.

    Raises:
        ValueError: If the shapes differ, or the temperature is not positive.

    References:
        Jang et al. 2017 (arXiv 1611.01144), equation 2 and section 2.2; Maddison et al. 2017 (arXiv 1611.00712).
    """
    latents.check_positive(temperature=temperature)
    kind, logits, noise = _inputs(logits, noise, latent)
    relaxed = kind.relax(logits, noise, tf.cast(temperature, tf.float32))
    return replace_gradient(kind.sample(logits, noise), relaxed) if hard else relaxed


def gumbel_rao(
    logits: tf.Tensor,
    noise: tf.Tensor,
    seed: tf.Tensor,
    temperature: float | tf.Tensor,
    samples: int = 10,
    latent: str = "categorical",
) -> tf.Tensor:
    """Straight-through Gumbel-Softmax with its relaxation averaged over noise that gives the same sample.

    Forward:  z = onehot(argmax_k(logits_k + g_k))
    Backward: dz := mean_m J(y_m),  y_m = softmax((logits + g_m) / temperature),  g_m ~ p(g | z)

    J is that of softmax at y_m with respect to the logits, the noise held constant: differentiating through the
    condition would give another mean. The mean is that of `gumbel_softmax(hard=True)`, the variance at most its.

    Args:
        logits: [..., K], or of bits [...].
        noise: As `logits`; makes the sample.
        seed: [2] integers, of the conditional noise.
        temperature: Positive scalar.
        samples: Draws of the conditional noise.
        latent: 'categorical' or 'bernoulli'.

    Returns:
        As `logits`, float32, exactly one-hot (or 0 or 1) in value.

    Raises:
        ValueError: If the shapes differ, the temperature is not positive, or `samples` is less than 1.

    References:
        Paulus et al. 2021 (arXiv 2010.04838), equation 9.
    """
    latents.check_positive(temperature=temperature)
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}.")

    def pull(kind: Latent, logits: tf.Tensor, z: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
        many = tf.concat([[samples], tf.ones(tf.rank(logits), tf.int32)], 0)
        perturbed = kind.condition(tf.tile(logits[None], many), z[None], seed)
        mean = kind.mean(perturbed / temperature)
        return tf.reduce_mean(kind.pull_back(mean, g[None]), 0) / temperature

    return _sample(logits, noise, latent, pull)


def reinmax(
    logits: tf.Tensor,
    noise: tf.Tensor,
    temperature: float | tf.Tensor = 1.0,
    latent: str = "categorical",
) -> tf.Tensor:
    """Samples with the second-order gradient: exact where the cost is quadratic and the temperature is 1.

    Forward:  z as in `straight_through`
    Backward: dz := 2 J((z + p_t) / 2) - J(p) / 2,  p = softmax(logits),  p_t = softmax(logits / temperature)

    J(q) = diag(q) - q q^T is the derivative of softmax where it is q.

    Args:
        logits: [..., K], or of bits [...].
        noise: As `logits`; see `straight_through`.
        temperature: Scalar, usually 1 or more.
        latent: 'categorical' or 'bernoulli'.

    Returns:
        As `logits`, float32, exactly one-hot (or 0 or 1) in value.

    Raises:
        ValueError: If the shapes differ, or the temperature is not positive.

    References:
        Liu et al. 2023 (arXiv 2304.08612), Algorithm 2.
    """
    latents.check_positive(temperature=temperature)

    def pull(kind: Latent, logits: tf.Tensor, z: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
        middle = (z + kind.mean(logits / temperature)) / 2
        return 2 * kind.pull_back(middle, g) - kind.pull_back(kind.mean(logits), g) / 2

    return _sample(logits, noise, latent, pull)


def darn(
    logits: tf.Tensor,
    noise: tf.Tensor,
    scale: float | tf.Tensor = 1.0,
    latent: str = "categorical",
) -> tf.Tensor:
    """Samples with the score function of the cost expanded at the sample.

    Backward, of bits:    g_i (z_i - 1/2) (z_i - p_i) / scale
    Backward, of classes: (g . (z - 1/K)) (z - p) / scale

    g is the cost's gradient at the sample. Exact where the cost is quadratic in each bit; with more than two classes
    only where it is linear.

    Args:
        logits: [..., K], or of bits [...].
        noise: As `logits`; see `straight_through`.
        scale: Positive scalar that divides the signal (variance normalisation).
        latent: 'categorical' or 'bernoulli'.

    Returns:
        As `logits`, float32, exactly one-hot (or 0 or 1) in value.

    Raises:
        ValueError: If the shapes differ.

    References:
        Gregor et al. 2014 (arXiv 1310.8499); Gu et al. 2016 (arXiv 1511.05176), section 3, as '1/2 estimator'.
        Differs: Jang et al. 2017 expand at 1/2 instead, which gives a gradient of 0 for linear costs.
    """

    def pull(kind: Latent, logits: tf.Tensor, z: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
        if kind.name == "bernoulli":
            signal = g * (z - 0.5)
        else:
            centre = 1 / tf.cast(tf.shape(z)[-1], tf.float32)
            signal = tf.reduce_sum(g * (z - centre), -1, keepdims=True)
        return signal * (z - kind.mean(logits)) / scale

    return _sample(logits, noise, latent, pull)


def _inputs(
    logits: tf.Tensor, noise: tf.Tensor, latent: str
) -> tuple[Latent, tf.Tensor, tf.Tensor]:
    logits, noise = tf.cast(logits, tf.float32), tf.cast(noise, tf.float32)
    shapes.check_same(logits=logits, noise=noise)
    return latents.get(latent), logits, noise


def _sample(
    logits: tf.Tensor, noise: tf.Tensor, latent: str, pull: Callable[..., tf.Tensor]
) -> tf.Tensor:
    """A hard sample; backward, pull(kind, logits, z, g) goes to the logits."""
    kind, logits, noise = _inputs(logits, noise, latent)

    @tf.custom_gradient
    def sample(logits: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        z = kind.sample(logits, noise)
        return z, lambda upstream: pull(kind, logits, z, upstream)

    return sample(logits)
