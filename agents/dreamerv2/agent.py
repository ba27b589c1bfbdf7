"""DreamerV2: learns a world model from replay, and behaviour from what the model imagines."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import keras
import numpy as np
import tensorflow as tf

from agents import precision, video
from agents.api import Batch, Mode, Report, Spaces, State
from agents.compiled import CompiledAgent
from agents.dreamerv2 import behavior as behavior_lib
from agents.dreamerv2 import nets
from agents.dreamerv2.behavior import Behavior
from agents.dreamerv2.config import DreamerV2Config
from agents.dreamerv2.report import CONTEXT, OpenLoop, open_loop
from agents.dreamerv2.world_model import Sequence, WorldModel
from agents.off_policy import OffPolicyAgent
from agents.optimizer import Optimizer

# Streams of random numbers: each draw is seeded by (stream of the agent's seed, updates or acts).
_POSTERIOR, _PRIOR, _ACTION, _REPORT = range(4)


class DreamerV2(CompiledAgent, OffPolicyAgent):
    """The agent of 'Mastering Atari with Discrete World Models'.

    It filters the observation into the latent state, a sample in every mode as in the reference, and samples the actor,
    or takes its mode.

    State fields: `deter` [B, D] and `stoch` [B, ...] of the RSSM, `action` [B] or [B, n], the last one, and
    `seed` [B, 2].

    Args:
        spaces: The spaces of one row: images of 64x64 or under 32 pixels a side, and vectors; Discrete or Box
            actions.
        config: The settings.
        seed: Seeds weights, batches and noise.
        folder: Where the replay lies; a temporary folder when None.

    Raises:
        ValueError: On spaces it cannot use.

    References:
        Hafner et al. 2021 (arXiv 2010.02193).
    """

    config: DreamerV2Config
    copies = ("slow_critic",)
    schedules = ("entropy_scale", "actor_grad_mix")

    def __init__(
        self,
        spaces: Spaces,
        config: DreamerV2Config,
        seed: int = 0,
        folder: str | pathlib.Path | None = None,
    ) -> None:
        _check_action(spaces.action)
        chosen = precision.choose(config.precision)
        config = dataclasses.replace(config, precision=chosen)
        super().__init__(spaces, config, seed, folder)
        keras.utils.set_random_seed(seed)
        dtype = precision.KERAS_POLICIES[chosen]
        self.world = WorldModel(spaces, config, dtype)
        self.behavior = Behavior(spaces, config, dtype)
        self.counter = tf.Variable(0, dtype=tf.int64, name="updates")
        self._build()
        self.optimizers = self._make_optimizers()
        self.compile_update()
        self.compile_policies()
        self._report = tf.function(
            self._report_step,
            input_signature=[self.batch_signature()],
            autograph=False,
        )

    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns zeros and the seeds (seed, 0)."""
        cell = self.world.cell.initial_state(batch)
        return {
            "deter": cell.deter,
            "stoch": cell.stoch,
            "action": tf.zeros((batch, *self._action_shape), self._action_dtype),
            "seed": tf.tile([[seed, 0]], [batch, 1]),
        }

    def open_loop(self, batch: Batch) -> OpenLoop:
        """Predicts sequences open loop, [T, B, ...] with the config's T: see `agents.dreamerv2.report`.

        Raises:
            ValueError: If it was loaded from a policy that was saved without its decoder.
        """
        if not self.can_report:
            raise ValueError(
                "this policy was saved without its decoder, so it acts but cannot dream; load a run's folder"
            )
        signature = self.batch_signature()
        result = self._report({key: batch[key] for key in signature})
        return OpenLoop(*tf.nest.map_structure(lambda part: part.numpy(), result))

    def report(self) -> Report:
        """Dreams from a replayed batch: a video per image, and errors against a copy of the last frame.

        Empty where windows are too short to leave anything to dream.
        """
        if self.config.batch_length <= CONTEXT:
            return Report({}, {})
        result = self.open_loop(self.batch(_REPORT))
        videos = {
            f"dream_{key}": video.open_loop(
                truth.swapaxes(0, 1), result.model[key].swapaxes(0, 1)
            )
            for key, truth in result.truth.items()
        }
        scalars = {
            "open_loop_error": float(result.model_error.mean()),
            "copy_error": float(result.copy_error.mean()),
        }
        return Report(scalars, videos)

    def acting_names(self) -> set[str]:
        """Returns encoder, RSSM and actor."""
        return self.variables_of({"encoder", "rssm", "actor"})

    def report_names(self) -> set[str]:
        """Returns the rest of the world model: decoder, reward and discount."""
        return self.variables_of(set(self.world.modules) - {"encoder", "rssm"})

    def modules(self) -> Mapping[str, keras.layers.Layer]:
        """Returns the nets of world model and behaviour."""
        return self.world.modules | self.behavior.modules

    def _make_optimizers(self) -> dict[str, Optimizer]:
        config = self.config
        parts = {
            "model": (self.world.variables, config.model_lr),
            "actor": (
                behavior_lib.trainable(self.behavior.actor),
                config.actor_lr,
            ),
            "critic": (
                behavior_lib.trainable(self.behavior.critic),
                config.critic_lr,
            ),
        }
        return {
            name: Optimizer(
                variables,
                rate,
                config.adam_epsilon,
                config.clip,
                config.weight_decay,
            )
            for name, (variables, rate) in parts.items()
        }

    def _build(self) -> None:
        """Creates all weights by calling every net once on zeros."""
        zeros = {
            key: tf.zeros((1, 1, *shape), dtype)
            for key, (shape, dtype) in self._row_kinds().items()
        }
        sequence = self._sequence(zeros)
        noise = self.world.noise((1, 1), tf.constant([0, 0]))
        posterior, _ = self.world.infer(sequence, noise)
        features = self.world.cell.features(posterior)
        for net in (self.world.decoder, self.world.reward):
            net(features)
        self.world.predicted_discount(features)
        for net in self.behavior.modules.values():
            net(features)

    def _update_step(
        self, batch: dict[str, tf.Tensor], scheduled: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        sequence = self._sequence(batch)
        posterior, metrics = self._update_model(sequence)
        metrics |= self._update_behavior(
            posterior, sequence.discount, metrics, scheduled
        )
        losses = [metrics[f"{name}_loss"] for name in self.optimizers]
        norms = [metrics[f"{name}_grad_norm"] for name in self.optimizers]
        finite = tf.reduce_all(tf.math.is_finite(losses + norms))
        metrics["loss"] = tf.where(finite, tf.add_n(losses), math.nan)
        tf.cond(finite, self._count, lambda: None)
        return {key: tf.cast(value, tf.float32) for key, value in metrics.items()}

    def _count(self) -> None:
        self.behavior.update_slow_critic(self.counter)
        self.counter.assign_add(1)

    def _update_model(self, sequence: Sequence) -> tuple[Any, dict[str, tf.Tensor]]:
        length, batch = tf.unstack(tf.shape(sequence.reward))
        noise = self.world.noise(
            (sequence.reward.shape[0] or length, batch), self._seed(_POSTERIOR)
        )
        variables = self.world.variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in variables])
            loss, posterior, metrics = self.world.loss(sequence, noise)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        step = self.optimizers["model"].step(loss, gradients)
        return posterior, metrics | {"model_grad_norm": step["norm"]}

    def _update_behavior(
        self,
        posterior: Any,
        not_terminal: tf.Tensor,
        model_metrics: dict[str, tf.Tensor],
        scheduled: dict[str, tf.Tensor],
    ) -> dict[str, tf.Tensor]:
        behavior, horizon = self.behavior, self.config.horizon
        start = tf.nest.map_structure(
            lambda part: tf.stop_gradient(
                tf.reshape(part, tf.concat([[-1], tf.shape(part)[2:]], 0))
            ),
            posterior,
        )
        start = tf.nest.map_structure(_restore_shape, start, posterior)
        not_terminal = tf.reshape(not_terminal, [-1])
        number = tf.size(not_terminal)
        noise = self.world.noise((horizon, number), self._seed(_PRIOR))
        action_noise = behavior.action_noise((horizon, number), self._seed(_ACTION))
        entropy_scale, mix = scheduled["entropy_scale"], scheduled["actor_grad_mix"]
        actor = behavior_lib.trainable(behavior.actor)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in actor])
            dream = behavior.imagine(
                self.world, start, not_terminal, noise, action_noise
            )
            value, returns = behavior.targets(dream)
            loss, metrics = behavior.actor_loss(
                dream, value, returns, mix, entropy_scale
            )
        critic = behavior_lib.trainable(behavior.critic)
        with tf.GradientTape(watch_accessed_variables=False) as critic_tape:
            critic_tape.watch([variable.value for variable in critic])
            critic_loss, critic_metrics = behavior.critic_loss(dream, returns)
        gradients = {
            "actor": tape.gradient(loss, [part.value for part in actor]),
            "critic": critic_tape.gradient(
                critic_loss, [part.value for part in critic]
            ),
        }
        losses = [loss, critic_loss, *model_metrics.values()]
        metrics |= self._step_behavior(gradients, tf.add_n(losses))
        metrics["actor_ent_scale"] = entropy_scale
        if behavior.gradient == "both":
            metrics["actor_grad_mix"] = mix
        watched = behavior_lib.dream_metrics(dream, value, returns)
        return metrics | critic_metrics | dict(watched)

    def _step_behavior(
        self, gradients: dict[str, list[tf.Tensor]], losses: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Steps actor and critic, or neither if anything is not finite; returns their gradients' norms."""
        norm = tf.linalg.global_norm(gradients["actor"] + gradients["critic"])
        return {
            f"{name}_grad_norm": self.optimizers[name].step(losses + norm, parts)[
                "norm"
            ]
            for name, parts in gradients.items()
        }

    def _distribution(self, parameters: tf.Tensor) -> Any:
        from tensorflow_probability import distributions as tfd

        if self.behavior_discrete:
            return tfd.Categorical(logits=parameters)
        return self.behavior.actor.head.distribution(parameters)

    def _step(
        self,
        mode: Mode,
        observation: dict[str, tf.Tensor],
        reward: tf.Tensor,
        is_first: tf.Tensor,
        state: dict[str, tf.Tensor],
    ) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the parameters of the actor's head, the action and the next state."""
        seed = state["seed"][0]
        latent = self._filter(observation, is_first, state, seed)
        parameters = self.behavior.actor(self.world.cell.features(latent))
        head = self.behavior.actor.head
        if mode == "sample":
            batch = tf.shape(is_first)[0]
            noise = self.behavior.action_noise((batch,), seed + [0, 1])
            encoded = head.sample(parameters, noise)
        else:
            encoded = head.mode(parameters)
        action = self._decode_action(encoded)
        advanced = state["seed"] + tf.constant([0, 2])
        return (
            parameters,
            action,
            {
                "deter": latent.deter,
                "stoch": latent.stoch,
                "action": action,
                "seed": advanced,
            },
        )

    def _filter(
        self,
        observation: dict[str, tf.Tensor],
        is_first: tf.Tensor,
        state: dict[str, tf.Tensor],
        seed: tf.Tensor,
    ) -> Any:
        """Returns the posterior state after the arriving observation."""
        cell = self.world.cell
        previous = cell.initial_state(tf.shape(is_first)[0])._replace(
            deter=state["deter"], stoch=state["stoch"]
        )
        ready = {key: nets.preprocess(value) for key, value in observation.items()}
        return cell.posterior_step(
            previous,
            cell.action_inputs(self._encode_action(state["action"])),
            cell.embed_inputs(self.world.encoder(ready)),
            is_first,
            self.world.noise((tf.shape(is_first)[0],), seed),
        )

    def _report_step(self, batch: dict[str, tf.Tensor]) -> Any:
        dark = {
            key: -0.5 if box.dtype == np.uint8 else 0.0
            for key, box in self.spaces.observation.items()
        }
        sequence = self._sequence(batch)
        return open_loop(self.world, sequence, self._seed(_REPORT), dark)

    def _sequence(self, batch: Mapping[str, tf.Tensor]) -> Sequence:
        prefix = "observation/"
        return Sequence(
            {
                key.removeprefix(prefix): nets.preprocess(value)
                for key, value in batch.items()
                if key.startswith(prefix)
            },
            self._encode_action(batch["action"]),
            _REWARDS[self.config.reward_transform](
                batch["reward"] * self.config.reward_factor
            ),
            batch["discount"],
            batch["is_first"],
        )

    def _encode_action(self, action: tf.Tensor) -> tf.Tensor:
        if self.behavior_discrete:
            return tf.one_hot(action, int(self.spaces.action.n))  # type: ignore[union-attr]
        return action

    def _decode_action(self, action: tf.Tensor) -> tf.Tensor:
        if self.behavior_discrete:
            return tf.argmax(action, -1, output_type=tf.int32)
        return action

    @property
    def behavior_discrete(self) -> bool:
        """Whether actions are classes."""
        return isinstance(self.spaces.action, gymnasium.spaces.Discrete)

    @property
    def _action_shape(self) -> tuple[int, ...]:
        return tuple(self.spaces.action.shape or ())

    @property
    def _action_dtype(self) -> tf.DType:
        return tf.int32 if self.behavior_discrete else tf.float32

    def _seed(self, stream: int) -> tf.Tensor:
        """Returns the seed of a stream at this update."""
        counter = tf.cast(self.counter, tf.int32)
        return tf.stack([self.seed * 8 + stream, counter])

    def _row_kinds(self) -> dict[str, tuple[tuple[int, ...], Any]]:
        return self.observation_kinds() | {
            "action": (self._action_shape, self._action_dtype),
            "reward": ((), "float32"),
            "discount": ((), "float32"),
            "is_first": ((), "bool"),
        }

    def batch_signature(self) -> dict[str, tf.TensorSpec]:
        length = self.config.batch_length
        return {
            key: tf.TensorSpec((length, None, *shape), dtype)
            for key, (shape, dtype) in self._row_kinds().items()
        }


_REWARDS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "identity": tf.identity,
    "tanh": tf.tanh,
    "sign": tf.sign,
}


def _restore_shape(flat: tf.Tensor, original: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(flat, [None, *original.shape[2:]])


def _check_action(space: gymnasium.Space) -> None:
    if isinstance(space, gymnasium.spaces.Discrete):
        return
    if isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1:
        return
    raise ValueError(
        f"DreamerV2 takes Discrete actions or a Box of rank 1, not {space}"
    )
