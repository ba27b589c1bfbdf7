"""The nets around SAC's critics: what reads observations, the policy, and the weight of the entropy."""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf
from gymnasium.spaces import Box

import layers
from agents.api import Spaces
from agents.observation_net import ObservationNet, SmallImageEncoder
from agents.sac.config import SACConfig
from layers.head import Head

LARGE_SIDE = 32  # images with a side from here on take the residual net


def make_encoder(spaces: Spaces, config: SACConfig, dtype: str) -> ObservationNet:
    """Returns what reads observations: images through nets of their own, vectors as they are."""

    def image_net(key: str, box: Box) -> keras.layers.Layer:
        del key
        if min(box.shape[:2]) >= LARGE_SIDE:
            sections = config.sections()
            return layers.ImpalaEncoder(sections, config.image_units, dtype=dtype)
        size = (config.image_depth, config.image_units)
        return SmallImageEncoder(*size, dtype, "relu", config.image_layers)

    return ObservationNet(spaces, image_net, ())


class Actor(keras.layers.Layer):
    """The policy's parameters: head(MLP(embed)).

    Args:
        units: Sizes of the hidden layers, ReLU.
        head: What chooses.

    Call arguments:
        embed: [..., E].

    Returns:
        [..., P] float32.
    """

    def __init__(self, units: Sequence[int], head: Head) -> None:
        super().__init__(dtype="float32", name="actor")
        self.net = layers.MLP(tuple(units), "relu", dtype="float32")
        self.head = head

    def build(self, input_shape: object = None) -> None:
        """Does nothing: the parts are built by the first call."""
        self.built = True

    def call(self, embed: tf.Tensor) -> tf.Tensor:
        """See the class."""
        return self.head(self.net(embed))


class EntropyScale(keras.layers.Layer):
    """alpha = exp(log_scale), learned as its logarithm.

    Args:
        initial: alpha at first.
    """

    def __init__(self, initial: float) -> None:
        super().__init__(dtype="float32", name="entropy_scale")
        self.log_scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(initial)),
            name="log_scale",
        )
        self.built = True

    @property
    def alpha(self) -> tf.Tensor:
        """A scalar."""
        return tf.exp(self.log_scale.value)
