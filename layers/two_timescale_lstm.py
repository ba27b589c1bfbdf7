"""FTW's core: a slow and a fast recurrent network around one memory."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from estimators import scale_gradient
from layers import memory as memory_lib
from layers.memory import Memory
from layers.memory_reader import MemoryReader
from layers.unroll import reset_rows

# Open: the paper's figure does not say how standard deviations begin; at that of the prior's own prior.
FIRST_STD, MIN_STD = 0.1, 1e-6
_AT_ZERO = 0.6931471805599453  # softplus(0)


class CoreState(NamedTuple):
    """What one of the two networks carries; float32.

    Attributes:
        hidden: [B, U], h.
        cell: [B, U], c.
        read: [B, K * W], what it read last; () without a memory.
    """

    hidden: tf.Tensor
    cell: tf.Tensor
    read: tf.Tensor | tuple


class TwoTimescaleState(NamedTuple):
    """What the core carries from step to step.

    Attributes:
        slow: Of the slow network, held between ticks.
        fast: Of the fast network.
        prior: [B, 2Z], means then standard deviations of P, held between ticks.
        latent: [B, Z], z.
        memory: What both have written; () without one.
        count: [B] int32, steps since the reset.
    """

    slow: CoreState
    fast: CoreState
    prior: tf.Tensor
    latent: tf.Tensor
    memory: Memory | tuple
    count: tf.Tensor


class TwoTimescaleOutput(NamedTuple):
    """What a step, or T of them, has for losses and heads; float32 but for the flag.

    Attributes:
        latent: [..., Z], z, a sample of Q.
        posterior: [..., 2Z], Q: means then standard deviations.
        prior: [..., 2Z], P.
        tick: [...] bool, whether the slow network made a step.
    """

    latent: tf.Tensor
    posterior: tf.Tensor
    prior: tf.Tensor
    tick: tf.Tensor


@keras.saving.register_keras_serializable("zoo")
class TwoTimescaleLSTM(keras.layers.Layer):
    """Two LSTMs with a memory: a slow one, whose distribution is the prior of the latent that the fast one infers.

        tick_t = [t mod period = 0]
        hp_t = LSTM_p([hq_{t-1}, reads_p], hp_{t-1}) at ticks, else hp_{t-1};  P_t = N(mu_p, sigma_p), held likewise
        hq_t = LSTM_q([x_t, scale(P_t), z_{t-1}, reads_q], hq_{t-1});  Q_t = N(mu_q, sigma_q),  z_t ~ Q_t

    t counts from the episode's first step, per batch row. Each network, after its LSTM, writes a row into the memory that
    both share and reads K rows by content; its distribution is linear in its hidden state and what it read, with
    sigma = softplus(.), 0.1 at first. The slow one comes first in a step, and what it writes, at ticks only, the fast one
    sees at once. scale() passes P_t on and multiplies the gradient that flows back to the slow network by
    `slow_gradient`. Both `period` and `slow_gradient` are variables: a change needs no new graph.

    All in float32. The layer must be built before its pieces are used.

    Args:
        units: U, of both LSTMs.
        latent: Z.
        period: Steps between ticks, at least 1.
        slow_gradient: Factor of the gradient from fast to slow, in [0, 1].
        slots: N, rows of the memory; 0 for none.
        width: W, of a row.
        heads: K.

    Call arguments:
        inputs: [B, I + 1 + Z]: x_t, is_first (0 or 1), and the normal noise of z_t.
        states: Those of `TwoTimescaleState`, flattened to [B, ...] float32.

    Returns:
        [z_t, Q_t, P_t] of [B, 5Z] and the next states: a legal cell for `keras.layers.RNN`.

    Raises:
        ValueError: If a size or the period is less than 1, or the factor is outside [0, 1].

    References:
        Jaderberg et al. 2019 (arXiv 1807.01281), figure S10 (f) of the supplement.
    """

    # Open: the figure says 'DNC memory (LRU), N slots of size K': rows are written one per step, the least used one when
    # all are full, with neither temporal links nor erase vectors; what is written is linear in the hidden state.
    # Open: the slow network's hidden state and reads do not reach the fast one, as drawn.

    def __init__(
        self,
        units: int = 256,
        latent: int = 256,
        period: int = 10,
        slow_gradient: float = 1.0,
        *,
        slots: int = 450,
        width: int = 32,
        heads: int = 4,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        sizes = {"units": units, "latent": latent, "width": width, "heads": heads}
        for name, size in (sizes | {"period": period}).items():
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}.")
        if slots < 0:
            raise ValueError(f"slots must be 0 or more, got {slots}.")
        if not 0 <= slow_gradient <= 1:
            raise ValueError(f"slow_gradient must be in [0, 1], got {slow_gradient}.")
        self.units, self.latent = units, latent
        self.slots, self.width, self.heads = slots, width, heads
        self._first = {"period": period, "slow_gradient": slow_gradient}
        self.read_size = heads * width if slots else 0
        self.slow, self.fast = (
            _Core(units, latent, slots, width, heads, name=name)
            for name in ("slow", "fast")
        )
        core = [units, units, *([self.read_size] if slots else [])]
        memory = [slots * width, slots, slots, slots, 1] if slots else []
        self.state_size = [*core, *core, 2 * latent, latent, *memory, 1]
        self.output_size = 5 * latent

    @property
    def compute_dtype(self) -> str:
        """float32, the dtype of states and results."""
        return "float32"

    def build(self, shape: Any) -> None:
        """Makes the weights; `shape` is (None, I + 1 + Z), that of the inputs of `call`."""
        inputs = shape[-1] - 1 - self.latent
        self.slow.build_for(self.units)
        self.fast.build_for(inputs + 3 * self.latent)
        self.period = self._variable("period", "int32")
        self.slow_gradient = self._variable("slow_gradient", "float32")

    def _variable(self, name: str, dtype: str) -> keras.Variable:
        return self.add_weight(
            shape=(),
            initializer=lambda *_, **__: tf.constant(self._first[name], dtype),
            dtype=dtype,
            trainable=False,
            name=name,
        )

    def initial_state(self, batch: int | tf.Tensor) -> TwoTimescaleState:
        """Zeros and an empty memory; the first step is a tick."""
        return TwoTimescaleState(
            self.slow.initial_state(batch),
            self.fast.initial_state(batch),
            tf.zeros([batch, 2 * self.latent]),
            tf.zeros([batch, self.latent]),
            memory_lib.empty(batch, self.slots, self.width) if self.slots else (),
            tf.zeros([batch], tf.int32),
        )

    def step(
        self,
        state: TwoTimescaleState,
        x: tf.Tensor,
        is_first: tf.Tensor,
        noise: tf.Tensor,
    ) -> tuple[TwoTimescaleState, TwoTimescaleOutput]:
        """Makes one step; rows with `is_first` start from zeros.

        Args:
            state: The state before.
            x: [B, I].
            is_first: [B] bool.
            noise: [B, Z], normal.

        Returns:
            The state after, and the outputs.
        """
        state = reset_rows(state, is_first)
        tick = state.count % tf.convert_to_tensor(self.period) == 0
        moved = self.slow.step(state.slow, state.fast.hidden, state.memory)
        held = (state.slow, state.prior, state.memory)
        slow, prior, memory = _where(tick, moved, held)
        seen = scale_gradient(prior, tf.convert_to_tensor(self.slow_gradient))
        inputs = tf.concat([tf.cast(x, tf.float32), seen, state.latent], -1)
        fast, posterior, memory = self.fast.step(state.fast, inputs, memory)
        mean, std = tf.split(posterior, 2, -1)
        latent = mean + std * noise
        after = TwoTimescaleState(slow, fast, prior, latent, memory, state.count + 1)
        return after, TwoTimescaleOutput(latent, posterior, prior, tick)

    def call(
        self, inputs: tf.Tensor, states: list[tf.Tensor]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        inputs = tf.cast(inputs, tf.float32)
        sizes = [inputs.shape[-1] - 1 - self.latent, 1, self.latent]
        x, is_first, noise = tf.split(inputs, sizes, -1)
        state, output = self.step(
            self._unflatten(states), x, is_first[:, 0] > 0.5, noise
        )
        flat = [
            tf.reshape(tf.cast(part, tf.float32), [-1, size])
            for part, size in zip(tf.nest.flatten(state), self.state_size, strict=True)
        ]
        return tf.concat([output.latent, output.posterior, output.prior], -1), flat

    def get_initial_state(self, batch_size: int | tf.Tensor) -> list[tf.Tensor]:
        return [tf.zeros([batch_size, size]) for size in self.state_size]

    def get_config(self) -> dict[str, Any]:
        now = dict(self._first)
        if hasattr(self, "period"):
            now = {name: getattr(self, name).numpy().item() for name in now}
        return super().get_config() | {
            "units": self.units,
            "latent": self.latent,
            **now,
            "slots": self.slots,
            "width": self.width,
            "heads": self.heads,
        }

    def _unflatten(self, states: list[tf.Tensor]) -> TwoTimescaleState:
        template = self.initial_state(1)
        parts = [
            tf.cast(tf.reshape(part, [-1, *like.shape[1:]]), like.dtype)
            for part, like in zip(states, tf.nest.flatten(template), strict=True)
        ]
        return tf.nest.pack_sequence_as(template, parts)


class _Core(keras.layers.Layer):
    """An LSTM that writes into a memory, reads from it, and parametrises a diagonal normal distribution."""

    def __init__(
        self, units: int, latent: int, slots: int, width: int, heads: int, name: str
    ):
        super().__init__(dtype="float32", autocast=False, name=name)
        self.units, self.slots = units, slots
        self.read_size = heads * width if slots else 0
        self.lstm = keras.layers.LSTMCell(units, dtype="float32", name="lstm")
        self.statistics = keras.layers.Dense(
            2 * latent, dtype="float32", name="statistics"
        )
        if slots:
            # At an episode's first step the slow network's hidden state is zero. A row of zeros has no direction, and
            # its cosine with a key has a gradient without bound.
            start = keras.initializers.RandomNormal(stddev=width**-0.5)
            self.written = keras.layers.Dense(
                width, bias_initializer=start, dtype="float32", name="written"
            )
            self.reader = MemoryReader(width, heads, dtype="float32", name="reader")

    def build_for(self, inputs: int) -> None:
        """Makes the weights."""
        self.lstm.build((None, inputs + self.read_size))
        self.statistics.build((None, self.units + self.read_size))
        if self.slots:
            self.written.build((None, self.units))
            self.reader.build((None, self.units))
        self.built = True

    def initial_state(self, batch: int | tf.Tensor) -> CoreState:
        """Zeros."""
        zeros = tf.zeros([batch, self.units])
        read = tf.zeros([batch, self.read_size]) if self.slots else ()
        return CoreState(zeros, zeros, read)

    def step(
        self, state: CoreState, inputs: tf.Tensor, memory: Any
    ) -> tuple[CoreState, tf.Tensor, Any]:
        """Returns the state after, means and standard deviations [B, 2Z], and the memory after."""
        if self.slots:
            inputs = tf.concat([inputs, state.read], -1)
        hidden, (_, cell) = self.lstm.call(inputs, [state.hidden, state.cell])
        read: tf.Tensor | tuple = ()
        features = hidden
        if self.slots:
            memory = memory_lib.write(memory, self.written(hidden), "none", 0.0)
            read, weights = self.reader((hidden, memory.rows))
            memory = memory_lib.use(memory, weights)
            features = tf.concat([hidden, read], -1)
        mean, raw = tf.split(self.statistics(features), 2, -1)
        std = tf.math.softplus(raw) * (FIRST_STD / _AT_ZERO) + MIN_STD
        return CoreState(hidden, cell, read), tf.concat([mean, std], -1), memory


def _where(flag: tf.Tensor, yes: Any, no: Any) -> Any:
    """Chooses between two nests of [B, ...] by row."""

    def choose(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.where(flag[(..., *[tf.newaxis] * (a.shape.rank - 1))], a, b)

    return tf.nest.map_structure(choose, yes, no)
