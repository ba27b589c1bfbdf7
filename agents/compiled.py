"""What agents with nets of Keras 3 share: variables by name, one compiled update, and policies compiled once per mode."""

import abc
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from agents import random_policy, schedule
from agents.api import Batch, Mode, State, Step
from agents.learner import Distribution, Learner, Policy
from agents.optimizer import Optimizer

MODES: tuple[Mode, ...] = ("sample", "greedy")
Kind = tuple[tuple[int, ...], Any]  # shape of one row, dtype


class CompiledAgent(Learner):
    """Acts and learns by compiled functions, and names the variables of nets and optimizers; to be mixed in first.

    Its constructor sets `config`, `counter` and `optimizers`, then calls `compile_update` and `compile_policies`.

    Attributes:
        config: The settings.
        counter: Updates made, a tf.Variable.
        optimizers: Name -> the optimizer of some nets' variables.
        copies: The nets among `modules` that follow others, and are not counted.
        schedules: The settings whose values an update takes, as they are at the environment step.
    """

    config: Any
    counter: tf.Variable
    optimizers: Mapping[str, Optimizer]
    copies: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()

    @abc.abstractmethod
    def modules(self) -> Mapping[str, keras.layers.Layer]:
        """Returns every net by name."""

    @abc.abstractmethod
    def batch_signature(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of the batch that an update takes, by name."""

    @abc.abstractmethod
    def _update_step(
        self, batch: dict[str, tf.Tensor], scheduled: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Makes one update; a batch of `batch_signature` and the values of `schedules` -> float32 scalars."""

    @abc.abstractmethod
    def _step(self, mode: Mode, *step: Any) -> tuple[Any, tf.Tensor, Any]:
        """Acts; what `policy` takes -> (parameters of the policy's distribution, action, the next state)."""

    @abc.abstractmethod
    def _distribution(self, parameters: Any) -> Any:
        """Returns the TFP distribution of actions that has these parameters."""

    def compile_update(self) -> None:
        """Compiles the update; nets and optimizers must be built."""
        self._curves = {
            name: schedule.parse(getattr(self.config, name)) for name in self.schedules
        }
        self._update = tf.function(
            self._update_step,
            input_signature=[
                self.batch_signature(),
                {name: tf.TensorSpec([]) for name in self.schedules},
            ],
            jit_compile=self.config.jit_compile,
            autograph=False,
        )

    def update(self, batch: Batch) -> Mapping[str, Any]:
        """Makes one update of all nets, a batch of `batch_signature` -> float32 scalars.

        The schedules have their values of this environment step. Where `loss` is not finite, no net whose loss or
        gradient it was is changed, nor is the counter.
        """
        return self.update_step(batch, self.scheduled())

    def scheduled(self) -> Mapping[str, float]:
        """Returns the values of `schedules` at `env_steps`, by name."""
        return {name: curve(self.env_steps) for name, curve in self._curves.items()}

    def update_step(
        self, batch: Batch, scheduled: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """`update` with the values of the schedules given."""
        rows = {key: batch[key] for key in self.batch_signature()}
        values = {
            name: tf.convert_to_tensor(value, tf.float32)
            for name, value in scheduled.items()
        }
        return self._update(rows, values)

    def policy(self, mode: Mode) -> Policy:
        """Returns a step: (observation, reward, is_first, state) -> (action, state)."""

        def policy(*step: Any) -> tuple[tf.Tensor, Any]:
            return self._step(mode, *step)[1:]

        return policy

    def distribution(self) -> Distribution:
        """Returns `policy('sample')` with the distribution that it draws from; classes are numbers."""

        def distribution(*step: Any) -> tuple[Any, tf.Tensor, Any]:
            parameters, action, state = self._step("sample", *step)
            return self._distribution(parameters), action, state

        return distribution

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
