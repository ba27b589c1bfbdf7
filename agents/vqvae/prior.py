"""The prior of codes: a causal Transformer of Keras's own layers over the grids, read row by row, the top one first."""

import math
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from estimators import gumbel_noise
from estimators.cost import part


class Prior:
    """p(c) = prod_i p(c_i | c_1 ... c_(i-1)), the codes of one image in a row.

    Embeddings of the code before (or of the start) and of the position; layers of h + A(norm h), A causal attention of
    several heads, and h + W relu(V norm h) four times as wide; a norm; logits by a dense layer of each level's own.

    Args:
        grids: [h, w] of each level.
        codes: K, of every level.
        width: Of h.
        depth: Layers.
        heads: Of attention.

    Attributes:
        length: Codes of an image, n.
    """

    def __init__(
        self,
        grids: Sequence[tuple[int, int]],
        codes: int,
        width: int,
        depth: int,
        heads: int,
    ):
        # Differs: VQ-VAE-2 has a prior per level, the bottom one's given the top one's codes; here one reads both.
        self._sizes = [math.prod(grid) for grid in grids]
        self.length, self._codes = sum(self._sizes), codes
        self._net = self._build(width, depth, heads)
        self._net.build((None, self.length))
        # Codes of different levels have embeddings of their own.
        offsets = [codes * level for level, n in enumerate(self._sizes) for _ in range(n)]  # fmt: skip
        self._offsets = tf.constant(offsets, tf.int32)

    def variables(self) -> Mapping[str, keras.Variable]:
        """Returns every variable by a stable name."""
        return {str(i): variable for i, variable in enumerate(self._net.variables)}

    def surprise(self, codes: tf.Tensor) -> tf.Tensor:
        """Returns -log p(c_i | those before) [B, n] in nats, of codes [B, n] int32."""
        log_p = tf.nn.log_softmax(self.logits(codes))
        return -tf.gather(log_p, codes, batch_dims=2)

    def logits(self, codes: tf.Tensor) -> tf.Tensor:
        """Returns [B, n, K], of each code given those before it; codes [B, n] int32."""
        start = tf.fill([tf.shape(codes)[0], 1], self._codes * len(self._sizes))
        before = tf.concat([start, (codes + self._offsets)[:, :-1]], 1)
        return self._net(before)

    def sample(self, count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draws codes [count, n] int32, one after another; a pure function of seed [2]."""
        positions = tf.range(self.length)

        def step(i: tf.Tensor, codes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            logits = self.logits(codes)[:, i]
            noise = gumbel_noise(tf.shape(logits), part(seed, i))
            drawn = tf.argmax(logits + noise, -1, output_type=tf.int32)
            return i + 1, tf.where(positions == i, drawn[:, None], codes)

        codes = tf.zeros([count, self.length], tf.int32)
        return tf.while_loop(
            lambda i, _: i < self.length, step, (tf.constant(0), codes)
        )[1]

    def _build(self, width: int, depth: int, heads: int) -> keras.Model:
        codes = keras.Input((self.length,), dtype="int32")
        words = keras.layers.Embedding(self._codes * len(self._sizes) + 1, width)
        h = _Positions(self.length)(words(codes))
        for _ in range(depth):
            normed = keras.layers.LayerNormalization()(h)
            attention = keras.layers.MultiHeadAttention(heads, width // heads)
            h += attention(normed, normed, use_causal_mask=True)
            normed = keras.layers.LayerNormalization()(h)
            wide = keras.layers.Dense(4 * width, "relu")(normed)
            h += keras.layers.Dense(width)(wide)
        h = keras.layers.LayerNormalization()(h)
        shares, start = [], 0
        for size in self._sizes:
            shares.append(keras.layers.Dense(self._codes)(h[:, start : start + size]))
            start += size
        logits = (
            shares[0] if len(shares) == 1 else keras.layers.Concatenate(axis=1)(shares)
        )
        return keras.Model(codes, logits)


class _Positions(keras.layers.Layer):
    """Adds a learned vector per position."""

    def __init__(self, length: int):
        super().__init__()
        self._length = length

    def build(self, shape: tuple[int | None, ...]) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self._vectors = self.add_weight(
            shape=(self._length, shape[-1]), initializer=start, name="vectors"
        )

    def call(self, h: tf.Tensor) -> tf.Tensor:
        return h + tf.convert_to_tensor(self._vectors)
