"""Encoders and decoders, one per part of an observation, and the errors of what they reconstruct."""

from collections.abc import Mapping
from typing import NamedTuple

import gymnasium
import keras
import numpy as np
import tensorflow as tf

import layers
from agents.api import Spaces
from agents.merlin.config import MERLINConfig
from agents.observation_net import ObservationNet, SmallImageEncoder

LARGE_SIDE = 64  # images of this side take the residual nets
SMALL_SIDE = 32  # those with both sides below this take convolutions of stride 1 and a dense decoder


def is_large(key: str, box: gymnasium.spaces.Box) -> bool:
    """Whether an image takes the residual nets; ValueError where it takes none."""
    height, width, _ = box.shape
    if (height, width) == (LARGE_SIDE, LARGE_SIDE):
        return True
    if max(height, width) < SMALL_SIDE:
        return False
    raise ValueError(
        f"observation {key!r} has {height}x{width} pixels; MERLIN takes {LARGE_SIDE}x{LARGE_SIDE} or less than "
        f"{SMALL_SIDE} a side: make the environment with size={LARGE_SIDE}"
    )


class Encoder(ObservationNet):
    """e_t = enc(o_t): images and vectors through nets of their own; the last action and reward as they are.

    Call arguments:
        observation: Key -> [..., *shape] float32, preprocessed.
        action: [..., A] float32, the action that led here, one-hot; zero at an episode's first step.
        reward: [...] float32.

    Returns:
        [..., E] float32.

    References:
        Wayne et al. 2018 (arXiv 1803.10760), figure 1c.
    """

    def __init__(self, spaces: Spaces, config: MERLINConfig, dtype: str) -> None:
        def image_net(key: str, box: gymnasium.spaces.Box) -> keras.layers.Layer:
            if is_large(key, box):
                return layers.ResidualEncoder(
                    config.image_depth, config.image_units, dtype=dtype
                )
            return SmallImageEncoder(config.image_depth, config.image_units, dtype)

        super().__init__(spaces, image_net, (config.vector_units,) * 2)

    def call(  # type: ignore[override]
        self, observation: Mapping[str, tf.Tensor], action: tf.Tensor, reward: tf.Tensor
    ) -> tf.Tensor:
        """See the class."""
        return tf.concat([self.embed(observation), action, reward[..., None]], -1)


class Decoded(NamedTuple):
    """What a decoder reconstructs; float32, classes and bits as logits, floats as means.

    Attributes:
        observation: Key -> [..., *shape].
        action: [..., A], the last action.
        reward: [...].
    """

    observation: dict[str, tf.Tensor]
    action: tf.Tensor
    reward: tf.Tensor


class Decoder(keras.layers.Layer):
    """Reconstructs observation, last action and reward from z_t alone.

    Large images come straight from z; all else from a trunk of `decoder_layers` layers of 2 |z| ReLU units.

    Call arguments:
        latent: [..., Z].

    Returns:
        A `Decoded`.
    """

    # Open: whether images share the trunk of the other parts.

    def __init__(self, spaces: Spaces, config: MERLINConfig, dtype: str) -> None:
        super().__init__(dtype="float32", name="decoder")
        self.spaces = spaces
        units = (2 * config.latent,) * config.decoder_layers
        self.trunk = (
            layers.MLP(units, "relu", dtype="float32", name="trunk")
            if units
            else keras.layers.Identity(dtype="float32")
        )
        self.images: dict[str, keras.layers.Layer] = {}
        self.others: dict[str, keras.layers.Layer] = {}
        for key, box in spaces.observation.items():
            if len(box.shape) == 3 and is_large(key, box):
                self.images[key] = layers.ResidualDecoder(
                    box.shape, config.image_depth, config.image_units, dtype=dtype
                )
            elif len(box.shape) == 3:
                self.others[key] = layers.DenseDecoder(
                    box.shape, (config.image_units,), "relu", dtype="float32"
                )
            else:
                self.others[key] = _linear(box.shape[0])
        self.action = _linear(int(spaces.action.n))  # type: ignore[union-attr]
        self.reward = _linear(1)

    def build(self, input_shape: object = None) -> None:
        """Does nothing: the parts are built by the first call."""
        self.built = True

    def call(self, latent: tf.Tensor) -> Decoded:
        """See the class."""
        trunk = self.trunk(latent)
        observation = {key: net(latent) for key, net in self.images.items()}
        observation |= {key: net(trunk) for key, net in self.others.items()}
        return Decoded(observation, self.action(trunk), self.reward(trunk)[..., 0])


def error_name(key: str) -> str:
    """Returns the name of the metric of a key's reconstruction."""
    taken = key in ("action", "reward", "return")
    return f"observation_{key}_error" if taken else f"{key}_error"


def reconstruction_error(
    spaces: Spaces, key: str, output: tf.Tensor, target: tf.Tensor
) -> tf.Tensor:
    """Returns -log p(target) up to a constant, [...]: summed over a vector, averaged over an image's pixels and factors.

    Codes of classes are categorical, pixels (uint8) and bits Bernoulli, floats normal of unit variance.

    Args:
        spaces: Say what the key holds.
        key: Of the observation.
        output: [..., *shape], of the decoder.
        target: [..., *shape], preprocessed.
    """
    box = spaces.observation[key]
    if key in spaces.factors:
        error = categorical_error(output, target, spaces.factors[key])
    elif box.dtype == np.float32:
        error = 0.5 * tf.math.squared_difference(output, target)
    else:
        error = tf.nn.sigmoid_cross_entropy_with_logits(target, output)
    if len(box.shape) == 1:
        return tf.reduce_sum(error, -1)
    return tf.reduce_mean(error, [-3, -2, -1])


def mean(spaces: Spaces, key: str, output: tf.Tensor) -> tf.Tensor:
    """Returns what a decoder's output [..., *shape] says is to be seen: probabilities, pixels in [0, 1], or means."""
    if key in spaces.factors:
        parts = tf.split(output, spaces.factors[key], -1)
        return tf.concat([tf.nn.softmax(part) for part in parts], -1)
    if spaces.observation[key].dtype == np.float32:
        return output
    return tf.sigmoid(output)


def categorical_error(
    logits: tf.Tensor, target: tf.Tensor, classes: tuple[int, ...]
) -> tf.Tensor:
    """Returns the cross-entropy of each of F one-hot codes side by side: [..., sum of classes] twice -> [..., F]."""
    parts = zip(
        tf.split(logits, classes, -1), tf.split(target, classes, -1), strict=True
    )
    errors = [-tf.reduce_sum(y * tf.nn.log_softmax(x), -1) for x, y in parts]
    return tf.stack(errors, -1)


def action_error(likelihood: str, logits: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """Returns the error of the last action, [...]; zero where there was none.

    'bernoulli': -sum_i a_i log p_i + (1 - a_i) log(1 - p_i) with p = softmax(logits); 'categorical': -sum_i a_i log p_i.

    Args:
        likelihood: One of the two.
        logits: [..., A].
        action: [..., A], one-hot, or zeros.
    """
    log_p = tf.nn.log_softmax(logits)
    error = -tf.reduce_sum(action * log_p, -1)
    if likelihood == "categorical":
        return error
    there = tf.reduce_sum(action, -1, keepdims=True)
    log_not = tf.math.log1p(-tf.minimum(tf.exp(log_p), _ALMOST_ONE))
    return error - tf.reduce_sum((there - action) * log_not, -1)


_ALMOST_ONE = 1 - 1e-6  # log(1 - p) stays finite


def _linear(units: int) -> keras.layers.Layer:
    return keras.layers.Dense(units, dtype="float32")
