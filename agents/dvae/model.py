"""The discrete VAE: a model with codes whose bottleneck is Gumbel-Softmax."""

import keras
import tensorflow as tf

import estimators
from agents import schedule
from agents.dvae.config import DVAEConfig
from agents.vqvae.model import Coded, CodesModel


class DVAE(CodesModel):
    """Classes of Gumbel-Softmax, their KL from a uniform prior; all else is as in the VQ-VAE.

    y = softmax((l + g) / temperature), the decoder sees sum_k y_k e_k;  loss adds kl_weight KL(softmax(l) || 1/K) / D

    In evaluation the code is argmax l, as in the data of the prior.

    References:
        Ramesh et al. 2021 (arXiv 2102.12092), section 2.1, appendix A.2; Jang et al. 2017 (arXiv 1611.01144).
    """

    config: DVAEConfig
    measure = "kl"

    def encoder_outputs(self) -> int:
        """Returns K."""
        return self.config.codes

    def make_codebook(self, level: int) -> keras.layers.Layer:
        """Returns the table of codes of a level."""
        layer = keras.layers.Embedding(
            self.config.codes,
            self.config.code_size,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1),
        )
        layer.build((None,))
        return layer

    def knobs(self, update: int) -> dict[str, float]:
        """Returns temperature and weight of the KL."""
        return {
            "temperature": schedule.parse(self.config.temperature)(update),
            "kl_weight": schedule.parse(self.config.kl_weight)(update),
        }

    def code(
        self, level: int, outputs: tf.Tensor, seed: tf.Tensor, knobs: tf.Tensor
    ) -> Coded:
        """Samples relaxed codes."""
        noise = estimators.gumbel_noise(tf.shape(outputs), seed)
        relaxed = estimators.gumbel_softmax(outputs, noise, knobs[0])
        grid = outputs.shape[1] * outputs.shape[2]
        logits = tf.reshape(outputs, [-1, grid, self.config.codes])
        kl = tf.reduce_mean(estimators.categorical_kl(logits, tf.zeros_like(logits)))
        table = tf.convert_to_tensor(self.codebooks[level].embeddings)
        loss = knobs[1] * kl / self.dimensions
        vectors = tf.tensordot(relaxed, table, 1)
        return Coded(vectors, self.choose(level, outputs), loss, kl)

    def choose(self, level: int, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the likeliest codes."""
        return tf.argmax(outputs, -1, output_type=tf.int32)

    def embed(self, level: int, codes: tf.Tensor) -> tf.Tensor:
        """Returns entries of the table."""
        return tf.gather(tf.convert_to_tensor(self.codebooks[level].embeddings), codes)
