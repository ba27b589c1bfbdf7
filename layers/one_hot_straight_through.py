"""A sampling layer: one-hot forward, probabilities backward."""

import keras
import tensorflow as tf

from estimators import gumbel_noise, straight_through
from layers.sampler import Sampler


@keras.saving.register_keras_serializable("zoo")
class OneHotStraightThrough(Sampler):
    """Samples one-hot classes whose gradient is that of the probabilities.

    Forward:  z = onehot(argmax_k(logits_k + g_k)),  g ~ Gumbel(0, 1)
    Backward: dz := d softmax(logits)

    Args:
        seed: Seed of the layer's own generator; None for a random one.

    Call arguments:
        logits: [..., K].
        noise: [..., K] float32, the Gumbel noise g; drawn from the layer's own generator
            when None.

    Returns:
        [..., K] float32, exactly one-hot in value.

    Raises:
        ValueError: If K is 1 or unknown when the layer is built.

    References:
        Bengio et al. 2013 (arXiv 1308.3432); Hafner et al. 2021 (arXiv 2010.02193),
        Algorithm 1.
    """

    def call(self, logits: tf.Tensor, noise: tf.Tensor | None = None) -> tf.Tensor:
        if noise is None:
            noise = gumbel_noise(tf.shape(logits), self.next_seed())
        return straight_through(logits, noise)
