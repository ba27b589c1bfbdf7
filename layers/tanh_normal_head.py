"""A head for continuous actions in [-1, 1]: a squashed normal."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from layers.head import Head
from layers.leading import Shape

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
EDGE = 1 - 1e-6  # values are moved inside before their inverse hyperbolic tangent
SEED = (0, 0)  # of the samples that stand for mean, mode and entropy


@keras.saving.register_keras_serializable("zoo")
class TanhNormalHead(Head):
    """a = tanh(m + s n), n ~ Normal(0, 1), independent over A actions.

    m = 5 tanh((W f + b) / 5),  s = softplus(V f + c + init_std) + min_std

    Mean, mode and entropy have no closed form: they are taken from `samples` samples
    whose noise is always the same, so they are functions of the parameters.

    Args:
        size: A.
        init_std: Added to the raw standard deviation.
        min_std: The least standard deviation.
        samples: Number of samples for mean, mode and entropy.

    Call arguments:
        features: [..., F].

    Returns:
        [..., 2A] float32, m then s.

    References:
        Haarnoja et al. 2018 (arXiv 1801.01290), appendix C.
    """

    event_rank = 1

    def __init__(
        self,
        size: int,
        init_std: float = 0.0,
        min_std: float = 0.1,
        samples: int = 100,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.size = size
        self.init_std = init_std
        self.min_std = min_std
        self.samples = samples
        self.mean_dense = self._dense(size, "mean")
        self.std_dense = self._dense(size, "std")

    def build(self, shape: Shape) -> None:
        self.mean_dense.build(shape)
        self.std_dense.build(shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        # Differs: the paper's mean is not bounded.
        mean = 5 * tf.tanh(tf.cast(self.mean_dense(features), tf.float32) / 5)
        raw = tf.cast(self.std_dense(features), tf.float32)
        return tf.concat(
            [mean, tf.math.softplus(raw + self.init_std) + self.min_std], -1
        )

    @property
    def parameters_shape(self) -> tuple[int, ...]:
        return (2 * self.size,)

    def distribution(self, parameters: tf.Tensor) -> Any:
        """tfd.Normal through tfb.Tanh, the actions independent."""
        from tensorflow_probability import bijectors, distributions

        mean, std = tf.split(parameters, 2, -1)
        squashed = distributions.TransformedDistribution(
            distributions.Normal(mean, std), bijectors.Tanh()
        )
        return distributions.Independent(squashed, 1)

    def sample(self, parameters: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """tanh(m + s n), [..., A], from standard normal noise n [..., A]."""
        return tf.tanh(_before_tanh(parameters, noise))

    def sample_and_log_prob(
        self, parameters: tf.Tensor, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`sample`, and its log p [...] from what was before the tanh: exact also where tanh rounds to +-1."""
        before = _before_tanh(parameters, noise)
        return tf.tanh(before), _log_prob_before_tanh(parameters, before)

    def mean(self, parameters: tf.Tensor) -> tf.Tensor:
        """The mean of the samples, [..., A]."""
        return tf.reduce_mean(tf.tanh(self._draws(parameters)), 0)

    def mode(self, parameters: tf.Tensor) -> tf.Tensor:
        """The most probable of the samples, [..., A]."""
        draws = self._draws(parameters)
        best = tf.argmax(_log_prob_before_tanh(parameters, draws), 0)
        chosen = tf.one_hot(best, self.samples, axis=0)[..., None]
        return tf.tanh(tf.reduce_sum(draws * chosen, 0))

    def log_prob(self, parameters: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """log N(x; m, s) - log(1 - a^2), x = atanh(a), a kept within +-(1 - 1e-6), summed."""
        inside = tf.clip_by_value(value, -EDGE, EDGE)
        return _log_prob_before_tanh(parameters, tf.math.atanh(inside))

    def entropy(self, parameters: tf.Tensor) -> tf.Tensor:
        """The mean of -log p over the samples."""
        draws = self._draws(parameters)
        return -tf.reduce_mean(_log_prob_before_tanh(parameters, draws), 0)

    def _draws(self, parameters: tf.Tensor) -> tf.Tensor:
        """The fixed samples before the tanh, [samples, ..., A]."""
        ones = [1] * (parameters.shape.rank - 1)
        shape = [self.samples, *ones, self.size]
        noise = tf.random.stateless_normal(shape, SEED, alg="philox")
        return _before_tanh(parameters[None], noise)

    def noise_shape(self, batch_shape: Sequence[int]) -> list[int]:
        return [*batch_shape, self.size]

    def noise(self, batch_shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
        """Standard normal."""
        shape = self.noise_shape(batch_shape)
        return tf.random.stateless_normal(shape, seed, alg="philox")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "size": self.size,
            "init_std": self.init_std,
            "min_std": self.min_std,
            "samples": self.samples,
        }


def _before_tanh(parameters: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    mean, std = tf.split(parameters, 2, -1)
    return mean + std * noise


def _log_prob_before_tanh(parameters: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """log p(tanh x): log(1 - tanh(x)^2) = 2 (log 2 - x - softplus(-2x)), finite for all x."""
    mean, std = tf.split(parameters, 2, -1)
    log_density = -0.5 * tf.square((x - mean) / std) - tf.math.log(std) - HALF_LOG_2PI
    slope = 2 * (math.log(2) - x - tf.math.softplus(-2 * x))
    return tf.reduce_sum(log_density - slope, -1)
