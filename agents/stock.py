"""What agents of TF-Agents share in the zoo: their side of the contract, one part of an observation, sizes of networks."""

import abc
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

from agents import random_policy
from agents.api import Batch, Mode, Spaces, State, Step
from agents.learner import Learner

REWARDS = {"identity": tf.identity, "sign": tf.sign}


class StockAgent(Learner):
    """Acts by compiled policies, and names the variables of networks and optimizer; to be mixed in first.

    Attributes:
        trained: The networks that are trained, among `tf_agent.networks`.
        acting: The networks that acting reads.
    """

    trained: tuple[str, ...] = ()
    acting: tuple[str, ...] = ()

    def wrap(self, tf_agent: Any, optimizer: Any) -> None:
        """Takes what `agents.tf_agents` built, and compiles policies and update."""
        self._agent, self._optimizer = tf_agent, optimizer
        self._policies = {
            mode: tf.function(self.policy(mode), autograph=False)
            for mode in ("sample", "greedy")
        }
        self._update = tf.function(self._update_step, autograph=False)

    @property
    def parameters(self) -> int:  # type: ignore[override]
        """The number of trainable parameters, target networks not counted."""
        return sum(
            int(np.prod(weight.shape))
            for name in self.trained
            for weight in self._agent.networks[name].trainable_variables
        )

    def act(
        self, step: Step, state: State, mode: Mode = "sample"
    ) -> tuple[np.ndarray, State]:
        """Samples, takes the best action, or with 'random' a uniform one."""
        if mode == "random":
            return self._act_at_random(step, state)
        action, state = self._policies[mode](
            dict(step.observation), step.reward, step.is_first, dict(state)
        )
        return action.numpy(), state

    def update(self, batch: Batch) -> Mapping[str, Any]:
        """`update_step` with the schedules' values of this environment step."""
        return self.update_step(batch, self.scheduled())

    def variables(self) -> Mapping[str, Any]:
        """Returns networks, optimizer and counter by name."""
        parts = {name: net.variables for name, net in self._agent.networks.items()}
        parts["optimizer"] = self._optimizer.variables
        named = {
            f"{part}/{i:02d}": variable
            for part, found in parts.items()
            for i, variable in enumerate(found)
        }
        return named | {"updates": self._agent.train_step_counter}

    def acting_names(self) -> set[str]:
        """Returns the networks of `acting`."""
        return {name for name in self.variables() if name.split("/")[0] in self.acting}

    def _act_at_random(self, step: Step, state: State) -> tuple[np.ndarray, State]:
        return random_policy.act(self.spaces.action, state)

    @abc.abstractmethod
    def _update_step(self, rows: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Makes an update on rows; what `update_step` compiles."""


def only_box(spaces: Spaces, agent: str) -> tuple[str, gymnasium.spaces.Box]:
    """Returns key and box of the observation's only part.

    Raises:
        ValueError: If there are several.
    """
    if len(spaces.observation) != 1:
        raise ValueError(
            f"{agent} takes observations of one part, but {sorted(spaces.observation)} came: use another agent, "
            "such as dreamerv2, or a wrapper that leaves one"
        )
    return next(iter(spaces.observation.items()))


def to_float(value: Any) -> tf.Tensor:
    """Returns pixels / 255, and other numbers as float32."""
    value = tf.convert_to_tensor(value)
    if value.dtype == tf.uint8:
        return tf.cast(value, tf.float32) / 255
    return tf.cast(value, tf.float32)


def conv_layers(shape: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Returns filters, kernel and stride of the convolutions for observations of a shape.

    Those of Mnih et al. 2015 from 36 pixels on; the one of Young and Tian 2019 (MinAtar) for smaller pictures; none for
    vectors.
    """
    if len(shape) == 1:
        return []
    if min(shape[:2]) >= 36:
        return [(32, 8, 4), (64, 4, 2), (64, 3, 1)]
    return [(16, 3, 1)]


def spec(shape: tuple[int, ...]) -> tf.TensorSpec:
    """Returns the spec of an observation as the networks get it."""
    return tf.TensorSpec(shape, np.float32, "observation")
