"""Observations into one vector: an image net per image, one net for all vectors together."""

from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf
from gymnasium.spaces import Box

import layers
from agents.api import Spaces


def preprocess(value: tf.Tensor) -> tf.Tensor:
    """Returns float32: pixels (uint8) as x / 255, bits as 0 and 1, floats as they are."""
    if value.dtype == tf.uint8:
        return tf.cast(value, tf.float32) / 255.0
    return tf.cast(value, tf.float32)


class ObservationNet(keras.layers.Layer):
    """Images through nets of their own, vectors side by side through one.

    Args:
        spaces: The spaces of one row.
        image_net: (key, box) -> the net of an image, [..., H, W, C] -> [..., units].
        vector_units: ReLU units of the layers that read vectors; none: vectors go on as they are.
        norm: Whether the result goes through layer norm.

    Call arguments:
        observation: Key -> [..., *shape] float32, preprocessed.

    Returns:
        [..., E] float32.
    """

    def __init__(
        self,
        spaces: Spaces,
        image_net: Callable[[str, Box], keras.layers.Layer],
        vector_units: Sequence[int],
        norm: bool = False,
    ) -> None:
        super().__init__(dtype="float32", name="encoder")
        self.images: dict[str, keras.layers.Layer] = {}
        self.vectors: list[str] = []
        for key, box in spaces.observation.items():
            if len(box.shape) == 1:
                self.vectors.append(key)
            else:
                self.images[key] = image_net(key, box)
        self.vector_net: keras.layers.Layer | None = None
        if self.vectors and vector_units:
            self.vector_net = layers.MLP(tuple(vector_units), "relu", dtype="float32")
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6) if norm else None

    def build(self, input_shape: object = None) -> None:
        """Does nothing: the parts are built by the first call."""
        self.built = True

    def call(self, observation: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """See the class."""
        return self.embed(observation)

    def embed(self, observation: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the nets' results side by side, [..., E] float32."""
        parts = [
            tf.cast(net(observation[key]), tf.float32)
            for key, net in self.images.items()
        ]
        if self.vectors:
            vectors = tf.concat([observation[key] for key in self.vectors], -1)
            parts.append(
                vectors if self.vector_net is None else self.vector_net(vectors)
            )
        embed = tf.concat(parts, -1)
        return embed if self.norm is None else self.norm(embed)


class SmallImageEncoder(keras.layers.Layer):
    """Convolutions of stride 1 and a dense layer: [..., H, W, C] -> [..., units]."""

    def __init__(
        self,
        depth: int,
        units: int,
        dtype: str,
        activation: str = "tanh",
        convolutions: int = 2,
    ) -> None:
        super().__init__(dtype=dtype)
        self.convs = layers.SmallConvEncoder(
            depth, convolutions, activation="relu", dtype=dtype
        )
        self.dense = keras.layers.Dense(units, activation, dtype=dtype)

    def build(self, input_shape: object = None) -> None:
        """Does nothing: the parts are built by the first call."""
        self.built = True

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return self.dense(self.convs(images))
