"""IMPALA: an actor-critic whose learner corrects for actions that older weights chose."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from gymnasium.spaces import Box

import layers
from agents import actions, precision, schedule, window_specs
from agents.api import Mode, Spaces
from agents.compiled import CompiledAgent
from agents.impala.config import IMPALAConfig
from agents.impala.core import Core, LSTMCore
from agents.named import flatten, unflatten
from agents.observation_net import ObservationNet, SmallImageEncoder, preprocess
from agents.on_policy import OnPolicyAgent
from agents.optimizer import Optimizer
from agents.rollout import Transitions, to_transitions
from estimators import masked_mean, vtrace
from layers.unroll import unroll

LARGE_SIDE = 32  # images with a side from here on take the residual net


class Unrolled(NamedTuple):
    """A window as the losses read it.

    Attributes:
        taken: Its T transitions.
        reward: [T, B], what is learned from.
        embed: [T + 1, B, E], the encoded observations.
        outputs: Of the core, [T + 1, B, ...].
    """

    taken: Transitions
    reward: tf.Tensor
    embed: tf.Tensor
    outputs: Any


class IMPALA(CompiledAgent, OnPolicyAgent):
    """The learner of 'IMPALA: Scalable Distributed Deep-RL with Importance Weighted Actor-Learner Architectures'.

    One step: x_t = [encoder(o_t), a_{t-1}, r_t], h_t = core(x_t), a_t ~ policy(h_t), V_t = value(h_t). The learner repeats
    the steps of a window with the noise that they were acted with; where the actor's weights were the learner's, all importance
    weights are 1.

    State fields: those of the core, nested names joined by '_'; `action`, the last one; `log_prob` [B], log mu of it; and
    `seed` [B, 2].

    Args:
        spaces: The spaces of one row: images and vectors; any actions.
        config: The settings.
        seed: Seeds weights and noise.
        folder: Not used; windows lie in memory.

    References:
        Espeholt et al. 2018 (arXiv 1802.01561).
    """

    config: IMPALAConfig
    row_state = ("seed", "log_prob")
    schedules = ("entropy_scale", "learning_rate")

    def __init__(
        self,
        spaces: Spaces,
        config: IMPALAConfig,
        seed: int = 0,
        folder: str | pathlib.Path | None = None,
    ) -> None:
        super().__init__(spaces, config.length, seed)
        chosen = precision.choose(config.precision)
        self.config = dataclasses.replace(config, precision=chosen)
        keras.utils.set_random_seed(seed)
        self._make_nets(precision.KERAS_POLICIES[chosen])
        self.start_state = tuple(flatten(self.core.initial_state(1)))
        self.counter = tf.Variable(0, dtype=tf.int64, name="updates")
        self._build()
        self.optimizers = {"model": self._make_optimizer()}
        self.compile_update()
        self.compile_policies()

    def _make_nets(self, dtype: str) -> None:
        """Makes encoder, core, policy and value."""
        config = self.config
        self.encoder = ObservationNet(
            self.spaces,
            lambda key, box: self._image_net(box, dtype),
            (config.vector_units,) * 2,
            config.layer_norm,
        )
        self.core = self._make_core()
        self.choice = actions.make(self.spaces.action, config.policy_units)
        hidden = (config.policy_units,) if config.policy_units else ()
        self.value = layers.MLP(hidden, "relu", output=1, name="value")

    def _image_net(self, box: Box, dtype: str) -> keras.layers.Layer:
        config = self.config
        if min(box.shape[:2]) >= LARGE_SIDE:
            return layers.ImpalaEncoder(
                config.sections(), config.image_units, dtype=dtype
            )
        return SmallImageEncoder(config.image_depth, config.image_units, dtype, "relu")

    def _make_core(self) -> Core:
        return LSTMCore(self.config.lstm_units)

    def modules(self) -> Mapping[str, keras.layers.Layer]:
        """Returns the nets by name."""
        return {
            "encoder": self.encoder,
            "core": self.core.layer,
            "policy": self.choice.head,
            "value": self.value,
        }

    def initial_state(self, batch: int, seed: int = 0) -> Mapping[str, Any]:
        """Returns zeros and the seeds (seed, 0)."""
        space = self.spaces.action
        kind = tf.float32 if isinstance(space, Box) else tf.int32
        return flatten(self.core.initial_state(batch)) | {
            "action": tf.zeros([batch, *(space.shape or ())], kind),
            "log_prob": tf.zeros([batch]),
            "seed": tf.tile([[seed, 0]], [batch, 1]),
        }

    def acting_names(self) -> set[str]:
        """Returns what `act` reads: all but the value."""
        return self.variables_of({"encoder", "core", "policy"})

    def _distribution(self, parameters: tf.Tensor) -> Any:
        return self.choice.distribution(parameters)

    def _step(
        self,
        mode: Mode,
        observation: dict[str, tf.Tensor],
        reward: tf.Tensor,
        is_first: tf.Tensor,
        state: dict[str, tf.Tensor],
    ) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the policy's parameters, the action and the next state."""
        seed, batch = state["seed"][0], tf.shape(is_first)[0]
        embed = self._embed(observation)
        x = self._inputs(embed, state["action"], reward, is_first)
        after, output = self.core.step(
            unflatten(self.core.initial_state(1), state),
            x,
            is_first,
            self._noise(batch, seed),
        )
        head = self.choice.head
        parameters = head(self.core.features(output))
        if mode == "sample":
            value = head.sample(parameters, head.noise([batch], seed + [0, 1]))
        else:
            value = head.mode(parameters)
        action = self.choice.decode(value)
        more = {
            "action": action,
            "log_prob": head.log_prob(parameters, self.choice.encode(action)),
            "seed": state["seed"] + tf.constant([0, 2]),
        }
        return parameters, action, flatten(after) | more

    def _embed(self, observation: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """[..., E] of observations [..., *shape] as they came."""
        return self.encoder({key: preprocess(v) for key, v in observation.items()})

    def _inputs(
        self,
        embed: tf.Tensor,
        action: tf.Tensor,
        reward: tf.Tensor,
        is_first: tf.Tensor,
    ) -> tf.Tensor:
        """x_t [..., I] of an encoded observation, and of what led to it."""
        there = tf.cast(~is_first, tf.float32)[..., None]
        last = self.choice.encode(action) * there
        return tf.concat([embed, last, tf.tanh(reward)[..., None]], -1)

    def _noise(self, batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = [batch, self.core.noise_size]
        return tf.random.stateless_normal(shape, seed, alg="philox")

    def _update_step(
        self, batch: dict[str, tf.Tensor], scheduled: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        optimizer = self.optimizers["model"]
        optimizer.set_learning_rate(scheduled["learning_rate"])
        watched = [variable.value for variable in optimizer.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            loss, metrics = self._loss(batch, scheduled["entropy_scale"])
        step = optimizer.step(loss, tape.gradient(loss, watched))
        tf.cond(
            step["finite"], lambda: self.counter.assign_add(1), lambda: self.counter
        )
        found = metrics | scheduled
        found["grad_norm"] = step["norm"]
        found["loss"] = tf.where(step["finite"], loss, math.nan)
        return {key: tf.cast(value, tf.float32) for key, value in found.items()}

    def _loss(
        self, batch: dict[str, tf.Tensor], entropy_scale: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the weighted sum of all losses over a window, and metrics."""
        config, head = self.config, self.choice.head
        outputs, embed = self._unroll(batch)
        features = self.core.features(outputs)
        value = self.value(features)[..., 0]
        # The last row is the next window's first: it gives only the value to bootstrap from.
        parameters = head(features[:-1])
        taken = to_transitions(batch)
        log_pi = head.log_prob(parameters, self.choice.encode(taken.action))
        log_rho = log_pi - taken.state["log_prob"]
        reward = self._reward(taken, batch)
        traced = vtrace(
            log_rho,
            reward,
            value[:-1],
            config.discount * taken.discount,
            value[-1],
            taken.mask,
            config.vtrace_lambda,
            config.clip_rho,
            config.clip_c,
        )
        entropy = masked_mean(head.entropy(parameters), taken.mask)
        error = tf.square(traced.target - value[:-1])
        terms = {
            "policy_loss": -masked_mean(traced.advantage * log_pi, taken.mask),
            "value_loss": config.value_scale * 0.5 * masked_mean(error, taken.mask),
            "entropy_loss": -entropy_scale * entropy,
        } | self._more_losses(batch, Unrolled(taken, reward, embed, outputs))
        loss = tf.add_n(list(terms.values()))
        if config.sum_losses:
            loss *= tf.reduce_sum(taken.mask)
        metrics = {key: terms[key] for key in terms if key != "entropy_loss"}
        return loss, metrics | {
            "entropy": entropy,
            "value": masked_mean(value[:-1], taken.mask),
            "value_target": masked_mean(traced.target, taken.mask),
            "importance": masked_mean(tf.exp(log_rho), taken.mask),
        }

    def _more_losses(
        self, batch: dict[str, tf.Tensor], unrolled: Unrolled
    ) -> dict[str, tf.Tensor]:
        """Returns weighted terms beside those of actor and critic by name; here none."""
        del batch, unrolled
        return {}

    def _reward(self, taken: Transitions, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns what is learned from, [T, B], of the rewards r_{t+1}."""
        del batch
        reward, how = taken.reward, self.config.reward_transform
        if how == "unit":
            reward = tf.clip_by_value(reward, -1.0, 1.0)
        if how == "asymmetric":
            squashed = tf.tanh(reward)
            reward = 0.3 * tf.minimum(squashed, 0.0) + 5.0 * tf.maximum(squashed, 0.0)
        return self.config.reward_scale * reward

    def _unroll(self, batch: dict[str, tf.Tensor]) -> tuple[Any, tf.Tensor]:
        """Repeats the steps that were acted, with the same noise.

        Returns:
            The core's outputs and the encoded observations, [T + 1, B, ...].
        """
        prefix = "observation/"
        observation = {
            key.removeprefix(prefix): value
            for key, value in batch.items()
            if key.startswith(prefix)
        }
        first, rows = batch["is_first"], tf.shape(batch["reward"])[1]
        embed = self._embed(observation)
        x = self._inputs(embed, batch["action"], batch["reward"], first)
        seeds = tf.unstack(batch["state/seed"][:, 0])
        noise = tf.stack([self._noise(rows, seed) for seed in seeds])

        def step(state: Any, now: Any) -> tuple[Any, Any]:
            return self.core.step(state, *now)

        before = unflatten(self.core.initial_state(1), batch, "start/")
        return unroll(step, (x, first, noise), before)[1], embed

    def _make_optimizer(self) -> Optimizer:
        config = self.config
        variables = [
            variable
            for module in self.modules().values()
            for variable in module.trainable_variables
        ]
        rate = schedule.parse(config.learning_rate)(0)
        return Optimizer(variables, rate, config.epsilon, config.clip, 0.0, config.rule)

    def _build(self) -> None:
        """Creates all weights by one pass over zeros."""
        nothing = {
            key: tf.zeros((1, *box.shape), box.dtype)
            for key, box in self.spaces.observation.items()
        }
        embed = self._embed(nothing)
        self.core.build(int(embed.shape[-1]) + self.choice.size + 1)
        self._loss(window_specs.zeros(self.batch_signature()), tf.constant(0.0))

    def batch_signature(self) -> dict[str, tf.TensorSpec]:
        space = self.spaces.action
        kind = "float32" if isinstance(space, Box) else "int32"
        more = {
            "action": (tuple(space.shape or ()), kind),
            "state/log_prob": ((), "float32"),
        }
        rows = self.observation_kinds() | more | dict(window_specs.COMMON)
        return window_specs.specs(self.window, rows, self.core.initial_state(1))
