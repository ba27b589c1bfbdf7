"""What layers that sample classes share: a generator of their own, float32 results."""

from typing import Any

import keras
import tensorflow as tf

from layers.leading import Shape


class Sampler(keras.layers.Layer):
    """Base of layers that draw over the last axis [..., K] and return [..., K] float32."""

    def __init__(self, seed: int | None = None, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.seed = seed
        self._generator = keras.random.SeedGenerator(seed)

    def build(self, shape: Shape) -> None:
        if shape[-1] is None or shape[-1] < 2:
            raise ValueError(
                f"{self.name} got logits of shape {tuple(shape)}; the last axis must be "
                "the classes, a known number of at least 2."
            )

    def next_seed(self) -> tf.Tensor:
        """Returns [2] int64 and advances the layer's generator."""
        return tf.cast(self._generator.next(), tf.int64)

    def compute_output_spec(self, logits: Any, *args: Any, **kwargs: Any) -> Any:
        return keras.KerasTensor(logits.shape, dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"seed": self.seed}
