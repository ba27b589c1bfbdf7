"""SAC: two critics learn from replay what a policy is worth, its entropy included; the policy climbs the smaller one."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from gymnasium.spaces import Box

from agents import precision, window_specs
from agents.api import Mode, Spaces, State
from agents.compiled import CompiledAgent, Kind
from agents.observation_net import ObservationNet, preprocess
from agents.off_policy import OffPolicyAgent
from agents.optimizer import Optimizer
from agents.rollout import Transitions, to_transitions
from agents.sac import actions, losses, nets
from agents.sac.config import SACConfig
from agents.sac.critic import TwinCritic
from estimators import masked_mean

# Streams of random numbers: each draw is seeded by (stream of the agent's seed, updates).
_TARGET, _ACTOR = range(2)


class Found(NamedTuple):
    """A loss, and its gradient by each variable of its optimizer."""

    loss: tf.Tensor
    gradients: list[tf.Tensor | None]


class SAC(CompiledAgent, OffPolicyAgent):
    """Soft actor-critic with automatic entropy, for Discrete, MultiDiscrete and Box actions.

        y_t = r_{t+1} + gamma d_{t+1} (min_i Q'_i(s_{t+1}, a') + alpha H(pi(s_{t+1}))),  a' ~ pi(s_{t+1})
        critics minimise (Q_i(s_t, a_t) - y_t)^2,  the policy maximises min_i Q_i(s, a) + alpha H(pi(s)),
        alpha keeps H at its target, and the target critics follow slowly

    Critics read a choice as its one-hot code. The gradient of the policy's choices goes through a sample of it
    (`estimator`), or is that of the expectation over all actions. The encoder learns from the critics alone.

    State fields: `action`, the last one, and `seed` [B, 2].

    Args:
        spaces: The spaces of one row: images and vectors; any actions.
        config: The settings.
        seed: Seeds weights, batches and noise.
        folder: Where the replay lies; a temporary folder when None.

    Raises:
        ValueError: If the estimator is exact and there are too many joint actions; if the critics are linear in real numbers.

    References:
        Haarnoja et al. 2018 (arXiv 1801.01290 and 1812.05905); Christodoulou 2019 (arXiv 1910.07207); Jang et al. 2017
        (arXiv 1611.01144).
        Differs: one encoder of images serves all nets, as in Yarats et al. 2021 (arXiv 1910.01741); Christodoulou 2019 has
        convolutions in each.
    """

    config: SACConfig
    copies = ("target_encoder", "target_critic")
    schedules = ("temperature", "entropy_share")

    def __init__(
        self,
        spaces: Spaces,
        config: SACConfig,
        seed: int = 0,
        folder: str | pathlib.Path | None = None,
    ) -> None:
        chosen = precision.choose(config.precision)
        config = dataclasses.replace(config, precision=chosen)
        super().__init__(spaces, config, seed, folder)
        keras.utils.set_random_seed(seed)
        self._make_nets(precision.KERAS_POLICIES[chosen])
        self.counter = tf.Variable(0, dtype=tf.int64, name="updates")
        self._build()
        self.optimizers = self._make_optimizers()
        self.compile_update()
        self.compile_policies()

    def _make_nets(self, dtype: str) -> None:
        """Makes actor and critics, what they read, and the copies that follow."""
        config = self.config
        self.choice = actions.make(self.spaces.action, config.estimator)
        self.encoder = nets.make_encoder(self.spaces, config, dtype)
        self.target_encoder = nets.make_encoder(self.spaces, config, dtype)
        self.actor = nets.Actor(config.units, self.choice.head)
        size = actions.linear_size(self.choice, config.critic)
        self.critic = TwinCritic(config.units, size)
        self.target_critic = TwinCritic(config.units, size, "target_critic")
        self.entropy_scale = nets.EntropyScale(config.entropy_scale)

    def modules(self) -> Mapping[str, keras.layers.Layer]:
        """Returns the nets by name."""
        return {
            "encoder": self.encoder,
            "actor": self.actor,
            "critic": self.critic,
            "target_encoder": self.target_encoder,
            "target_critic": self.target_critic,
            "entropy_scale": self.entropy_scale,
        }

    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns zeros and the seeds (seed, 0)."""
        shape, kind = self._action_kind
        return {
            "action": tf.zeros([batch, *shape], kind),
            "seed": tf.tile([[seed, 0]], [batch, 1]),
        }

    def acting_names(self) -> set[str]:
        """Returns encoder and actor."""
        return self.variables_of({"encoder", "actor"})

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
        del reward
        head = self.choice.head
        parameters = self.actor(_embed(self.encoder, observation))
        if mode == "sample":
            noise = head.noise([tf.shape(is_first)[0]], state["seed"][0])
            value = head.sample(parameters, noise)
        else:
            value = self.choice.mode(parameters)
        action = self.choice.decode(value)
        advanced = state["seed"] + tf.constant([0, 2])
        return parameters, action, {"action": action, "seed": advanced}

    def _update_step(
        self, rows: dict[str, tf.Tensor], scheduled: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        # Differs: all gradients are those at the weights before the update, so that none is applied where one is not
        # finite; in the paper's algorithm 1 the policy climbs the critics just changed.
        taken, alpha = to_transitions(rows), self.entropy_scale.alpha
        target = self.choice.entropy_target(
            scheduled["entropy_share"], self.config.entropy_per_action
        )
        critic, (metrics, embed) = self._differentiate(
            "critic", lambda: self._critic_loss(rows, taken, alpha)
        )
        now, temperature = tf.stop_gradient(embed[:-1]), scheduled["temperature"]
        actor, entropy = self._differentiate(
            "actor", lambda: self._actor_loss(now, taken.mask, alpha, temperature)
        )
        scale, _ = self._differentiate(
            "entropy_scale", lambda: self._entropy_scale_loss(entropy, target)
        )
        made = self._apply({"critic": critic, "actor": actor, "entropy_scale": scale})
        metrics |= made | {"actor_loss": actor.loss, "entropy": entropy}
        metrics |= {"entropy_target": target, "entropy_scale": alpha}
        if self._samples_choices:
            metrics["temperature"] = temperature
        return {key: tf.cast(value, tf.float32) for key, value in metrics.items()}

    def _differentiate(
        self, name: str, function: Callable[[], tuple[tf.Tensor, Any]]
    ) -> tuple[Found, Any]:
        """Returns the loss that `function` returns first, with its gradient by what an optimizer owns; and the rest."""
        watched = [variable.value for variable in self.optimizers[name].variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            loss, rest = function()
        return Found(loss, tape.gradient(loss, watched)), rest

    def _critic_loss(
        self, rows: dict[str, tf.Tensor], taken: Transitions, alpha: tf.Tensor
    ) -> tuple[tf.Tensor, tuple[dict[str, tf.Tensor], tf.Tensor]]:
        """Returns the loss of both critics; metrics, and the observations encoded, [T + 1, B, E]."""
        embed = _embed(self.encoder, _observation(rows))
        q = self.critic(embed[:-1], self.choice.encode(taken.action))
        outlook = self._outlook(
            tf.stop_gradient(embed[1:]),
            self.target_critic,
            _embed(self.target_encoder, taken.next_observation),
            _TARGET,
        )
        target = losses.critic_target(
            self.config.reward_scale * taken.reward,
            self.config.discount * taken.discount,
            *outlook,
            alpha,
        )
        loss = losses.critic_loss(q, target, taken.mask)
        metrics = {
            "critic_loss": loss,
            "value": masked_mean(tf.reduce_mean(q, 0), taken.mask),
            "value_target": masked_mean(target, taken.mask),
        }
        return loss, (metrics, embed)

    def _actor_loss(
        self,
        embed: tf.Tensor,
        mask: tf.Tensor,
        alpha: tf.Tensor,
        temperature: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the loss of the policy in the states [T, B, E], and its mean entropy."""
        value, entropy = self._outlook(embed, self.critic, embed, _ACTOR, temperature)
        loss = losses.actor_loss(value, entropy, alpha, mask)
        return loss, masked_mean(entropy, mask)

    def _entropy_scale_loss(
        self, entropy: tf.Tensor, target: tf.Tensor
    ) -> tuple[tf.Tensor, None]:
        log_scale = self.entropy_scale.log_scale.value
        return losses.entropy_scale_loss(log_scale, entropy, target), None

    def _outlook(
        self,
        embed: tf.Tensor,
        critic: TwinCritic,
        critic_embed: tf.Tensor,
        stream: int,
        temperature: tf.Tensor | None = None,
    ) -> actions.Outlook:
        """What the policy promises in states, by some critic that reads them its own way; see `Choices.outlook`."""
        parameters = self.actor(embed)
        counter = tf.cast(self.counter, tf.int32)
        seed = tf.stack([self.seed * 8 + stream, counter])
        leading = tf.unstack(tf.shape(embed)[:-1])
        noise = self.choice.head.noise(leading, seed)
        return self.choice.outlook(parameters, critic, critic_embed, noise, temperature)

    def _apply(self, found: Mapping[str, Found]) -> dict[str, tf.Tensor]:
        """Steps every optimizer and moves the copies, or does nothing if anything is not finite; returns metrics."""
        norms = [
            tf.linalg.global_norm([g for g in each.gradients if g is not None])
            for each in found.values()
        ]
        total = tf.add_n([each.loss for each in found.values()])
        check = total + tf.add_n(norms)
        metrics = {
            f"{name}_grad_norm": self.optimizers[name].step(check, each.gradients)[
                "norm"
            ]
            for name, each in found.items()
            if name != "entropy_scale"
        }
        self.optimizers["entropy_scale"].step(check, found["entropy_scale"].gradients)
        finite = tf.math.is_finite(check)
        tf.cond(finite, self._follow, lambda: None)
        loss = found["critic"].loss + found["actor"].loss
        return metrics | {"loss": tf.where(finite, loss, math.nan)}

    def _follow(self) -> None:
        """Moves the copies towards encoder and critics, and counts the update."""
        rate = self.config.target_rate
        for copy, original in self._followed():
            losses.follow(copy.weights, original.weights, rate)
        self.counter.assign_add(1)

    def _followed(self) -> list[tuple[keras.layers.Layer, keras.layers.Layer]]:
        return [
            (self.target_encoder, self.encoder),
            (self.target_critic, self.critic),
        ]

    def _make_optimizers(self) -> dict[str, Optimizer]:
        config = self.config
        critics: list[keras.layers.Layer] = [self.encoder, self.critic]
        parts = {
            "critic": (
                [v for m in critics for v in m.trainable_variables],
                config.critic_lr,
            ),
            "actor": (self.actor.trainable_variables, config.actor_lr),
            "entropy_scale": (
                self.entropy_scale.trainable_variables,
                config.entropy_lr,
            ),
        }
        return {
            name: Optimizer(variables, rate, config.adam_epsilon, config.clip, 0.0)
            for name, (variables, rate) in parts.items()
        }

    def _build(self) -> None:
        """Creates all weights by one pass over zeros; the copies begin as what they follow."""
        rows = window_specs.zeros(self.batch_signature())
        _, (_, embed) = self._critic_loss(rows, to_transitions(rows), tf.constant(0.0))
        self._actor_loss(
            embed[:-1], tf.ones(embed.shape[:2])[1:], tf.constant(0.0), tf.constant(1.0)
        )
        for copy, original in self._followed():
            copy.set_weights(original.get_weights())

    @property
    def _samples_choices(self) -> bool:
        """Whether the actor's gradient goes through samples of choices."""
        return isinstance(self.choice, actions.Choices) and self.choice.table is None

    @property
    def _action_kind(self) -> Kind:
        space = self.spaces.action
        kind = "float32" if isinstance(space, Box) else "int32"
        return tuple(space.shape or ()), kind

    def batch_signature(self) -> dict[str, tf.TensorSpec]:
        rows = self.observation_kinds() | {
            "action": self._action_kind,
            "reward": ((), "float32"),
            "discount": ((), "float32"),
            "is_first": ((), "bool"),
        }
        return {
            key: tf.TensorSpec((self.config.batch_length, None, *shape), kind)
            for key, (shape, kind) in rows.items()
        }


def _observation(rows: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The observations of all rows, by key."""
    prefix = "observation/"
    return {
        key.removeprefix(prefix): value
        for key, value in rows.items()
        if key.startswith(prefix)
    }


def _embed(encoder: ObservationNet, observation: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """[..., E] of observations [..., *shape] as they came."""
    return encoder({key: preprocess(value) for key, value in observation.items()})
