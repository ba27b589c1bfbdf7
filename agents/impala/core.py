"""What carries an agent from step to step: here an LSTM; others have the same pieces."""

from typing import Any, NamedTuple, Protocol

import keras
import tensorflow as tf

import layers
from layers.unroll import reset_rows


class Core(Protocol):
    """A recurrent network in pieces.

    Attributes:
        layer: What holds the weights.
        noise_size: Normal numbers that a step takes per row.
        size: F, of the features.
    """

    layer: keras.layers.Layer
    noise_size: int
    size: int

    def build(self, inputs: int) -> None:
        """Makes the weights for inputs [B, I]."""

    def initial_state(self, batch: int | tf.Tensor) -> Any:
        """Returns nested named tuples of zeros [B, ...]."""

    def step(
        self, state: Any, x: tf.Tensor, is_first: tf.Tensor, noise: tf.Tensor
    ) -> tuple[Any, Any]:
        """(state, [B, I], [B] bool, [B, noise_size]) -> state and outputs, a named tuple; rows with is_first begin anew."""

    def features(self, outputs: Any) -> tf.Tensor:
        """Returns what the heads read, [..., F]."""


class LSTMOutput(NamedTuple):
    """hidden: [..., U], h."""

    hidden: tf.Tensor


class LSTMCore:
    """h_t = LSTM(x_t); the heads read h_t.

    Args:
        units: U.
    """

    noise_size = 0

    def __init__(self, units: int) -> None:
        self.layer = layers.DeepLSTMCell(units, 1, name="core")
        self.size = units

    def build(self, inputs: int) -> None:
        """See `Core`."""
        self.layer.build((None, inputs))
        self.layer.built = True

    def initial_state(self, batch: int | tf.Tensor) -> Any:
        """See `Core`."""
        return self.layer.initial_state(batch)

    def step(
        self, state: Any, x: tf.Tensor, is_first: tf.Tensor, noise: tf.Tensor
    ) -> tuple[Any, LSTMOutput]:
        """See `Core`."""
        del noise
        hidden, state = self.layer.step(x, reset_rows(state, is_first))
        return state, LSTMOutput(hidden)

    def features(self, outputs: LSTMOutput) -> tf.Tensor:
        """See `Core`."""
        return outputs.hidden
