"""A head for continuous actions in [-1, 1]: a truncated normal."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from estimators import replace_gradient, uniform_noise
from layers.head import Head
from layers.leading import Shape

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
EDGE = 1 - 1e-6  # samples stay inside, where every log-probability is finite
SMALLEST, LARGEST = 2.0**-126, 1 - 2.0**-24  # of a cumulative probability in float32


@keras.saving.register_keras_serializable("zoo")
class TruncatedNormalHead(Head):
    """a ~ Normal(m, s) truncated to [-1, 1], independent over A actions.

    m = tanh(W f + b),  s = 2 sigma((V f + c + init_std) / 2) + min_std

    Samples invert the cumulative distribution, a = m + s Phi^-1(Phi(l) + u (Phi(r) - Phi(l)))
    with l = (-1 - m) / s, r = (1 - m) / s, so they carry gradients to m and s; they are
    clipped to +-(1 - 1e-6) with a straight-through gradient.

    Args:
        size: A.
        init_std: Added to the raw standard deviation.
        min_std: The least standard deviation.

    Call arguments:
        features: [..., F].

    Returns:
        [..., 2A] float32, m then s.

    References:
        Hafner et al. 2021 (arXiv 2010.02193), appendix A.
    """

    event_rank = 1

    def __init__(
        self, size: int, init_std: float = 0.0, min_std: float = 0.1, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.size = size
        self.init_std = init_std
        self.min_std = min_std
        self.mean_dense = self._dense(size, "mean")
        self.std_dense = self._dense(size, "std")

    def build(self, shape: Shape) -> None:
        self.mean_dense.build(shape)
        self.std_dense.build(shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        mean = tf.tanh(tf.cast(self.mean_dense(features), tf.float32))
        raw = tf.cast(self.std_dense(features), tf.float32)
        std = 2 * tf.sigmoid((raw + self.init_std) / 2) + self.min_std
        return tf.concat([mean, std], -1)

    @property
    def parameters_shape(self) -> tuple[int, ...]:
        return (2 * self.size,)

    def distribution(self, parameters: tf.Tensor) -> Any:
        """tfd.TruncatedNormal, the actions independent, samples clipped as in `sample`."""
        from layers.distributions import clipped_truncated_normal

        mean, std = tf.split(parameters, 2, -1)
        return clipped_truncated_normal(mean, std, EDGE)

    def sample(self, parameters: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """[..., A] from uniform noise [..., A]."""
        mean, std = tf.split(parameters, 2, -1)
        left, right = _cdf((-1 - mean) / std), _cdf((1 - mean) / std)
        where = tf.clip_by_value(left + noise * (right - left), SMALLEST, LARGEST)
        sample = mean + std * tf.math.ndtri(where)
        return replace_gradient(tf.clip_by_value(sample, -EDGE, EDGE), sample)

    def mode(self, parameters: tf.Tensor) -> tf.Tensor:
        """m, which lies in [-1, 1]."""
        return tf.split(parameters, 2, -1)[0]

    def log_prob(self, parameters: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """log phi((a - m) / s) - log s - log(Phi(r) - Phi(l)), summed; -inf outside [-1, 1]."""
        mean, std = tf.split(parameters, 2, -1)
        mass = _cdf((1 - mean) / std) - _cdf((-1 - mean) / std)
        log_density = -0.5 * tf.square((value - mean) / std) - HALF_LOG_2PI
        log_prob = log_density - tf.math.log(std * mass)
        inside = tf.abs(value) <= 1
        return tf.reduce_sum(tf.where(inside, log_prob, -math.inf), -1)

    def entropy(self, parameters: tf.Tensor) -> tf.Tensor:
        """log(sqrt(2 pi e) s Z) + (l phi(l) - r phi(r)) / (2 Z), Z = Phi(r) - Phi(l), summed."""
        mean, std = tf.split(parameters, 2, -1)
        left, right = (-1 - mean) / std, (1 - mean) / std
        mass = _cdf(right) - _cdf(left)
        slope = (left * _density(left) - right * _density(right)) / (2 * mass)
        return tf.reduce_sum(HALF_LOG_2PI + 0.5 + tf.math.log(std * mass) + slope, -1)

    def noise_shape(self, batch_shape: Sequence[int]) -> list[int]:
        return [*batch_shape, self.size]

    def noise(self, batch_shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
        """Uniform on (0, 1)."""
        return uniform_noise(self.noise_shape(batch_shape), seed)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "size": self.size,
            "init_std": self.init_std,
            "min_std": self.min_std,
        }


def _cdf(x: tf.Tensor) -> tf.Tensor:
    """Phi, the standard normal's cumulative distribution."""
    return 0.5 * tf.math.erfc(-x / math.sqrt(2))


def _density(x: tf.Tensor) -> tf.Tensor:
    """phi, the standard normal's density."""
    return tf.exp(-0.5 * tf.square(x) - HALF_LOG_2PI)
