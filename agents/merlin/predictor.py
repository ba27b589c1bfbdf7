"""The memory-based predictor and the policy that reads from it: MERLIN proper."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

import layers
from agents.api import Spaces
from agents.merlin import losses, nets
from agents.merlin.config import MERLINConfig
from agents.merlin.rows import Rows
from estimators import gaussian_kl
from layers.deep_lstm_cell import LSTMState
from layers.memory import Memory
from layers.unroll import reset_rows

# Open: no source bounds the standard deviation; these keep exp and the KL finite.
MIN_LOG_STD, MAX_LOG_STD = -5.0, 3.0

Choose = Callable[[tf.Tensor], tf.Tensor]  # logits [B, A] -> action [B, A] one-hot


class PredictorState(NamedTuple):
    """What MERLIN carries from step to step; reads are m [B, K * W] and m~ [B, W]."""

    lstm: LSTMState
    read: tf.Tensor
    policy_lstm: LSTMState
    policy_read: tf.Tensor
    memory: Memory


class PredictorOutput(NamedTuple):
    """What one step, or T of them, has for losses and for looking at; all float32, [..., n].

    Attributes:
        latent: [..., Z], z, a sample of the posterior.
        prior: [..., 2 Z], means then log standard deviations.
        posterior: As `prior`.
        logits: [..., A], of the policy.
        weights: [..., K, N], of the predictor's reads.
        policy_weights: [..., 1, N], of the policy's read.
    """

    latent: tf.Tensor
    prior: tf.Tensor
    posterior: tf.Tensor
    logits: tf.Tensor
    weights: tf.Tensor
    policy_weights: tf.Tensor


class Predictor:
    """Encoder, prior, posterior, memory and decoders, and the policy, which reads z and M as constants.

    One step, with o_t encoded as e_t:
        (mu_p, s_p) = prior([h_{t-1}, m_{t-1}])
        (mu_q, s_q) = (mu_p, s_p) + f([e_t, h_{t-1}, m_{t-1}, mu_p, s_p]),  z_t = mu_q + exp(s_q) eps
        h~_t = LSTM([z_t, m~_{t-1}]),  m~_t = read(M_{t-1}; h~_t),  pi_t = softmax(MLP([z_t, h~_t, m~_t]))
        h_t = LSTM([z_t, a_t, m_{t-1}]),  m_t = read(M_{t-1}; h_t),  z_t is written into M

    Args:
        spaces: The spaces of one row.
        config: The settings.
        dtype: Keras dtype policy of the image nets.

    References:
        Wayne et al. 2018 (arXiv 1803.10760), figure 1c and algorithm 1.
    """

    def __init__(self, spaces: Spaces, config: MERLINConfig, dtype: str) -> None:
        self.spaces, self.config = spaces, config
        self.actions = int(spaces.action.n)  # type: ignore[union-attr]
        size, units = config.latent, (2 * config.latent,) * 2
        self.encoder = nets.Encoder(spaces, config, dtype)
        self.decoder = nets.Decoder(spaces, config, dtype)
        # Open: log standard deviations as in most readings, not log variances.
        self.prior = layers.MLP(units, "tanh", output=2 * size, name="prior")
        self.posterior = layers.MLP(units, "tanh", name="posterior")
        # The posterior begins as the prior.
        self.residual = keras.layers.Dense(
            2 * size, kernel_initializer="zeros", name="residual"
        )
        self.lstm = _lstm(config, "lstm")
        self.memory = layers.MERLINMemoryCell(
            config.slots,
            size,
            controller=config.lstm_layers * config.lstm_units,
            heads=config.read_heads,
            form=config.retroactive,
            decay=config.retroactive_discount or config.discount,
            stop_write=config.stop_write,
            sharpness=config.sharpness,
            name="memory",
        )
        hidden = (config.policy_units,)
        self.value_net = layers.MLP(hidden, "tanh", output=1, name="value")
        # Open: one hidden layer, as in the one public reading; from memory of the paper there are two.
        self.advantage = layers.MLP(
            (config.advantage_units,), "tanh", output=1, name="advantage"
        )
        self.policy_lstm = _lstm(config, "policy_lstm")
        self.policy_reader = layers.MemoryReader(
            self.memory.width, sharpness=config.sharpness, name="policy_reader"
        )
        self.policy = layers.MLP(hidden, "tanh", output=self.actions, name="policy")
        self.predicting: dict[str, keras.layers.Layer] = {
            "encoder": self.encoder,
            "prior": self.prior,
            "posterior": self.posterior,
            "residual": self.residual,
            "lstm": self.lstm,
            "memory": self.memory,
            "decoder": self.decoder,
            "value": self.value_net,
            "advantage": self.advantage,
        }
        self.acting: dict[str, keras.layers.Layer] = {
            "policy_lstm": self.policy_lstm,
            "policy_reader": self.policy_reader,
            "policy": self.policy,
        }
        self.for_learning = {"decoder", "value", "advantage"}
        self._build()

    def _build(self) -> None:
        """Makes the weights of the recurrent parts, whose pieces are used without being called."""
        config, width = self.config, self.memory.width
        reads = config.read_heads * width
        self.memory.build()
        self.lstm.build((None, config.latent + self.actions + reads))
        self.policy_lstm.build((None, config.latent + width))

    def initial_state(self, batch: int | tf.Tensor) -> PredictorState:
        """Zeros, and an empty memory."""
        width = self.memory.width
        return PredictorState(
            self.lstm.initial_state(batch),
            tf.zeros([batch, self.config.read_heads * width]),
            self.policy_lstm.initial_state(batch),
            tf.zeros([batch, width]),
            self.memory.initial_state(batch),
        )

    def noise_size(self) -> int:
        """Z, normal numbers that a step takes."""
        return self.config.latent

    def step(
        self,
        state: PredictorState,
        embed: tf.Tensor,
        is_first: tf.Tensor,
        noise: tf.Tensor,
        choose: Choose,
    ) -> tuple[PredictorState, PredictorOutput, tf.Tensor]:
        """Makes one step.

        Args:
            state: The state before.
            embed: [B, E], e_t.
            is_first: [B] bool: these rows start from zeros.
            noise: [B, Z], eps.
            choose: Chooses the action a_t.

        Returns:
            The state after, the outputs, and a_t [B, A] one-hot.
        """
        state = reset_rows(state, is_first)
        prior, posterior = self._infer(state, embed)
        mean, log_std = tf.split(posterior, 2, -1)
        latent = mean + tf.exp(log_std) * noise
        policy_lstm, policy_read, logits, policy_weights = self._act(state, latent)
        action = choose(logits)
        output, lstm = self.lstm.step(
            tf.concat([latent, action, state.read], -1), state.lstm
        )
        memory, read, weights = self.memory.step(state.memory, output, latent)
        after = PredictorState(
            lstm, self._reads(read), policy_lstm, policy_read, memory
        )
        outputs = PredictorOutput(
            latent, prior, posterior, logits, weights, policy_weights
        )
        return after, outputs, action

    def _infer(
        self, state: PredictorState, embed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        context = tf.concat([_output(state.lstm), state.read], -1)
        prior = _clip(self.prior(context))
        hidden = self.posterior(tf.concat([embed, context, prior], -1))
        return prior, _clip(prior + self.residual(hidden))

    def _act(self, state: PredictorState, latent: tf.Tensor) -> tuple:
        """The policy's next state and logits; nothing that it learns from reaches the predictor."""
        latent, rows = map(tf.stop_gradient, (latent, state.memory.rows))
        hidden, lstm = self.policy_lstm.step(
            tf.concat([latent, state.policy_read], -1), state.policy_lstm
        )
        read, weights = self.policy_reader((hidden, rows))
        read = self._reads(read)
        logits = self.policy(tf.concat([latent, hidden, read], -1))
        return lstm, read, logits, weights

    def _reads(self, read: tf.Tensor) -> tf.Tensor:
        return read if self.config.use_memory else tf.zeros_like(read)

    def value(self, outputs: PredictorOutput) -> tf.Tensor:
        """Decodes the value V(z_t, log pi_t), [...]; log pi_t is a constant here."""
        log_pi = tf.stop_gradient(tf.nn.log_softmax(outputs.logits))
        return self.value_net(tf.concat([self._shaping(outputs.latent), log_pi], -1))[
            ..., 0
        ]

    def losses(
        self,
        rows: Rows,
        outputs: PredictorOutput,
        value: tf.Tensor,
        target: tf.Tensor,
        mask: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Returns the weighted terms of the loss by name, scalars: their sum is the negative variational bound.

        Args:
            rows: [T, B, ...].
            outputs: [T, B, ...].
            value: [T, B], V of these outputs.
            target: [T, B], the return R, a constant.
            mask: [T, B], 0 where the action of a row led to a new episode.
        """
        config = self.config
        latent = outputs.latent
        decoded = self.decoder(latent)
        terms = {}
        for key, output in decoded.observation.items():
            is_image = len(self.spaces.observation[key].shape) == 3
            scale = config.image_scale if is_image else config.vector_scale
            error = nets.reconstruction_error(
                self.spaces, key, output, rows.observation[key]
            )
            terms[nets.error_name(key)] = scale * tf.reduce_mean(error)
        error = nets.action_error(
            config.action_likelihood, decoded.action, rows.last_action
        )
        terms["action_error"] = config.action_scale * tf.reduce_mean(error)
        error = 0.5 * tf.math.squared_difference(decoded.reward, rows.reward)
        terms["reward_error"] = config.reward_scale * tf.reduce_mean(error)
        advantage = self.advantage(tf.concat([self._shaping(latent), rows.action], -1))[
            ..., 0
        ]
        terms["return_error"] = config.return_scale * losses.return_loss(
            value, advantage, target, mask
        )
        divergence = gaussian_kl(_to_std(outputs.posterior), _to_std(outputs.prior))
        terms["kl"] = config.kl_scale * tf.reduce_mean(divergence)
        return terms

    def look(
        self, after: PredictorState, output: PredictorOutput
    ) -> dict[str, tf.Tensor]:
        """Returns what a step read, wrote, decoded and predicted: see `agents.merlin.report`."""
        decoded = self.decoder(output.latent)
        found = {
            f"decoded/{key}": nets.mean(self.spaces, key, each)
            for key, each in decoded.observation.items()
        }
        return found | {
            "latent": output.latent,
            "reads": output.weights,
            "policy_reads": output.policy_weights,
            "written": after.memory.written,
            "usage": after.memory.usage,
            "kl": gaussian_kl(_to_std(output.posterior), _to_std(output.prior)),
            "value": self.value(output),
            "policy": tf.nn.softmax(output.logits),
        }

    def _shaping(self, latent: tf.Tensor) -> tf.Tensor:
        """z as the decoder of the return sees it."""
        return latent if self.config.return_gradient else tf.stop_gradient(latent)


def _lstm(config: MERLINConfig, name: str) -> layers.DeepLSTMCell:
    return layers.DeepLSTMCell(config.lstm_units, config.lstm_layers, name=name)


def _output(state: LSTMState) -> tf.Tensor:
    layers_, units = state.hidden.shape[1:]
    return tf.reshape(state.hidden, [-1, layers_ * units])


def _clip(parameters: tf.Tensor) -> tf.Tensor:
    mean, log_std = tf.split(parameters, 2, -1)
    log_std = tf.clip_by_value(log_std, MIN_LOG_STD, MAX_LOG_STD)
    return tf.concat([mean, log_std], -1)


def _to_std(parameters: tf.Tensor) -> tf.Tensor:
    mean, log_std = tf.split(parameters, 2, -1)
    return tf.concat([mean, tf.exp(log_std)], -1)
