"""Keys and sharpness for reading a memory."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from layers import memory as memory_lib
from layers.leading import Shape

SHARPNESS = math.log(2.0)  # softplus(0)


@keras.saving.register_keras_serializable("zoo")
class MemoryReader(keras.layers.Layer):
    """Reads a memory by content with K heads, whose keys and sharpness are linear in a controller's output.

    [k_1 .. k_K, b_1 .. b_K] = W h + b,  beta_i = softplus(b_i),  m = [m_1 .. m_K] as in `layers.memory.read`

    All in float32.

    Args:
        width: W, the width of the memory's rows.
        heads: K.
        sharpness: beta of new weights and h = 0. With log 2, as of a bias of zero, new weights read nearly the mean of all rows.

    Call arguments:
        inputs: h [B, H] and the memory's rows [B, N, W].

    Returns:
        The reads side by side, [B, K * W] float32, and their weights [B, K, N].

    Raises:
        ValueError: If the sharpness is not positive.

    References:
        Wayne et al. 2018 (arXiv 1803.10760).
    """

    def __init__(
        self,
        width: int,
        heads: int = 1,
        *,
        sharpness: float = SHARPNESS,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        if not sharpness > 0:
            raise ValueError(f"sharpness must be positive, got {sharpness}")
        self.width, self.heads, self.sharpness = width, heads, sharpness
        self.interface = keras.layers.Dense(
            heads * (width + 1),
            bias_initializer=self._bias,
            dtype="float32",
            name="interface",
        )

    def _bias(self, shape: tuple[int], dtype: Any = None) -> np.ndarray:
        bias = np.zeros(shape, np.float32)
        inverse = self.sharpness + math.log(-math.expm1(-self.sharpness))
        bias[self.heads * self.width :] = inverse  # of softplus
        return bias

    def build(self, shape: Any) -> None:
        controller = shape[0] if isinstance(shape[0], tuple | list) else shape
        self.interface.build(controller)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        controller, rows = inputs
        keys, sharpness = self.aim(controller)
        found, weights = memory_lib.read(tf.cast(rows, tf.float32), keys, sharpness)
        return tf.reshape(found, [-1, self.heads * self.width]), weights

    def aim(self, controller: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns keys [B, K, W] and sharpness [B, K] > 0."""
        raw = self.interface(tf.cast(controller, tf.float32))
        keys, sharpness = tf.split(raw, [self.heads * self.width, self.heads], -1)
        keys = tf.reshape(keys, [-1, self.heads, self.width])
        return keys, tf.math.softplus(sharpness)

    def compute_output_spec(self, inputs: Any) -> Any:
        controller, rows = inputs
        batch, slots = controller.shape[0], rows.shape[1]
        return (
            keras.KerasTensor((batch, self.heads * self.width), dtype="float32"),
            keras.KerasTensor((batch, self.heads, slots), dtype="float32"),
        )

    def compute_output_shape(self, shape: Any) -> tuple[Shape, Shape]:
        controller, rows = shape
        return (
            (controller[0], self.heads * self.width),
            (controller[0], self.heads, rows[1]),
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "width": self.width,
            "heads": self.heads,
            "sharpness": self.sharpness,
        }
