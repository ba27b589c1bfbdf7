"""PPO: TF-Agents' agent behind the zoo's contract."""

import pathlib
from collections.abc import Mapping
from typing import Any

import gymnasium
import tensorflow as tf

from agents import legacy_keras, stock
from agents.api import Batch, Mode, Spaces, State
from agents.learner import Policy
from agents.on_policy import OnPolicyAgent
from agents.tf_agents_ppo.config import PPOConfig

_PREFIX = "dist/"


class PPO(stock.StockAgent, OnPolicyAgent):
    """PPOClipAgent of TF-Agents on windows of T transitions.

    State fields: `action` [B] or [B, n], the last one; `seed` [B, 2]; `chosen`, the action before it was clipped into
    its bounds; and `dist/…`, the parameters of the distribution that it was drawn from.

    As TF-Agents has it, an episode that was cut counts as one that ended.

    Args:
        spaces: The spaces of one row: an observation of one part.
        config: The settings.
        seed: Seeds weights and noise.
        folder: Not used; windows lie in memory.

    Raises:
        ValueError: On spaces it cannot use.
        ImportError: If TF-Agents or the Keras that it needs is missing.

    References:
        Schulman et al. 2017 (arXiv 1707.06347).
    """

    config: PPOConfig
    trained = ("actor", "value")
    acting = ("actor",)

    def __init__(
        self,
        spaces: Spaces,
        config: PPOConfig,
        seed: int = 0,
        folder: str | pathlib.Path | None = None,
    ) -> None:
        super().__init__(spaces, config.length, seed)
        self.config = config
        if isinstance(spaces.action, gymnasium.spaces.MultiDiscrete):
            raise ValueError(
                f"TF-Agents' networks choose one class or forces, but the actions are {spaces.action}: use another "
                "agent, or a wrapper that numbers the combinations"
            )
        self._key, self._box = stock.only_box(spaces, "PPO")
        legacy_keras.require()
        from agents import tf_agents as bridge

        self._bridge = bridge
        tf_agent, optimizer = bridge.make_ppo(
            stock.spec(self._box.shape), spaces, config, seed
        )
        self._info_spec = _flat(tf_agent.collect_policy.info_spec)
        self.row_state = ("chosen", *(_PREFIX + key for key in self._info_spec))
        self.wrap(tf_agent, optimizer)

    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns zeros and the seeds (seed, 0)."""
        zeros = tf.zeros([batch, *(self.spaces.action.shape or ())], self._dtype)
        info = {
            _PREFIX + key: tf.zeros([batch, *spec.shape], spec.dtype)
            for key, spec in self._info_spec.items()
        }
        seeds = tf.tile([[seed, 0]], [batch, 1])
        return {"action": zeros, "chosen": zeros, "seed": seeds, **info}

    def policy(self, mode: Mode) -> Policy:
        """Returns (observation, reward, is_first, state) -> (action, state)."""

        def policy(
            observation: Mapping[str, tf.Tensor],
            reward: tf.Tensor,
            is_first: tf.Tensor,
            state: Mapping[str, tf.Tensor],
        ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            pixels = stock.to_float(observation[self._key])
            step = self._bridge.first_step(pixels, is_first)
            found = self._agent.collect_policy.distribution(step)
            seed = state["seed"][0]
            draw = found.action.sample(seed=seed) if mode == "sample" else None
            chosen = found.action.mode() if draw is None else draw
            chosen = tf.cast(chosen, self._dtype)
            info = _flat(found.info)
            return self._clip(chosen), {
                "action": self._clip(chosen),
                "chosen": chosen,
                "seed": state["seed"] + tf.constant([0, 2]),
                **{_PREFIX + key: value for key, value in info.items()},
            }

        return policy

    def update_step(
        self, batch: Batch, scheduled: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Makes the gradient steps on a window; those on gradients that are not finite are left out."""
        del scheduled
        return self._update(dict(batch))

    def _update_step(self, rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        observation = stock.to_float(rows[f"observation/{self._key}"])
        info = {key: rows[f"state/{_PREFIX}{key}"][1:] for key in self._info_spec}
        rows = rows | {
            "action": rows["state/chosen"],
            "reward": stock.REWARDS[self.config.reward_transform](rows["reward"]),
        }
        experience = self._bridge.to_trajectory(rows, observation, self._pack(info))
        found = self._agent.train(experience)
        parts = found.extra._asdict()
        names = ("policy_gradient_loss", "value_estimation_loss", "clip_fraction")
        metrics = {"loss": found.loss} | {name: parts[name] for name in names}
        return {name: tf.cast(value, tf.float32) for name, value in metrics.items()}

    def _pack(self, info: Mapping[str, tf.Tensor]) -> Any:
        spec = self._agent.collect_policy.info_spec
        return tf.nest.pack_sequence_as(spec, [info[key] for key in _flat(spec)])

    def _clip(self, action: tf.Tensor) -> tf.Tensor:
        if isinstance(self.spaces.action, gymnasium.spaces.Box):
            return tf.clip_by_value(action, -1.0, 1.0)
        return action

    @property
    def _dtype(self) -> tf.DType:
        is_box = isinstance(self.spaces.action, gymnasium.spaces.Box)
        return tf.float32 if is_box else tf.int32


def _flat(nest: Any) -> dict[str, Any]:
    """Returns the leaves of a nest under numbers."""
    return {str(i): leaf for i, leaf in enumerate(tf.nest.flatten(nest))}
