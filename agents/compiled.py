"""What agents with nets of Keras 3 share: variables by name, and policies compiled once per mode."""

import abc
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from agents import random_policy
from agents.api import Mode, State, Step
from agents.learner import Learner
from agents.optimizer import Optimizer

MODES: tuple[Mode, ...] = ("sample", "greedy")
Kind = tuple[tuple[int, ...], Any]  # shape of one row, dtype


class CompiledAgent(Learner):
    """Acts by compiled policies, and names the variables of nets and optimizers; to be mixed in first.

    Its constructor sets `counter` and `optimizers`, and calls `compile_policies`.

    Attributes:
        counter: Updates made, a tf.Variable.
        optimizers: Name -> the optimizer of some nets' variables.
        copies: The nets among `modules` that follow others, and are not counted.
    """

    counter: tf.Variable
    optimizers: Mapping[str, Optimizer]
    copies: tuple[str, ...] = ()

    @abc.abstractmethod
    def modules(self) -> Mapping[str, keras.layers.Layer]:
        """Returns every net by name."""

    def compile_policies(self) -> None:
        """Compiles `policy` of each mode; its nets must be built."""
        self._policies = self.compile(self.policy)

    def compile(self, make: Callable[[Mode], Callable]) -> dict[Mode, Callable]:
        """Returns mode -> `make(mode)`, a function of what `policy` takes, compiled for any batch size."""
        signature = self.policy_signature()
        return {
            mode: tf.function(make(mode), input_signature=signature, autograph=False)
            for mode in MODES
        }

    def act(
        self, step: Step, state: State, mode: Mode = "sample"
    ) -> tuple[np.ndarray, State]:
        """Samples, takes the likeliest action, or with 'random' a uniform one."""
        if mode == "random":
            return random_policy.act(self.spaces.action, state)
        action, state = self._policies[mode](
            dict(step.observation), step.reward, step.is_first, dict(state)
        )
        return action.numpy(), state

    def variables(self) -> Mapping[str, Any]:
        """Returns weights, optimizer states and the update counter by name."""
        named: dict[str, Any] = {}
        for name, module in self.modules().items():
            for i, variable in enumerate(module.weights):
                named[f"{name}/{i:02d}"] = variable
        for name, optimizer in self.optimizers.items():
            for i, variable in enumerate(optimizer.state):
                named[f"{name}_optimizer/{i:03d}"] = variable
        return named | {"updates": self.counter}

    def variables_of(self, parts: set[str]) -> set[str]:
        """Returns the names of the variables of some modules."""
        return {name for name in self.variables() if name.split("/")[0] in parts}

    @property
    def parameters(self) -> int:  # type: ignore[override]
        """The number of trainable parameters, those of `copies` not counted."""
        return sum(
            int(np.prod(variable.shape))
            for name, module in self.modules().items()
            for variable in module.trainable_variables
            if name not in self.copies
        )

    def observation_kinds(self) -> dict[str, Kind]:
        """Returns 'observation/KEY' -> shape and dtype of one row."""
        return {
            f"observation/{key}": (tuple(box.shape), np.dtype(box.dtype).name)
            for key, box in self.spaces.observation.items()
        }

    def policy_signature(self) -> list[Any]:
        """Returns the specs of what `policy` takes: observation, reward, is_first, state."""
        observation = {
            key.removeprefix("observation/"): tf.TensorSpec((None, *shape), dtype)
            for key, (shape, dtype) in self.observation_kinds().items()
        }
        state = {
            key: tf.TensorSpec((None, *value.shape[1:]), value.dtype)
            for key, value in self.initial_state(1).items()
        }
        reward = tf.TensorSpec((None,), tf.float32)
        return [observation, reward, tf.TensorSpec((None,), tf.bool), state]
