"""Samples of discrete choices through which gradients flow, and the noise they need."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from estimators import shapes

TINY = 2.0**-126  # the smallest normal float32: its double logarithm is finite


def uniform_noise(
    shape: Sequence[int | tf.Tensor] | tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Draws u from the open interval (0, 1), by the counter-based generator Philox.

    Args:
        shape: The shape of the result.
        seed: [2] integers; the result is a pure function of it.

    Returns:
        [*shape] float32, at least the smallest normal number, less than 1.
    """
    return tf.random.stateless_uniform(
        shape, seed, minval=TINY, maxval=1.0, alg="philox"
    )


def gumbel_noise(
    shape: Sequence[int | tf.Tensor] | tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """Draws g = -log(-log(u)), u uniform on (0, 1): Gumbel(0, 1), always finite.

    Args:
        shape: The shape of the result.
        seed: [2] integers; the result is a pure function of it.

    Returns:
        [*shape] float32.

    References:
        Jang et al. 2017 (arXiv 1611.01144), section 2.1.
    """
    return -tf.math.log(-tf.math.log(uniform_noise(shape, seed)))


@tf.custom_gradient
def replace_gradient(
    value: tf.Tensor, surrogate: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Returns `value` bit for bit; backward, d result := d surrogate.

    Unlike value + surrogate - stop_gradient(surrogate) this rounds nothing.

    Args:
        value: [...], the result; it gets no gradient.
        surrogate: [...], the same shape and dtype, which gets the whole gradient.

    Returns:
        [...], `value`.

    References:
        Bengio et al. 2013 (arXiv 1308.3432).
    """
    return tf.identity(value), lambda upstream: (tf.zeros_like(upstream), upstream)


def scale_gradient(tensor: tf.Tensor, scale: float) -> tf.Tensor:
    """Returns `tensor` [...] itself; backward, its gradient is multiplied by `scale`."""

    @tf.custom_gradient
    def scaled(inner: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return tf.identity(inner), lambda upstream: upstream * scale

    return scaled(tensor)


def onehot_straight_through(logits: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Samples one-hot classes whose gradient is that of the probabilities.

    Forward:  z = onehot(argmax_k(logits_k + g_k)),  g ~ Gumbel(0, 1)
    Backward: dz := d softmax(logits), whatever was sampled

    Args:
        logits: [..., K].
        noise: [..., K], the Gumbel noise g; zeros give the mode.

    Returns:
        [..., K] float32, exactly one-hot in value.

    Raises:
        ValueError: If the shapes differ.

    References:
        Bengio et al. 2013 (arXiv 1308.3432); Hafner et al. 2021 (arXiv 2010.02193),
        Algorithm 1; the Gumbel-max trick: Maddison et al. 2014 (arXiv 1411.0030).
    """
    logits = tf.cast(logits, tf.float32)
    noise = tf.cast(noise, tf.float32)
    shapes.check_same(logits=logits, noise=noise)
    return _onehot_straight_through(logits, noise)


@tf.custom_gradient
def _onehot_straight_through(
    logits: tf.Tensor, noise: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    def grad(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        probs = tf.nn.softmax(logits)
        mean = tf.reduce_sum(probs * upstream, -1, keepdims=True)
        return probs * (upstream - mean), tf.zeros_like(upstream)

    return _onehot_argmax(logits + noise), grad


def gumbel_softmax(
    logits: tf.Tensor,
    noise: tf.Tensor,
    temperature: float | tf.Tensor,
    hard: bool = False,
) -> tf.Tensor:
    """Relaxes a categorical sample: y = softmax((logits + g) / temperature).

    Args:
        logits: [..., K].
        noise: [..., K], the Gumbel noise g.
        temperature: Positive scalar; towards 0 y becomes one-hot.
        hard: Whether to return onehot(argmax y) with the gradient of y (straight-through
            Gumbel-Softmax).

    Returns:
        [..., K] float32: rows sum to 1; exactly one-hot where `hard`.

    Raises:
        ValueError: If the shapes differ.

    References:
        Jang et al. 2017 (arXiv 1611.01144), equation 2 and section 2.2.
    """
    logits = tf.cast(logits, tf.float32)
    noise = tf.cast(noise, tf.float32)
    shapes.check_same(logits=logits, noise=noise)
    scores = (logits + noise) / tf.cast(temperature, tf.float32)
    relaxed = tf.nn.softmax(scores)
    return replace_gradient(_onehot_argmax(scores), relaxed) if hard else relaxed


def _onehot_argmax(scores: tf.Tensor) -> tf.Tensor:
    choice = tf.argmax(scores, -1, output_type=tf.int32)
    return tf.one_hot(choice, tf.shape(scores)[-1], dtype=tf.float32)
