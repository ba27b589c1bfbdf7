"""Probabilities of pixels, each independent of the others given the codes; every bit of a picture is counted."""

import abc
import math

import numpy as np
import tensorflow as tf


class Likelihood(abc.ABC):
    """p(x | z) = prod_i p(x_i | parameters_i) of pixels x in 0 to `levels` - 1.

    Attributes:
        levels: Values of a pixel.
        parameters: Numbers per pixel and channel.
    """

    levels: int
    parameters: int

    @abc.abstractmethod
    def surprise(self, parameters: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
        """Returns -log p(x | z) in nats.

        Args:
            parameters: [B, H, W, C, P] float32.
            pixels: [B, H, W, C] float32, whole numbers from 0 to levels - 1.

        Returns:
            [B], summed over pixels and channels.
        """

    @abc.abstractmethod
    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """Returns the image that the parameters stand for, [B, H, W, C] in [0, 1]: the distributions' middle."""


class Bernoulli(Likelihood):
    """Of bits: p(1) = sigmoid(l)."""

    levels, parameters = 2, 1

    def surprise(self, parameters: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
        """Returns the sum of softplus(l) - x l."""
        logits = parameters[..., 0]
        return tf.reduce_sum(tf.math.softplus(logits) - pixels * logits, [1, 2, 3])

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """Returns the probabilities of ones."""
        return tf.sigmoid(parameters[..., 0])


_PACE = 5.0  # of log scales, which have further to go than middles


class DiscretizedLogistic(Likelihood):
    """Of 256 shades: the mass that a logistic distribution has between a shade's borders.

    P(v) = F((v + 1/2) / 255) - F((v - 1/2) / 255),  F(t) = sigmoid((t - m) / s),

    where the first shade reaches down to minus infinity and the last one up to infinity, so that the shades' masses
    add up to 1. With a and b the two arguments of the sigmoid, P = sigmoid(a) sigmoid(-b) (1 - exp(b - a)). Parameters of 0
    stand for m = `centre` and s = exp(-4): where that is the mean of all images, the background is known from the start.

    Args:
        centre: [H, W, C], or a number; in [0, 1].

    References:
        Salimans et al. 2017 (arXiv 1701.05517), section 2.1, one component.
    """

    # Differs: the papers take the squared error, a normal of one width, which gives no bits of whole shades.
    levels, parameters = 256, 2
    _LEAST = -8.0  # of log s: a shade's mass is at most 0.994: 0.0083 bits
    _START = -4.0

    def __init__(self, centre: np.ndarray | float = 0.5):
        self._centre = tf.constant(centre, tf.float32)

    def surprise(self, parameters: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
        """Returns the sum of -log P(v)."""
        mean, log_scale = self._split(parameters)
        # Differs: the gradient by m, up to 1 / s, is weighed by s. Else shades that never change, whose s is small, drown
        # what moves: in pilots of 1,000 updates (one seed) paddles of Pong were drawn with it, and not without it.
        fixed = tf.stop_gradient(mean)
        mean = fixed + (mean - fixed) * tf.exp(
            tf.stop_gradient(log_scale) - self._START
        )
        inverse = tf.exp(-log_scale)
        above = ((pixels + 0.5) / 255 - mean) * inverse
        below = ((pixels - 0.5) / 255 - mean) * inverse
        log_above = tf.where(pixels > 254.5, 0.0, tf.math.log_sigmoid(above))
        log_below = tf.where(pixels < 0.5, 0.0, tf.math.log_sigmoid(-below))
        inside = (pixels > 0.5) & (pixels < 254.5)
        log_width = tf.where(inside, tf.math.log(-tf.math.expm1(-inverse / 255)), 0.0)
        return -tf.reduce_sum(log_above + log_below + log_width, [1, 2, 3])

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """Returns m, within [0, 1]: the median, not the mean where tails are cut off at the first and last shade."""
        return tf.clip_by_value(self._split(parameters)[0], 0.0, 1.0)

    def _split(self, parameters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """m and log s."""
        mean, raw = tf.unstack(parameters, axis=-1)
        # Smooth, so that no scale is so small that it gets no gradient.
        start = math.log(math.expm1(self._START - self._LEAST))
        above = tf.math.softplus(_PACE * raw + start)
        return self._centre + mean, self._LEAST + above


def of_levels(levels: int, mean: np.ndarray) -> Likelihood:
    """Returns the likelihood of pixels with so many values, of images with the mean [H, W, C] in 0 to `levels` - 1."""
    return Bernoulli() if levels == 2 else DiscretizedLogistic(mean / (levels - 1))
