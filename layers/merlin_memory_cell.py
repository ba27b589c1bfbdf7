"""MERLIN's memory as a recurrent cell."""

from typing import Any

import keras
import tensorflow as tf

from layers import memory as memory_lib
from layers.memory import Memory
from layers.memory_reader import SHARPNESS, MemoryReader


@keras.saving.register_keras_serializable("zoo")
class MERLINMemoryCell(keras.layers.Layer):
    """A memory that is read by content, and whose rows are completed by what came after them.

    In one step, with the controller's output h_t and the value z_t:

        m_t = read(M_{t-1}), K heads aimed by h_t;  u_t = u_{t-1} + sum of their weights
        M_t = M_{t-1} + v_wr [z_t, 0]^T + v_ret [0, z_t]^T

    The read comes before the write, so it does not see z_t. See `layers.memory` for both. All in float32.

    Args:
        slots: N, rows of the memory. Empty rows take part in every read, so about as many as an episode has steps.
        size: Z, the size of values; rows are 2 Z wide, or Z with the form 'none'.
        controller: H, the size of the controller's output.
        heads: K.
        form: The retroactive write, 'a', 'b', 'c' or 'none': `layers.memory.write`.
        decay: g, the retroactive discount, in [0, 1].
        stop_write: Whether values are written as constants, so that no read trains what made them.
        sharpness: beta of new weights: `layers.MemoryReader`.

    Call arguments:
        inputs: [B, H + Z + 1]: h_t, z_t and is_first (0 or 1), which empties the memory of its batch row before
            the read.
        states: [rows, written, trace, usage, count], flattened to [B, ...] float32.

    Returns:
        m_t [B, K * W] and the next states: a legal cell for `keras.layers.RNN`.

    Raises:
        ValueError: If the form is unknown, a size below 1, the decay outside [0, 1], the sharpness not positive, or the
            inputs are of another width.

    References:
        Wayne et al. 2018 (arXiv 1803.10760), methods, equation 2 and algorithm 1.
    """

    def __init__(
        self,
        slots: int,
        size: int,
        *,
        controller: int,
        heads: int = 3,
        form: str = "a",
        decay: float = 0.96,
        stop_write: bool = False,
        sharpness: float = SHARPNESS,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        if form not in memory_lib.FORMS:
            raise ValueError(f"form must be one of {memory_lib.FORMS}, got {form!r}")
        if not 0 <= decay <= 1:
            raise ValueError(f"decay must be between 0 and 1, got {decay}")
        sizes = {"slots": slots, "size": size, "controller": controller, "heads": heads}
        for key, value in sizes.items():
            if value < 1:
                raise ValueError(
                    f"{key}={value} came, but a number of at least 1 is expected"
                )
        self.slots, self.size, self.controller = slots, size, controller
        self.heads, self.form, self.decay = heads, form, decay
        self.stop_write = stop_write
        self.width = size if form == "none" else 2 * size
        self.reader = MemoryReader(
            self.width, heads, sharpness=sharpness, name="reader", dtype="float32"
        )
        self.state_size = [slots * self.width, slots, slots, slots, 1]
        self.output_size = heads * self.width

    @property
    def compute_dtype(self) -> str:
        """float32, the dtype of the memory."""
        return "float32"

    def build(self, shape: Any = None) -> None:
        """Makes the weights; they do not depend on `shape`."""
        self.reader.build((None, self.controller))

    def initial_state(self, batch: int | tf.Tensor) -> Memory:
        """The empty memory."""
        return memory_lib.empty(batch, self.slots, self.width)

    def step(
        self, memory: Memory, controller: tf.Tensor, value: tf.Tensor
    ) -> tuple[Memory, tf.Tensor, tf.Tensor]:
        """Reads, then writes.

        Args:
            memory: M_{t-1}, reset where an episode begins.
            controller: [B, H], h_t.
            value: [B, Z], z_t.

        Returns:
            M_t, m_t [B, K * W] and the read weights [B, K, N].
        """
        value = tf.cast(value, tf.float32)
        found, weights = self.reader((controller, memory.rows))
        if self.stop_write:
            value = tf.stop_gradient(value)
        memory = memory_lib.use(memory, weights)
        return memory_lib.write(memory, value, self.form, self.decay), found, weights

    def call(
        self, inputs: tf.Tensor, states: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        inputs = tf.cast(inputs, tf.float32)
        width, wanted = inputs.shape[-1], self.controller + self.size + 1
        if width not in (None, wanted):
            raise ValueError(
                f"inputs of {width} numbers came, but {wanted} are expected: controller={self.controller}, "
                f"size={self.size} and is_first"
            )
        controller, value, is_first = tf.split(
            inputs, [self.controller, self.size, 1], -1
        )
        rows, written, trace, usage, count = states
        memory = Memory(
            tf.reshape(rows, [-1, self.slots, self.width]),
            written,
            trace,
            usage,
            tf.cast(count[:, 0], tf.int32),
        )
        memory = memory_lib.reset(memory, is_first[:, 0] > 0.5)
        memory, found, _ = self.step(memory, controller, value)
        flat = tf.reshape(memory.rows, [-1, self.slots * self.width])
        count = tf.cast(memory.count, tf.float32)[:, None]
        return found, [flat, memory.written, memory.trace, memory.usage, count]

    def get_initial_state(self, batch_size: int | tf.Tensor) -> list[tf.Tensor]:
        return [tf.zeros([batch_size, size]) for size in self.state_size]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "slots": self.slots,
            "size": self.size,
            "controller": self.controller,
            "heads": self.heads,
            "form": self.form,
            "decay": self.decay,
            "stop_write": self.stop_write,
            "sharpness": self.reader.sharpness,
        }
