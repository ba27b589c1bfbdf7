"""Running mean and variance of a cost: a baseline, and the scale that it is divided by."""

from typing import NamedTuple

import tensorflow as tf


class Moments(NamedTuple):
    """Exponential moving averages; they go into an estimator as they are and are updated after it.

    Attributes:
        mean: Scalar float32.
        variance: Scalar float32, about the mean.
        count: Scalar float32, updates so far.
    """

    mean: tf.Tensor
    variance: tf.Tensor
    count: tf.Tensor

    @classmethod
    def zero(cls) -> "Moments":
        """Returns the moments before the first update: mean 0, variance 0."""
        return cls(*(tf.zeros([], tf.float32) for _ in cls._fields))

    def update(self, values: tf.Tensor, decay: float = 0.9) -> "Moments":
        """Returns the moments after a batch of values; the first n batches weigh at least 1 / n each.

        mean     <- d mean + (1 - d) m,                       m, s^2 the batch's,  d = min(decay, n / (n + 1))
        variance <- d variance + (1 - d) (s^2 + d (m - mean)^2)

        Args:
            values: [...].
            decay: In [0, 1); 0.9 forgets within some ten batches.
        """
        values = tf.stop_gradient(tf.cast(values, tf.float32))
        batch, spread = tf.reduce_mean(values), tf.math.reduce_variance(values)
        keep = tf.minimum(decay, self.count / (self.count + 1))
        shift = batch - self.mean
        return Moments(
            self.mean + (1 - keep) * shift,
            keep * self.variance + (1 - keep) * (spread + keep * tf.square(shift)),
            self.count + 1,
        )

    def scale(self) -> tf.Tensor:
        """Returns max(1, standard deviation), what NVIL divides its signal by; 1 before the first update.

        References:
            Mnih and Gregor 2014 (arXiv 1402.0030), section 2.3.2.
        """
        return tf.maximum(1.0, tf.sqrt(self.variance))
