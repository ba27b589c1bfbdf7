"""The paper's baselines: an LSTM, with or without a memory, trained by policy and value alone."""

from typing import NamedTuple

import keras
import tensorflow as tf

import layers
from agents.api import Spaces
from agents.merlin import losses
from agents.merlin.config import MERLINConfig
from agents.merlin.nets import Encoder
from agents.merlin.predictor import Choose
from agents.merlin.rows import Rows
from layers.deep_lstm_cell import LSTMState
from layers.memory import Memory
from layers.unroll import reset_rows


class BaselineState(NamedTuple):
    """What a baseline carries from step to step; `read` and `memory` are () without a memory."""

    lstm: LSTMState
    read: tf.Tensor | tuple
    memory: Memory | tuple


class BaselineOutput(NamedTuple):
    """What one step, or T of them, has for losses; float32.

    Attributes:
        logits: [..., A], of the policy.
        value: [...].
        weights: [..., K, N] of the reads; () without a memory.
    """

    logits: tf.Tensor
    value: tf.Tensor
    weights: tf.Tensor | tuple


class Baseline:
    """RL-LSTM, or RL-MEM.

    One step, with o_t encoded as e_t:
        RL-LSTM: h~_t = LSTM(e_t);  n_t = [e_t, h~_t]
        RL-MEM:  h~_t = LSTM([e_t, m~_{t-1}]),  m~_t = read(M_{t-1}; h~_t),  d_t = W h~_t is written into M;
                 n_t = [e_t, h~_t, m~_t]
        both:    pi_t = softmax(MLP(n_t)),  V_t = MLP(n_t)

    Args:
        spaces: The spaces of one row.
        config: The settings.
        dtype: Keras dtype policy of the image nets.

    References:
        Wayne et al. 2018 (arXiv 1803.10760), figure 1a and 1b.
    """

    # Open: the paper's value nets of the baselines, and how many reads RL-MEM makes; as many as MERLIN here.

    def __init__(self, spaces: Spaces, config: MERLINConfig, dtype: str) -> None:
        self.config = config
        self.actions = int(spaces.action.n)  # type: ignore[union-attr]
        self.encoder = Encoder(spaces, config, dtype)
        self.lstm = layers.DeepLSTMCell(
            config.lstm_units, config.lstm_layers, name="lstm"
        )
        hidden = (config.policy_units,)
        self.policy = layers.MLP(hidden, "tanh", output=self.actions, name="policy")
        self.value_net = layers.MLP(hidden, "tanh", output=1, name="value")
        self.acting: dict[str, keras.layers.Layer] = {
            "encoder": self.encoder,
            "lstm": self.lstm,
            "policy": self.policy,
            "value": self.value_net,
        }
        self.predicting: dict[str, keras.layers.Layer] = {}
        self.for_learning = {"value"}
        self.has_memory = config.agent == "rl_mem"
        if self.has_memory:
            width = 2 * config.latent
            self.memory = layers.MERLINMemoryCell(
                config.slots,
                width,
                controller=config.lstm_layers * config.lstm_units,
                heads=config.read_heads,
                form="none",
                sharpness=config.sharpness,
                name="memory",
            )
            self.written = keras.layers.Dense(width, name="written")
            self.memory.build()
            self.acting |= {"memory": self.memory, "written": self.written}

    def initial_state(self, batch: int | tf.Tensor) -> BaselineState:
        """Zeros, and an empty memory."""
        lstm = self.lstm.initial_state(batch)
        if not self.has_memory:
            return BaselineState(lstm, (), ())
        read = tf.zeros([batch, self.memory.output_size])
        return BaselineState(lstm, read, self.memory.initial_state(batch))

    def noise_size(self) -> int:
        """None is taken."""
        return 0

    def step(
        self,
        state: BaselineState,
        embed: tf.Tensor,
        is_first: tf.Tensor,
        noise: tf.Tensor,
        choose: Choose,
    ) -> tuple[BaselineState, BaselineOutput, tf.Tensor]:
        """Makes one step; see `Predictor.step`."""
        del noise
        state = reset_rows(state, is_first)
        if self.has_memory:
            inputs = tf.concat([embed, state.read], -1)
            hidden, lstm = self._advance(inputs, state.lstm)
            memory, read, weights = self.memory.step(
                state.memory, hidden, self.written(hidden)
            )
            if not self.config.use_memory:
                read = tf.zeros_like(read)
            after = BaselineState(lstm, read, memory)
            features = tf.concat([embed, hidden, read], -1)
        else:
            hidden, lstm = self._advance(embed, state.lstm)
            after, weights = BaselineState(lstm, (), ()), ()
            features = tf.concat([embed, hidden], -1)
        logits = self.policy(features)
        output = BaselineOutput(logits, self.value_net(features)[..., 0], weights)
        return after, output, choose(logits)

    def value(self, outputs: BaselineOutput) -> tf.Tensor:
        """V, [...]."""
        return outputs.value

    def losses(
        self,
        rows: Rows,
        outputs: BaselineOutput,
        value: tf.Tensor,
        target: tf.Tensor,
        mask: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Returns the weighted error of the return; see `Predictor.losses`."""
        del rows, outputs
        error = losses.value_loss(value, target, mask)
        return {"return_error": self.config.return_scale * error}

    def look(
        self, after: BaselineState, output: BaselineOutput
    ) -> dict[str, tf.Tensor]:
        """Returns what a step read, wrote and predicted: see `agents.merlin.report`."""
        found = {"value": output.value, "policy": tf.nn.softmax(output.logits)}
        if isinstance(after.memory, Memory):
            found |= {
                "reads": output.weights,
                "written": after.memory.written,
                "usage": after.memory.usage,
            }
        return found

    def _advance(
        self, inputs: tf.Tensor, state: LSTMState
    ) -> tuple[tf.Tensor, LSTMState]:
        if not self.lstm.cells[0].built:
            self.lstm.build(inputs.shape)
        return self.lstm.step(inputs, state)
