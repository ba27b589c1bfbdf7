"""Several LSTM layers as one cell."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from layers.leading import Shape


class LSTMState(NamedTuple):
    """The state of L layers of U units; both are [B, L, U] float32.

    Attributes:
        hidden: h.
        cell: c.
    """

    hidden: tf.Tensor
    cell: tf.Tensor


@keras.saving.register_keras_serializable("zoo")
class DeepLSTMCell(keras.layers.Layer):
    """LSTM layers with skip connections: every layer reads the input, and the layer before; all outputs count.

    h^1_t = LSTM_1(x_t),  h^l_t = LSTM_l([x_t, h^{l-1}_t]),  output [h^1_t, .., h^L_t]

    All in float32.

    Args:
        units: U, of each layer.
        layers: L.

    Call arguments:
        inputs: [B, I], x_t.
        states: [h, c], each flattened to [B, L * U], float32.

    Returns:
        [B, L * U] float32, and the next states: a legal cell for `keras.layers.RNN`.

    References:
        Graves 2013 (arXiv 1308.0850), the deep LSTM; Hochreiter and Schmidhuber 1997.
    """

    def __init__(self, units: int, layers: int = 1, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.units, self.layers = units, layers
        self.cells = [
            keras.layers.LSTMCell(units, dtype="float32", name=f"lstm_{i}")
            for i in range(layers)
        ]
        self.state_size = [layers * units] * 2
        self.output_size = layers * units

    @property
    def compute_dtype(self) -> str:
        """float32, the dtype of states and results."""
        return "float32"

    def build(self, shape: Shape) -> None:
        size = shape[-1]
        for cell in self.cells:
            cell.build((None, size))
            size = shape[-1] + self.units

    def step(self, x: tf.Tensor, state: LSTMState) -> tuple[tf.Tensor, LSTMState]:
        """Makes one step; the layer must be built.

        Args:
            x: [B, I].
            state: The state before.

        Returns:
            The output [B, L * U] and the next state.
        """
        x = tf.cast(x, tf.float32)
        hidden, memory = (
            tf.unstack(state.hidden, axis=1),
            tf.unstack(state.cell, axis=1),
        )
        for i, cell in enumerate(self.cells):
            inputs = x if i == 0 else tf.concat([x, hidden[i - 1]], -1)
            hidden[i], (_, memory[i]) = cell.call(inputs, [hidden[i], memory[i]])
        output = hidden[0] if self.layers == 1 else tf.concat(hidden, -1)
        return output, LSTMState(tf.stack(hidden, 1), tf.stack(memory, 1))

    def initial_state(self, batch: int | tf.Tensor) -> LSTMState:
        """Zeros."""
        zeros = tf.zeros([batch, self.layers, self.units])
        return LSTMState(zeros, zeros)

    def call(
        self, inputs: tf.Tensor, states: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        shape = [-1, self.layers, self.units]
        state = LSTMState(*(tf.reshape(part, shape) for part in states))
        output, state = self.step(inputs, state)
        flat = [tf.reshape(part, [-1, self.layers * self.units]) for part in state]
        return output, flat

    def get_initial_state(self, batch_size: int | tf.Tensor) -> list[tf.Tensor]:
        return [tf.zeros([batch_size, size]) for size in self.state_size]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"units": self.units, "layers": self.layers}
