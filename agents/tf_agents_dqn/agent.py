"""DQN and C51: TF-Agents' agents behind the zoo's contract."""

import pathlib
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

from agents import legacy_keras, schedule, stock
from agents.api import Batch, Mode, Spaces, State, Step
from agents.learner import Policy
from agents.off_policy import OffPolicyAgent
from agents.tf_agents_dqn.config import DQNConfig


class DQN(stock.StockAgent, OffPolicyAgent):
    """DqnAgent or CategoricalDqnAgent of TF-Agents, epsilon-greedy, on our replay.

    State fields: `action` [B], the last one; `seed` [B, 2]; and, where it stacks pictures, `frames` [B, H, W, C (k - 1)],
    the ones before.

    Args:
        spaces: The spaces of one row: an observation of one part, Discrete actions.
        config: The settings.
        seed: Seeds weights, batches and noise.
        folder: Where the replay lies; a temporary folder when None.

    Raises:
        ValueError: On spaces it cannot use.
        ImportError: If TF-Agents or the Keras that it needs is missing.

    References:
        Mnih et al. 2015; Bellemare et al. 2017 (arXiv 1707.06887).
    """

    config: DQNConfig
    trained = ("q",)
    acting = ("q", "epsilon")

    def __init__(
        self,
        spaces: Spaces,
        config: DQNConfig,
        seed: int = 0,
        folder: str | pathlib.Path | None = None,
    ) -> None:
        super().__init__(spaces, config, seed, folder)
        if not isinstance(spaces.action, gymnasium.spaces.Discrete):
            raise ValueError(
                f"DQN chooses among classes, but the actions are {spaces.action}: use tf_agents_ppo or dreamerv2"
            )
        self._key, self._box = stock.only_box(spaces, "DQN")
        if config.frame_stack > 1 and len(self._box.shape) != 3:
            raise ValueError(
                f"frame_stack={config.frame_stack} stacks pictures, but observations have the shape "
                f"{self._box.shape}: --frame_stack=1"
            )
        legacy_keras.require()
        from agents import tf_agents as bridge

        self._bridge = bridge
        made = bridge.make_dqn(
            stock.spec(self._stacked_shape), int(spaces.action.n), config, seed
        )
        self._rate = schedule.parse(config.epsilon)
        self._epsilon = tf.Variable(1.0, name="epsilon")
        self.wrap(*made)

    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns zeros and the seeds (seed, 0)."""
        state = {
            "action": tf.zeros([batch], tf.int32),
            "seed": tf.tile([[seed, 0]], [batch, 1]),
        }
        if self.config.frame_stack > 1:
            *size, channels = self._box.shape
            before = (self.config.frame_stack - 1) * channels
            state["frames"] = tf.zeros([batch, *size, before], self._box.dtype.name)
        return state

    def _act_at_random(self, step: Step, state: State) -> tuple[np.ndarray, State]:
        action, drawn = super()._act_at_random(step, state)
        _, frames = self._push(step.observation, step.is_first, state)
        return action, {**drawn, **frames}

    def policy(self, mode: Mode) -> Policy:
        """Returns (observation, reward, is_first, state) -> (action, state)."""

        def policy(
            observation: Mapping[str, tf.Tensor],
            reward: tf.Tensor,
            is_first: tf.Tensor,
            state: Mapping[str, tf.Tensor],
        ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            stacked, frames = self._push(observation, is_first, state)
            action = self._bridge.greedy_action(self._agent, stock.to_float(stacked))
            if mode == "sample":
                action = self._explore(action, state["seed"][0])
            advanced = state["seed"] + tf.constant([0, 2])
            return action, {"action": action, "seed": advanced, **frames}

        return policy

    def update_step(
        self, batch: Batch, scheduled: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Makes one update on the last transition of each window; a loss that is not finite leaves all as it was."""
        self._epsilon.assign(scheduled["epsilon"])
        names = [f"observation/{self._key}", "action", "reward", "discount"]
        rows = {key: batch[key] for key in (*names, "is_first", "is_last")}
        return self._update(rows)

    def update(self, batch: Batch) -> Mapping[str, Any]:
        """`update_step` with epsilon of this environment step."""
        try:
            return super().update(batch)
        except tf.errors.InvalidArgumentError as error:
            if "inf or nan" not in error.message:
                raise
            return {"loss": np.float32(np.nan)}

    def scheduled(self) -> Mapping[str, float]:
        """Returns epsilon."""
        return {"epsilon": self._rate(self.env_steps)}

    def variables(self) -> Mapping[str, Any]:
        """Returns networks, optimizer, counter and epsilon by name."""
        return {**super().variables(), "epsilon": self._epsilon}

    @property
    def _stacked_shape(self) -> tuple[int, ...]:
        shape = self._box.shape
        return (*shape[:-1], shape[-1] * self.config.frame_stack)

    def _push(
        self, observation: Mapping[str, Any], is_first: Any, state: State
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the pictures stacked, the newest last, and what the state keeps of them."""
        newest = tf.convert_to_tensor(observation[self._key])
        count = self.config.frame_stack
        if count == 1:
            return newest, {}
        reset = tf.convert_to_tensor(is_first)[:, None, None, None]
        repeated = tf.concat([newest] * (count - 1), -1)
        before = tf.where(reset, repeated, state["frames"])
        stacked = tf.concat([before, newest], -1)
        return stacked, {"frames": stacked[..., newest.shape[-1] :]}

    def _explore(self, action: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Replaces a share epsilon of the actions by random ones."""
        size = tf.shape(action)
        chance = tf.random.stateless_uniform(size, seed)
        classes = int(self.spaces.action.n)  # type: ignore[union-attr]
        other = tf.random.stateless_uniform(size, seed + [0, 1], 0, classes, tf.int32)
        return tf.where(chance < self._epsilon, other, action)

    def _update_step(self, rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        observation = stock.to_float(self._stack(rows))
        last = {key: value[-2:] for key, value in rows.items()}
        last["reward"] = stock.REWARDS[self.config.reward_transform](last["reward"])
        experience = self._bridge.to_trajectory(last, observation)
        # What joins two episodes is no transition: TF-Agents' C51 does not leave it out by itself.
        is_one = ~rows["is_first"][-1]
        experience = tf.nest.map_structure(
            lambda part: tf.boolean_mask(part, is_one), experience
        )
        loss = tf.cond(
            tf.reduce_any(is_one),
            lambda: self._agent.train(experience).loss,
            lambda: tf.constant(0.0),
        )
        return {"loss": loss, "epsilon": tf.identity(self._epsilon)}

    def _stack(self, rows: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns the stacked pictures of the last two rows of a window, [2, B, H, W, C k], as `act` saw them."""
        pictures = rows[f"observation/{self._key}"]
        if self.config.frame_stack == 1:
            return pictures
        state = {"frames": tf.concat([pictures[0]] * (self.config.frame_stack - 1), -1)}
        found = []
        for t in range(self.config.batch_length):
            stacked, state = self._push(
                {self._key: pictures[t]}, rows["is_first"][t], state
            )
            found.append(stacked)
        return tf.stack(found[-2:])
