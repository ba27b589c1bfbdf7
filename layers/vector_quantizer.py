"""A sampling-free discrete latent: the nearest entry of a learned codebook."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from estimators.gradients import replace_gradient
from layers import leading
from layers.leading import Shape


class Quantized(NamedTuple):
    """What `VectorQuantizer.nearest` returns.

    Attributes:
        vectors: [..., D] float32, the codebook's entries; gradients pass them as if they were the inputs.
        indices: [...] int32, which entries.
        codebook_loss: Scalar, mean (sg[z] - e)^2.
        commitment_loss: Scalar, mean (z - sg[e])^2.
        perplexity: Scalar, exp of the entropy of the codes' shares among these vectors: between 1 and K.
    """

    vectors: tf.Tensor
    indices: tf.Tensor
    codebook_loss: tf.Tensor
    commitment_loss: tf.Tensor
    perplexity: tf.Tensor


def perplexity(indices: tf.Tensor, codes: int) -> tf.Tensor:
    """Returns exp(-sum_k p_k log p_k) of the shares p that codes 0 to `codes` - 1 have of indices [...] int32."""
    flat = tf.reshape(indices, [-1])
    counts = tf.math.unsorted_segment_sum(tf.ones_like(flat, tf.float32), flat, codes)
    share = counts / tf.reduce_sum(counts)
    return tf.exp(-tf.reduce_sum(tf.math.xlogy(share, share)))


@keras.saving.register_keras_serializable("zoo")
class VectorQuantizer(keras.layers.Layer):
    """Replaces each vector by the nearest of K codes, e_k with k = argmin_i |z - e_i|^2.

    Forward:  e_k, bit for bit
    Backward: dz := d e_k, straight through; the codebook learns by its losses alone

    Losses, means over all elements:  |sg[z] - e_k|^2 + commitment |z - sg[e_k]|^2. With `decay` the first is left out
    and the codebook follows the vectors that chose it, per call with training=True, n_i of them with the sum s_i:

    N_i <- decay N_i + (1 - decay) n_i,  m_i <- decay m_i + (1 - decay) s_i,
    e_i <- m_i / N'_i,  N'_i = N (N_i + epsilon) / (N + K epsilon),  N = sum_i N_i.

    A code is dead where N_i < restart N / K. Then it becomes a random vector of the batch with N_i = N / K.
    Differs: the papers let codes die; `restart=0` does.

    Distances, averages and losses are float32 under any dtype policy.

    Args:
        codes: K, at least 2.
        commitment: The weight of the second loss.
        decay: In [0, 1): of the running averages; 0 has the codebook learned by gradients, where the
            averages, which then only tell dead codes, have 0.99.
        restart: The share of an even usage below which a code is dead; 0: never.
        epsilon: Of the smoothing.
        seed: Seed of the initial codebook, and of the vectors that replace dead codes.

    Call arguments:
        inputs: [..., D].
        training: Whether the running averages move, and dead codes with them.

    Returns:
        [..., D] float32. The losses are added to the layer's; `nearest` returns them and the indices.

    Raises:
        ValueError: If K is less than 2, a number is out of range, or D is unknown when the layer is built.

    References:
        van den Oord et al. 2017 (arXiv 1711.00937), equation 3, appendix A.1; Razavi et al. 2019 (arXiv 1906.00446),
        equation 2. Restarts: Dhariwal et al. 2020 (arXiv 2005.00341), section 3.1.
    """

    def __init__(
        self,
        codes: int,
        commitment: float = 0.25,
        decay: float = 0.0,
        restart: float = 0.0,
        epsilon: float = 1e-5,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        if codes < 2:
            raise ValueError(
                f"codes must be at least 2, got {codes}: a codebook of one entry tells nothing apart."
            )
        for name, value in (("decay", decay), ("restart", restart)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be in [0, 1), got {value}.")
        for name, value in (("commitment", commitment), ("epsilon", epsilon)):
            if value < 0:
                raise ValueError(f"{name} must not be negative, got {value}.")
        self.codes, self.commitment, self.decay = codes, commitment, decay
        self.restart, self.epsilon, self.seed = restart, epsilon, seed

    def build(self, shape: Shape) -> None:
        size = shape[-1]
        if size is None:
            raise ValueError(
                f"{self.name} got vectors of shape {tuple(shape)}; their last axis must be a known number."
            )
        start = keras.initializers.RandomNormal(stddev=0.1, seed=self.seed + 1)
        vectors = (self.codes, size)
        self.codebook = self._variable("codebook", vectors, start, not self.decay)
        # Each code starts as the average of one vector, itself.
        self.counts = self._variable("counts", (self.codes,), "ones")
        self.sums = self._variable("sums", vectors, start)
        self.calls = self._variable("calls", (), "zeros", dtype="int32")

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        found = self.nearest(inputs)
        self.add_loss(self.loss_of(found))
        if training:
            self.follow(inputs, found.indices)
        return found.vectors

    def nearest(self, inputs: tf.Tensor) -> Quantized:
        """Returns the nearest codes of [..., D], and what they cost; of equally near ones the first."""
        z, restore = leading.merge(tf.cast(inputs, tf.float32), 1)
        codebook = tf.convert_to_tensor(self.codebook)
        # |z - e|^2 without |z|^2, which is the same for all codes.
        distances = tf.reduce_sum(tf.square(codebook), 1) - 2 * tf.matmul(
            z, codebook, transpose_b=True
        )
        indices = tf.argmin(distances, 1, output_type=tf.int32)
        chosen = tf.gather(codebook, indices)
        return Quantized(
            restore(replace_gradient(tf.stop_gradient(chosen), z)),
            tf.reshape(indices, tf.shape(inputs)[:-1]),
            tf.reduce_mean(tf.square(tf.stop_gradient(z) - chosen)),
            tf.reduce_mean(tf.square(z - tf.stop_gradient(chosen))),
            perplexity(indices, self.codes),
        )

    def loss_of(self, found: Quantized) -> tf.Tensor:
        """Returns the weighted sum of the losses that train something."""
        loss = self.commitment * found.commitment_loss
        return loss if self.decay else loss + found.codebook_loss

    def embed(self, indices: tf.Tensor) -> tf.Tensor:
        """Returns the codes [..., D] of indices [...]."""
        return tf.gather(tf.convert_to_tensor(self.codebook), indices)

    def follow(self, inputs: tf.Tensor, indices: tf.Tensor) -> None:
        """Moves the running averages, with `decay` the codebook, and dead codes.

        Args:
            inputs: [..., D], what `nearest` was given.
            indices: [...], what it returned.
        """
        z = tf.stop_gradient(leading.merge(tf.cast(inputs, tf.float32), 1)[0])
        indices, decay = tf.reshape(indices, [-1]), self.decay or 0.99
        ones = tf.ones_like(indices, tf.float32)
        chose = tf.math.unsorted_segment_sum(ones, indices, self.codes)
        added = tf.math.unsorted_segment_sum(z, indices, self.codes)
        counts = decay * self.counts + (1 - decay) * chose
        sums = decay * self.sums + (1 - decay) * added
        total = tf.reduce_sum(counts)
        codebook = tf.convert_to_tensor(self.codebook)
        if self.decay:
            smooth = counts + self.epsilon
            smooth *= total / (total + self.codes * self.epsilon)
            codebook = sums / smooth[:, None]
        if self.restart:
            share = total / self.codes
            dead = counts < self.restart * share
            fresh = tf.gather(z, self._draw(tf.shape(z)[0]))
            counts = tf.where(dead, share, counts)
            codebook = tf.where(dead[:, None], fresh, codebook)
            sums = tf.where(dead[:, None], share * fresh, sums)
        self.counts.assign(counts)
        self.sums.assign(sums)
        if self.decay or self.restart:
            self.codebook.assign(codebook)
        self.calls.assign(self.calls + 1)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        return keras.KerasTensor(inputs.shape, dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "codes": self.codes,
            "commitment": self.commitment,
            "decay": self.decay,
            "restart": self.restart,
            "epsilon": self.epsilon,
            "seed": self.seed,
        }

    def _variable(
        self,
        name: str,
        shape: Shape,
        initializer: Any,
        trainable: bool = False,
        dtype: str = "float32",
    ) -> Any:
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            dtype=dtype,
            trainable=trainable,
            autocast=False,
            name=name,
        )

    def _draw(self, rows: tf.Tensor) -> tf.Tensor:
        """A random row per code, none twice before all are taken; a function of the seed and of the calls so far."""
        pair = tf.stack([self.seed, tf.convert_to_tensor(self.calls)])
        order = tf.argsort(tf.random.stateless_uniform([rows], pair, alg="philox"))
        return tf.gather(order, tf.range(self.codes) % rows)
