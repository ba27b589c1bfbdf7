"""A head for several choices at once."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from estimators import gumbel_noise
from layers.head import Head
from layers.leading import Shape


@keras.saving.register_keras_serializable("zoo")
class FactoredHead(Head):
    """One independent choice per factor: p(a) = prod_k softmax(l_k)_{a_k}, each l_k by a branch of its own.

    l_k = W_k relu(V_k f + c_k) + b_k, or W_k f + b_k without hidden units

    Five, three, three, three, two and two classes make 540 joint actions, of which no joint table is needed: the joint
    log-probability and the joint entropy are sums over factors. Values are the factors' one-hot codes side by side.

    Args:
        classes: K_k, of each factor.
        units: Hidden units of each branch; 0 for none.

    Call arguments:
        features: [..., F].

    Returns:
        [..., sum of K_k] float32, the logits side by side.

    Raises:
        ValueError: If there is no factor, or one with fewer than one class.

    References:
        Jaderberg et al. 2019 (arXiv 1807.01281), figure S10 of the supplement.
    """

    event_rank = 1

    def __init__(self, classes: Sequence[int], units: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.classes = tuple(int(k) for k in classes)
        if not self.classes or min(self.classes) < 1:
            raise ValueError(
                f"classes must be one or more positive numbers, got {list(classes)}."
            )
        self.units = units
        self.hidden = [
            keras.layers.Dense(
                units, "relu", dtype=self.dtype_policy, name=f"hidden_{i}"
            )
            for i in range(len(self.classes) if units else 0)
        ]
        self.logits = [
            self._dense(k, f"logits_{i}") for i, k in enumerate(self.classes)
        ]

    def build(self, shape: Shape) -> None:
        for layer in self.hidden:
            layer.build(shape)
        for layer in self.logits:
            layer.build((*shape[:-1], self.units or shape[-1]))

    def call(self, features: tf.Tensor) -> tf.Tensor:
        inputs = [layer(features) for layer in self.hidden] or [features] * len(
            self.classes
        )
        parts = [layer(x) for layer, x in zip(self.logits, inputs, strict=True)]
        return tf.cast(tf.concat(parts, -1), tf.float32)

    @property
    def parameters_shape(self) -> tuple[int, ...]:
        return (sum(self.classes),)

    def distribution(self, parameters: tf.Tensor) -> Any:
        """tfd.Blockwise of tfd.OneHotCategorical, float32."""
        from tensorflow_probability import distributions as tfd

        parts = [
            tfd.OneHotCategorical(logits=part, dtype=tf.float32)
            for part in self.split(parameters)
        ]
        return tfd.Blockwise(parts)

    def sample(self, parameters: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """The one-hot codes of argmax(l_k + g_k) side by side; no gradient passes."""
        return self.mode(parameters + noise)

    def mode(self, parameters: tf.Tensor) -> tf.Tensor:
        """The one-hot codes of argmax(l_k) side by side."""
        return self.encode(self.indices(parameters))

    def log_prob(self, parameters: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """sum_k log softmax(l_k)_{a_k}."""
        return tf.reduce_sum(value * self.log_softmax(parameters), -1)

    def entropy(self, parameters: tf.Tensor) -> tf.Tensor:
        """The sum of the factors' entropies."""
        log_p = self.log_softmax(parameters)
        return -tf.reduce_sum(tf.exp(log_p) * log_p, -1)

    def noise_shape(self, batch_shape: Sequence[int]) -> list[int]:
        return [*batch_shape, sum(self.classes)]

    def noise(self, batch_shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
        """Gumbel(0, 1)."""
        return gumbel_noise(self.noise_shape(batch_shape), seed)

    def split(self, parameters: tf.Tensor) -> list[tf.Tensor]:
        """Returns the factors' parts [..., K_k] of [..., sum of K_k]."""
        return tf.split(parameters, self.classes, -1)

    def log_softmax(self, parameters: tf.Tensor) -> tf.Tensor:
        """Returns log p_k side by side, [..., sum of K_k]."""
        parts = [tf.nn.log_softmax(part) for part in self.split(parameters)]
        return tf.concat(parts, -1)

    def indices(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the classes [..., number of factors] int32 of codes, or the likeliest ones of logits."""
        parts = [tf.argmax(part, -1, tf.int32) for part in self.split(values)]
        return tf.stack(parts, -1)

    def encode(self, indices: tf.Tensor) -> tf.Tensor:
        """Inverts `indices`: [..., number of factors] integers -> [..., sum of K_k] float32."""
        parts = [tf.one_hot(indices[..., i], k) for i, k in enumerate(self.classes)]
        return tf.concat(parts, -1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "classes": list(self.classes),
            "units": self.units,
        }
