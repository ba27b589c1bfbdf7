"""A gated recurrent cell with one layer norm over all its gates."""

from typing import Any

import keras
import tensorflow as tf

from layers.affine import affine
from layers.leading import Shape
from layers.mlp import LAYER_NORM_EPSILON


@keras.saving.register_keras_serializable("zoo")
class LayerNormGRUCell(keras.layers.Layer):
    """A GRU whose three gates are normalised together.

    reset, cand, update = split(LN(W concat(x, h) + b))
    c = tanh(sigma(reset) * cand),  u = sigma(update - 1),  h' = u c + (1 - u) h

    The reset gate multiplies the candidate before its activation, not h. The product
    with W is in the compute dtype; the norm, the gates and the state are float32.

    Args:
        units: Size D of the state.
        norm: Whether the layer norm (epsilon 1e-3) is there.

    Call arguments:
        inputs: [B, I], x.
        states: [h], one tensor [B, D] float32.

    Returns:
        h' [B, D] float32, and [h']: a legal cell for `keras.layers.RNN`.

    References:
        Hafner et al. 2021 (arXiv 2010.02193); Ba et al. 2016 (arXiv 1607.06450).
    """

    def __init__(self, units: int, norm: bool = True, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.product_dtype = self.dtype_policy.compute_dtype
        self.units = units
        self.state_size = units
        self.output_size = units
        self.dense = keras.layers.Dense(
            3 * units, dtype=self.dtype_policy, name="dense"
        )
        self.norm = (
            keras.layers.LayerNormalization(
                epsilon=LAYER_NORM_EPSILON, dtype="float32", name="norm"
            )
            if norm
            else None
        )

    @property
    def compute_dtype(self) -> str:
        """float32, the dtype of states and results; `product_dtype` follows the policy."""
        return "float32"

    def build(self, shape: Shape) -> None:
        self.dense.build((None, shape[-1] + self.units))
        if self.norm is not None:
            self.norm.build((None, 3 * self.units))

    def step(self, x: tf.Tensor, h: tf.Tensor, dtype: str | None = None) -> tf.Tensor:
        """Makes one step; the layer must be built.

        Args:
            x: [B, I].
            h: [B, D].
            dtype: Of the product with W; None for the compute dtype.

        Returns:
            h', [B, D] float32.
        """
        dtype = dtype or self.product_dtype
        h = tf.cast(h, tf.float32)
        both = tf.concat([tf.cast(x, dtype), tf.cast(h, dtype)], -1)
        gates = affine(self.dense, both, dtype)
        if self.norm is not None:
            gates = self.norm(gates)
        reset, cand, update = tf.split(gates, 3, -1)
        candidate = tf.tanh(tf.sigmoid(reset) * cand)
        return h + tf.sigmoid(update - 1) * (candidate - h)

    def call(
        self, inputs: tf.Tensor, states: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        h = self.step(inputs, states[0])
        return h, [h]

    def get_initial_state(self, batch_size: int | tf.Tensor) -> list[tf.Tensor]:
        return [tf.zeros([batch_size, self.units])]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "units": self.units,
            "norm": self.norm is not None,
        }
