"""The nets around the latent state: observations in, observations and predictions out."""

from collections.abc import Mapping

import gymnasium
import keras
import numpy as np
import tensorflow as tf

import layers
from agents.dreamerv2.config import DreamerV2Config

SMALL_SIDE = 32  # images with both sides below this take stride-1 convolutions and a dense decoder


def preprocess(value: tf.Tensor) -> tf.Tensor:
    """Returns float32: pixels (uint8) as x / 255 - 0.5, bits as 0 and 1, floats as they are."""
    if value.dtype == tf.uint8:
        return tf.cast(value, tf.float32) / 255.0 - 0.5
    return tf.cast(value, tf.float32)


def image_groups(
    boxes: Mapping[str, gymnasium.spaces.Box],
) -> dict[tuple[int, int], list[str]]:
    """Groups the image keys by height and width; images of one size share a net.

    Raises:
        ValueError: On an image that is neither 64x64 nor small.
    """
    groups: dict[tuple[int, int], list[str]] = {}
    for key, box in boxes.items():
        if len(box.shape) != 3:
            continue
        height, width, _ = box.shape
        if (height, width) != (64, 64) and max(height, width) >= SMALL_SIDE:
            raise ValueError(
                f"observation {key!r} has {height}x{width} pixels; DreamerV2 takes 64x64 or less than "
                f"{SMALL_SIDE} a side: make the environment with size=64"
            )
        groups.setdefault((height, width), []).append(key)
    return groups


def vector_keys(boxes: Mapping[str, gymnasium.spaces.Box]) -> list[str]:
    """Returns the keys whose observation is a vector."""
    return [key for key, box in boxes.items() if len(box.shape) == 1]


class ObservationEncoder(keras.layers.Layer):
    """Encodes all keys: images through convolutions, vectors through an MLP, side by side.

    Call arguments:
        observation: Key -> [..., *shape] float32, preprocessed.

    Returns:
        [..., E] in the compute type.
    """

    def __init__(
        self,
        boxes: Mapping[str, gymnasium.spaces.Box],
        config: DreamerV2Config,
        dtype: str,
    ) -> None:
        super().__init__(dtype=dtype, name="encoder")
        self.groups = list(image_groups(boxes).items())
        self.vectors = vector_keys(boxes)
        self.image_nets = [
            _image_encoder(size, config, dtype) for size, _ in self.groups
        ]
        if self.vectors:
            units = (config.mlp_units,) * config.mlp_layers
            self.vector_net = layers.MLP(units, norm=config.norm, dtype=dtype)

    def build(self, input_shape: object = None) -> None:
        """Does nothing: the parts are built by the first call."""
        self.built = True

    def call(self, observation: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """See the class."""
        parts = [
            net(tf.concat([observation[key] for key in keys], -1))
            for (_, keys), net in zip(self.groups, self.image_nets, strict=True)
        ]
        if self.vectors:
            vectors = tf.concat([observation[key] for key in self.vectors], -1)
            parts.append(self.vector_net(vectors))
        return tf.concat(parts, -1)


class ObservationDecoder(keras.layers.Layer):
    """Predicts the mean of every key from features; the likelihood is a normal of unit variance.

    Call arguments:
        features: [..., F].

    Returns:
        Key -> [..., *shape] float32.
    """

    def __init__(
        self,
        boxes: Mapping[str, gymnasium.spaces.Box],
        config: DreamerV2Config,
        dtype: str,
    ) -> None:
        super().__init__(dtype=dtype, name="decoder")
        self.channels = {key: box.shape[-1] for key, box in boxes.items()}
        self.groups = list(image_groups(boxes).items())
        self.image_nets = [
            _image_decoder(
                (*size, sum(self.channels[key] for key in keys)), config, dtype
            )
            for size, keys in self.groups
        ]
        self.vectors = vector_keys(boxes)
        if self.vectors:
            units = (config.mlp_units,) * config.mlp_layers
            self.vector_net = layers.MLP(units, norm=config.norm, dtype=dtype)
            self.vector_heads = [
                layers.UnitNormalHead((self.channels[key],), dtype=dtype)
                for key in self.vectors
            ]

    def build(self, input_shape: object = None) -> None:
        """Does nothing: the parts are built by the first call."""
        self.built = True

    def call(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """See the class."""
        means: dict[str, tf.Tensor] = {}
        for (_, keys), net in zip(self.groups, self.image_nets, strict=True):
            sizes = [self.channels[key] for key in keys]
            parts = tf.split(net(features), sizes, axis=-1)
            means |= dict(zip(keys, parts, strict=True))
        if self.vectors:
            hidden = self.vector_net(features)
            for key, head in zip(self.vectors, self.vector_heads, strict=True):
                means[key] = head(hidden)
        return means


class Predictor(keras.layers.Layer):
    """An MLP and a head: features [..., F] -> the head's float32 parameters."""

    def __init__(
        self, head: keras.layers.Layer, config: DreamerV2Config, dtype: str, name: str
    ) -> None:
        super().__init__(dtype=dtype, name=name)
        units = (config.mlp_units,) * config.mlp_layers
        self.mlp = layers.MLP(units, norm=config.norm, dtype=dtype)
        self.head = head

    def build(self, input_shape: object = None) -> None:
        """Does nothing: the parts are built by the first call."""
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return self.head(self.mlp(features))


def normal_nll(value: tf.Tensor, mean: tf.Tensor, event_rank: int) -> tf.Tensor:
    """Returns -log Normal(value; mean, 1), summed over the last `event_rank` axes: 1/2 (x - m)^2 + log(2 pi) / 2.

    Args:
        value: [..., *event].
        mean: [..., *event].
        event_rank: Number of event axes.
    """
    squared = 0.5 * tf.math.squared_difference(value, mean) + 0.5 * np.log(2 * np.pi)
    return (
        tf.reduce_sum(squared, list(range(-event_rank, 0))) if event_rank else squared
    )


def _image_encoder(
    size: tuple[int, int], config: DreamerV2Config, dtype: str
) -> keras.layers.Layer:
    if size == (64, 64):
        return layers.ConvEncoder(config.cnn_depth, norm=config.norm, dtype=dtype)
    return layers.SmallConvEncoder(config.cnn_depth, norm=config.norm, dtype=dtype)


def _image_decoder(
    shape: tuple[int, int, int], config: DreamerV2Config, dtype: str
) -> keras.layers.Layer:
    if shape[:2] == (64, 64):
        return layers.ConvDecoder(
            config.cnn_depth, shape=shape, norm=config.norm, dtype=dtype
        )
    units = (config.mlp_units,) * config.mlp_layers
    return layers.DenseDecoder(shape, units, norm=config.norm, dtype=dtype)
