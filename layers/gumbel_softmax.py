"""A sampling layer: the Gumbel-Softmax relaxation, soft or straight-through."""

from typing import Any

import keras
import tensorflow as tf

import estimators
from layers.sampler import Sampler


@keras.saving.register_keras_serializable("zoo")
class GumbelSoftmax(Sampler):
    """Relaxes categorical samples: y = softmax((logits + g) / temperature), g ~ Gumbel(0, 1).

    With `hard` the value is onehot(argmax y) and the gradient that of y.

    Args:
        temperature: The default temperature, positive.
        hard: Whether samples are exactly one-hot (straight-through Gumbel-Softmax).
        seed: Seed of the layer's own generator; None for a random one.

    Call arguments:
        logits: [..., K].
        noise: [..., K] float32, the Gumbel noise g; drawn from the layer's own generator
            when None.
        temperature: Scalar, tensor or number, that replaces the default; a tensor can be
            annealed without a new trace.

    Returns:
        [..., K] float32.

    Raises:
        ValueError: If the temperature is not positive, or K is 1 or unknown when the
            layer is built.

    References:
        Jang et al. 2017 (arXiv 1611.01144); Maddison et al. 2017 (arXiv 1611.00712).
    """

    def __init__(
        self,
        temperature: float = 1.0,
        hard: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, **kwargs)
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}.")
        self.temperature = temperature
        self.hard = hard

    def call(
        self,
        logits: tf.Tensor,
        noise: tf.Tensor | None = None,
        temperature: float | tf.Tensor | None = None,
    ) -> tf.Tensor:
        if noise is None:
            noise = estimators.gumbel_noise(tf.shape(logits), self.next_seed())
        if temperature is None:
            temperature = self.temperature
        return estimators.gumbel_softmax(logits, noise, temperature, self.hard)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "temperature": self.temperature,
            "hard": self.hard,
        }
