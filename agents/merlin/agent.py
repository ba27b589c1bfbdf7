"""MERLIN: a policy that reads the memory of a predictor, and the baselines without one."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import keras
import numpy as np
import tensorflow as tf

from agents import precision, window_specs
from agents.api import Mode, Report, Spaces, State, Step
from agents.compiled import CompiledAgent
from agents.merlin import losses, report
from agents.merlin import rows as rows_lib
from agents.merlin.baseline import Baseline
from agents.merlin.config import MERLINConfig
from agents.merlin.predictor import Predictor
from agents.merlin.rows import Rows
from agents.named import flatten, unflatten
from agents.observation_net import preprocess
from agents.on_policy import OnPolicyAgent
from agents.optimizer import Optimizer
from agents.watching import Watched
from estimators import gae, gumbel_noise, masked_mean
from layers.unroll import unroll


class MERLIN(CompiledAgent, OnPolicyAgent):
    """The agent of 'Unsupervised Predictive Memory in a Goal-Directed Agent', and its baselines.

    It infers the latent state, reads the memory, chooses, and writes; the latent state is a sample in every mode.

    State fields: those of the core (`Predictor` or `Baseline`), nested names joined by '_'; `action` [B], the last
    one; and `seed` [B, 2].

    Args:
        spaces: The spaces of one row: images of 64x64 or under 32 pixels a side, and vectors; Discrete actions.
        config: The settings.
        seed: Seeds weights and noise.
        folder: Not used; windows lie in memory.

    Raises:
        ValueError: On spaces it cannot use.

    References:
        Wayne et al. 2018 (arXiv 1803.10760).
    """

    config: MERLINConfig
    can_watch = True
    launchers = ("watch",)
    row_state = ("seed",)
    schedules = ("entropy_scale",)

    def __init__(
        self,
        spaces: Spaces,
        config: MERLINConfig,
        seed: int = 0,
        folder: str | pathlib.Path | None = None,
    ) -> None:
        if not isinstance(spaces.action, gymnasium.spaces.Discrete):
            raise ValueError(
                f"action space {spaces.action} came, but MERLIN takes Discrete actions: choose an environment that has "
                "these, or launch.sac, which takes Box and MultiDiscrete ones as well"
            )
        super().__init__(spaces, config.length, seed)
        chosen = precision.choose(config.precision)
        self.config = dataclasses.replace(config, precision=chosen)
        self._classes = int(spaces.action.n)
        keras.utils.set_random_seed(seed)
        build = Predictor if config.agent == "merlin" else Baseline
        self.core = build(spaces, self.config, precision.KERAS_POLICIES[chosen])
        self.start_state = tuple(flatten(self.core.initial_state(1)))
        self.counter = tf.Variable(0, dtype=tf.int64, name="updates")
        self._build()
        self.optimizers = self._make_optimizers()
        self.compile_update()
        self.compile_policies()
        self._looks = self.compile(self._look)

    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns zeros and the seeds (seed, 0)."""
        return flatten(self.core.initial_state(batch)) | {
            "action": tf.zeros([batch], tf.int32),
            "seed": tf.tile([[seed, 0]], [batch, 1]),
        }

    def acting_names(self) -> set[str]:
        """Returns what `act` reads: all but decoders and values; a baseline's step computes its value too."""
        return self.variables_of(set(self.modules()) - self._unread())

    def report_names(self) -> set[str]:
        """Returns decoders and values, where `act` does not read them."""
        return self.variables_of(self._unread())

    def _unread(self) -> set[str]:
        return self.core.for_learning - self.core.acting.keys()

    def look(
        self, step: Step, state: State, mode: Mode = "greedy"
    ) -> tuple[np.ndarray, State, Mapping[str, np.ndarray]]:
        """Acts, and returns what `core.look` finds: see `agents.merlin.report`."""
        action, state, inner = self._looks[mode](
            dict(step.observation), step.reward, step.is_first, dict(state)
        )
        return action.numpy(), state, {key: each.numpy() for key, each in inner.items()}

    def show(self, watched: Watched) -> Report:
        """Draws what was read, written, decoded and predicted, as a picture and beside the episode."""
        return report.show(watched, self.spaces, self.config)

    def _look(self, mode: Mode) -> Callable[..., tuple]:
        def look(*step: Any) -> tuple[tf.Tensor, dict, dict]:
            after, output, action, state = self._advance(mode, *step)
            return action, state, self.core.look(after, output)

        return look

    def _step(self, mode: Mode, *step: Any) -> tuple[tf.Tensor, tf.Tensor, Any]:
        _, output, action, state = self._advance(mode, *step)
        return output.logits, action, state

    def _distribution(self, parameters: tf.Tensor) -> Any:
        from tensorflow_probability import distributions as tfd

        return tfd.Categorical(logits=parameters)

    def _advance(
        self,
        mode: Mode,
        observation: dict[str, tf.Tensor],
        reward: tf.Tensor,
        is_first: tf.Tensor,
        state: dict[str, tf.Tensor],
    ) -> tuple[Any, Any, tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the core's next state and output, the action and the agent's next state."""
        seed, batch = state["seed"][0], tf.shape(is_first)[0]

        def choose(logits: tf.Tensor) -> tf.Tensor:
            if mode == "sample":
                logits += gumbel_noise([batch, self._classes], seed + [0, 1])
            return tf.one_hot(tf.argmax(logits, -1), self._classes)

        after, output, action = self.core.step(
            unflatten(self.core.initial_state(1), state),
            self._embed(observation, state["action"], reward, is_first),
            is_first,
            self._noise(batch, seed),
            choose,
        )
        chosen = tf.argmax(action, -1, output_type=tf.int32)
        advanced = state["seed"] + tf.constant([0, 2])
        more = {"action": chosen, "seed": advanced}
        return after, output, chosen, flatten(after) | more

    def _embed(
        self,
        observation: Mapping[str, tf.Tensor],
        action: tf.Tensor,
        reward: tf.Tensor,
        is_first: tf.Tensor,
    ) -> tf.Tensor:
        """e_t of observations [..., *shape] as they came."""
        ready = {key: preprocess(value) for key, value in observation.items()}
        before = rows_lib.last_action(action, is_first, self._classes)
        return self.core.encoder(ready, before, reward)

    def _noise(self, batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        shape = [batch, self.core.noise_size()]
        return tf.random.stateless_normal(shape, seed, alg="philox")

    def _update_step(
        self, batch: dict[str, tf.Tensor], scheduled: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        owned = {
            name: optimizer.variables for name, optimizer in self.optimizers.items()
        }
        watched = [variable.value for part in owned.values() for variable in part]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            loss, metrics = self._loss(batch, scheduled["entropy_scale"])
        # One call for both: no loss reaches the other's variables.
        gradients = tape.gradient(loss, watched)
        norm = tf.linalg.global_norm(gradients)
        for name, variables in owned.items():
            mine, gradients = gradients[: len(variables)], gradients[len(variables) :]
            step = self.optimizers[name].step(loss + norm, mine)
            metrics[f"{name}_grad_norm"] = step["norm"]
        finite = tf.math.is_finite(loss + norm)
        metrics["loss"] = tf.where(finite, loss, math.nan)
        tf.cond(finite, lambda: self.counter.assign_add(1), lambda: self.counter)
        return {key: tf.cast(value, tf.float32) for key, value in metrics.items()}

    def _loss(
        self, batch: dict[str, tf.Tensor], entropy_scale: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the sum of all losses over a window, and metrics."""
        config = self.config
        rows = rows_lib.to_rows(batch, self._classes)
        _, outputs = self._unroll(rows, batch)
        value = self.core.value(outputs)
        reward, discount = rows.reward[1:], config.discount * rows.discount[1:]
        mask = tf.cast(~rows.is_first[1:], tf.float32)
        constant = tf.stop_gradient(value)
        returns = [
            gae(reward, constant[:-1], discount, constant[-1], lam, mask)
            for lam in (config.gae_lambda, 1.0)
        ]
        advantage, target = returns[0], returns[1] + constant[:-1]
        # The last row is the next window's first: it gives only the value to bootstrap from.
        rows, outputs, value = tf.nest.map_structure(
            lambda part: part[:-1], (rows, outputs, value)
        )
        terms = self.core.losses(rows, outputs, value, target, mask)
        policy_loss, entropy = losses.policy_loss(
            outputs.logits, rows.action, advantage, mask, entropy_scale
        )
        loss = tf.add_n([*terms.values(), policy_loss])
        metrics = terms | {
            "policy_loss": policy_loss,
            "entropy": entropy,
            "entropy_scale": entropy_scale,
            "value": masked_mean(constant[:-1], mask),
            "return_target": masked_mean(target, mask),
        }
        return loss, metrics

    def _unroll(self, rows: Rows, batch: dict[str, tf.Tensor]) -> tuple[Any, Any]:
        """Repeats the steps that were acted, with the same noise and the actions that were chosen.

        Returns:
            The core's last state and its outputs [T, B, ...].
        """
        batch_size = tf.shape(rows.reward)[1]
        seeds = tf.unstack(batch["state/seed"][:, 0])
        noise = tf.stack([self._noise(batch_size, seed) for seed in seeds])
        embed = self.core.encoder(rows.observation, rows.last_action, rows.reward)

        def step(state: Any, now: Any) -> tuple[Any, Any]:
            embed, is_first, noise, action = now
            state, output, _ = self.core.step(
                state, embed, is_first, noise, lambda _: action
            )
            return state, output

        before = unflatten(self.core.initial_state(1), batch, "start/")
        return unroll(step, (embed, rows.is_first, noise, rows.action), before)

    def modules(self) -> Mapping[str, keras.layers.Layer]:
        """Returns the core's nets by name."""
        return self.core.predicting | self.core.acting

    def _make_optimizers(self) -> dict[str, Optimizer]:
        config = self.config
        parts = {
            "policy": (self.core.acting, config.policy_lr, config.policy_clip),
            "predictor": (
                self.core.predicting,
                config.predictor_lr,
                config.predictor_clip,
            ),
        }
        return {
            name: Optimizer(_trainable(modules), rate, config.adam_epsilon, clip, 0.0)
            for name, (modules, rate, clip) in parts.items()
            if modules
        }

    def _build(self) -> None:
        """Creates all weights by one pass over zeros."""
        self._loss(window_specs.zeros(self.batch_signature()), tf.constant(0.0))

    def batch_signature(self) -> dict[str, tf.TensorSpec]:
        action = {"action": ((), "int32")}
        rows = self.observation_kinds() | action | dict(window_specs.COMMON)
        return window_specs.specs(self.window, rows, self.core.initial_state(1))


def _trainable(modules: Mapping[str, keras.layers.Layer]) -> list[keras.Variable]:
    return [
        variable
        for module in modules.values()
        for variable in module.trainable_variables
    ]
