"""The bridge to TF-Agents, both ways; the only file that imports it.

    Environment   any environment of the zoo as a PyEnvironment
    Policy        any agent as a TFPolicy
    TFAgent       any agent as a TFAgent, trained by its own compiled update
    make_dqn      TF-Agents' DQN and C51, which agents.tf_agents_dqn wraps; make_ppo likewise

An observation of one part is that part; of several, a dict.
"""

import contextlib
import importlib.metadata
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

import envs as envs_lib
from agents import rollout, stock
from agents.api import Batch, Mode, Spaces, State, Step, VectorEnv
from agents.learner import Learner
from agents.off_policy import OffPolicyAgent


def _check_installed() -> None:
    """Raises ImportError where TF-Agents is missing, too old or too new, or something it needs is."""
    how = "install the extra 'tf-agents', then `pip install --no-deps tf-agents==0.19.0` (BUILD.md, 'tf-agents')"
    try:
        version = importlib.metadata.version("tf-agents")
    except importlib.metadata.PackageNotFoundError:
        raise ImportError(f"TF-Agents is not installed: {how}") from None
    if not version.startswith(("0.19.", "0.20.")):
        raise ImportError(
            f"TF-Agents {version} is installed, but 0.19 or 0.20 is expected: {how}"
        )
    try:
        _import_quietly()
    except ImportError as error:
        raise ImportError(
            f"TF-Agents {version} cannot be imported ({error}): {how}"
        ) from error


def _import_quietly() -> None:
    """Imports TF-Agents without the notices of the old gym and of dm_control, which come along."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            import tf_agents.environments  # noqa: F401
    finally:
        log.setLevel(level)


_check_installed()

from tf_agents.agents import tf_agent  # noqa: E402
from tf_agents.environments import py_environment  # noqa: E402
from tf_agents.policies import tf_policy  # noqa: E402
from tf_agents.specs import array_spec, tensor_spec  # noqa: E402
from tf_agents.trajectories import (  # noqa: E402
    policy_step,
    time_step,
    trajectory,
)


class Environment(py_environment.PyEnvironment):
    """A vector environment of the zoo as a batched PyEnvironment; a row that was last is reset by the next step.

    Truncation keeps discount 1. Game events are in `get_info()`.

    Args:
        envs: A vector environment, or its name as for `envs.make`.
        num_envs: B, where a name came.
        **options: Of `envs.make`, where a name came.
    """

    def __init__(
        self, envs: VectorEnv | str, num_envs: int = 1, **options: Any
    ) -> None:
        super().__init__()
        made = (
            envs_lib.make(envs, num_envs, **options) if isinstance(envs, str) else envs
        )
        self.envs = made
        self._seed: int | None = None
        self._info: Mapping[str, np.ndarray] = {}

    @property
    def spaces(self) -> Spaces:
        """The spaces of a row, which agents are made for."""
        return self.envs.spaces

    @property
    def batched(self) -> bool:
        """True."""
        return True

    @property
    def batch_size(self) -> int:
        """B."""
        return self.envs.num_envs

    def observation_spec(self) -> Any:
        """The spec of the only part, or key -> spec."""
        return observation_spec(self.envs.spaces)

    def action_spec(self) -> array_spec.BoundedArraySpec:
        """int32 for classes, float32 in [-1, 1] for Box actions."""
        return action_spec(self.envs.spaces)

    def seed(self, seed: int) -> None:
        """Seeds the next reset."""
        self._seed = int(seed)

    def get_info(self) -> Mapping[str, np.ndarray]:
        """Returns the info of the last step, key -> [B, ...]."""
        return self._info

    def render(self, mode: str = "rgb_array") -> np.ndarray | None:
        """Returns row 0 as an RGB picture [H, W, 3]."""
        return self.envs.render()

    def close(self) -> None:
        """Closes the environments."""
        self.envs.close()

    def _reset(self) -> time_step.TimeStep:
        seed, self._seed = self._seed, None
        return self._convert(self.envs.reset(seed=seed))

    def _step(self, action: np.ndarray) -> time_step.TimeStep:
        return self._convert(self.envs.step(np.asarray(action)))

    def _convert(self, step: Step) -> time_step.TimeStep:
        self._info = step.info
        kind = step_type(step.is_first, step.is_last)
        parts = only_part(step.observation)
        return time_step.TimeStep(kind, step.reward, step.discount, parts)


def step_type(is_first: np.ndarray, is_last: np.ndarray) -> np.ndarray:
    """Returns TF-Agents' step types, int32."""
    kinds = (time_step.StepType.LAST, time_step.StepType.FIRST)
    found = np.select([is_last, is_first], kinds, time_step.StepType.MID)
    return found.astype(np.int32)


def only_part(parts: Mapping[str, Any]) -> Any:
    """Returns the part where there is one, else a dict of them."""
    return next(iter(parts.values())) if len(parts) == 1 else dict(parts)


def observation_spec(spaces: Spaces) -> Any:
    """Returns the array spec of an observation."""
    return only_part({key: _spec(box, key) for key, box in spaces.observation.items()})


def action_spec(spaces: Spaces) -> array_spec.BoundedArraySpec:
    """Returns the array spec of an action."""
    action = spaces.action
    if isinstance(action, gymnasium.spaces.Discrete):
        return array_spec.BoundedArraySpec((), np.int32, 0, action.n - 1, "action")
    if isinstance(action, gymnasium.spaces.MultiDiscrete):
        # TF-Agents' own NumPy sampler fails on batches where bounds differ; its TensorFlow one does not.
        top = np.asarray(action.nvec) - 1
        low, high = (0, top[0]) if (top == top[0]).all() else (0 * top, top)
        return array_spec.BoundedArraySpec(top.shape, np.int32, low, high, "action")
    return _spec(action, "action")


def _spec(box: gymnasium.spaces.Box, name: str) -> array_spec.ArraySpec:
    if box.dtype == bool:
        return array_spec.ArraySpec(box.shape, box.dtype, name)
    return array_spec.BoundedArraySpec(box.shape, box.dtype, box.low, box.high, name)


def specs(spaces: Spaces) -> tuple[time_step.TimeStep, Any]:
    """Returns the tensor specs of a time step and of an action."""
    found = (time_step.time_step_spec(observation_spec(spaces)), action_spec(spaces))
    return tensor_spec.from_spec(found)


class Policy(tf_policy.TFPolicy):
    """An agent as a TFPolicy: `policy_state` is the agent's state, its random numbers' seed included.

    An action is a function of time step and policy state alone; `seed` of `action` is not used.
    `distribution` returns the state that follows the action which `action` would have drawn: who draws another one
    writes it into `state['action']`.

    Args:
        learner: Any agent that acts in TensorFlow.
        mode: 'sample' or 'greedy'.
        seed: Of the initial state.
        with_info: Whether policy_info holds the state fields that the agent learns from.
    """

    def __init__(
        self,
        learner: Learner,
        mode: Mode = "greedy",
        seed: int = 0,
        with_info: bool = False,
    ) -> None:
        self._state_specs = {
            key: tensor_spec.TensorSpec(value.shape[1:], value.dtype, key)
            for key, value in _tensors(learner.initial_state(1)).items()
        }
        fields = (*learner.row_state, *learner.start_state)
        self._fields = fields if with_info else ()
        super().__init__(
            *specs(learner.spaces),
            policy_state_spec=self._state_specs,
            info_spec=self._info(self._state_specs),
            clip=False,  # actions are in their bounds
            automatic_state_reset=False,  # cells reset themselves; the seed must go on
            name=f"{learner.name or type(learner).__name__}_{mode}",
        )
        self._learner = _Untracked(learner)
        self._mode, self._seed = mode, seed
        self._keys = list(learner.spaces.observation)
        # Compiled, also where it is called eagerly: the same numbers as `agent.act` and a saved policy.
        self._choose = tf.function(learner.policy(mode), autograph=False)
        # Keras 3 layers are no tf.Modules: only raw variables are found, copied and saved.
        self._raw_variables = learner.raw_variables(learner.acting_names())

    def _get_initial_state(self, batch_size: Any) -> Any:
        state = self._learner.value.initial_state(batch_size, self._seed)
        return dict(_tensors(state))

    def _action(self, time_step: Any, policy_state: Any, seed: Any) -> Any:
        del seed
        action, state = self._choose(*self._inputs(time_step, policy_state))
        return policy_step.PolicyStep(action, dict(state), self._info(state))

    def _distribution(self, time_step: Any, policy_state: Any) -> Any:
        if self._mode == "greedy":
            from tensorflow_probability import distributions as tfd

            chosen = self._action(time_step, policy_state, None)
            return chosen._replace(action=tfd.Deterministic(chosen.action))
        distribution = self._learner.value.distribution()
        found, _, state = distribution(*self._inputs(time_step, policy_state))
        return policy_step.PolicyStep(found, dict(state), self._info(state))

    def _inputs(self, time_step: Any, policy_state: Any) -> tuple[Any, ...]:
        parts = by_key(self._keys, time_step.observation)
        return parts, time_step.reward, time_step.is_first(), dict(policy_state)

    def _info(self, state: Mapping[str, Any]) -> Any:
        return {key: state[key] for key in self._fields} if self._fields else ()


class TFAgent(tf_agent.TFAgent):
    """An agent as a TFAgent: `collect_policy` samples, `policy` is greedy, `train` makes one compiled update.

    `train` takes trajectories [B, window + 1]: the first frame only says what led to the second. A loss that is not
    finite comes back as such, and leaves the weights as they were. The agent's schedules follow the environment steps
    that its config allots to the updates made.

    Args:
        learner: Any agent that acts in TensorFlow.
        train_step_counter: Counts updates; a new variable when None.
        seed: Of the policies' initial states.
    """

    def __init__(
        self,
        learner: Learner,
        train_step_counter: tf.Variable | None = None,
        seed: int = 0,
    ) -> None:
        if train_step_counter is None:
            train_step_counter = tf.Variable(0, dtype=tf.int64, name="train_step")
        super().__init__(
            *specs(learner.spaces),
            Policy(learner, "greedy", seed),
            Policy(learner, "sample", seed, with_info=True),
            train_sequence_length=learner.window + 1,
            train_step_counter=train_step_counter,
        )
        self._learner = _Untracked(learner)
        # Replayed windows begin anywhere; the state is reset at their first row.
        self._replayed = isinstance(learner, OffPolicyAgent)
        self._raw_variables = learner.raw_variables(set(learner.variables()))

    def _train(self, experience: Any, weights: Any = None) -> tf_agent.LossInfo:
        if weights is not None:
            raise ValueError("weights came, but updates of the zoo's agents have none")
        keys = list(self._learner.value.spaces.observation)
        rows = rollout.from_trajectories(
            experience,
            by_key(keys, experience.observation),
            experience.policy_info or {},
        )
        if self._replayed:
            first = tf.ones_like(rows["is_first"][:1])
            rows["is_first"] = tf.concat([first, rows["is_first"][1:]], 0)
        for field in self._learner.value.start_state:
            rows[f"start/{field}"] = rows.pop(f"state/{field}")[0]
        length = rows["reward"].shape[0]
        if length != self._learner.value.window:
            raise ValueError(
                f"trajectories of {length + 1} frames came, but the agent trains on {self.train_sequence_length}: "
                "sample with num_steps=agent.train_sequence_length"
            )
        if tf.executing_eagerly():
            self._count(rows["reward"].shape[1])
            metrics = self._learner.value.update(rows)
        else:
            metrics = self._update_in_graph(rows)
        self.train_step_counter.assign_add(1)
        return tf_agent.LossInfo(metrics["loss"], metrics)

    def _count(self, batch: int) -> list[np.float32]:
        """Counts an update; returns the values of schedules before it."""
        learner: Learner = self._learner.value
        learner.env_steps = learner.env_steps_at(learner.updates, int(batch))
        learner.updates += 1
        return [np.float32(value) for value in learner.scheduled().values()]

    def _update_in_graph(self, rows: Mapping[str, Any]) -> Mapping[str, Any]:
        """Traces the update; counters and schedules, which live in Python, come by a callback that a trace keeps."""
        learner: Learner = self._learner.value
        names = list(learner.scheduled())
        batch = tf.shape(rows["reward"])[1]
        values = tf.numpy_function(self._count, [batch], [tf.float32] * len(names))
        scheduled = {
            name: tf.ensure_shape(value, ())
            for name, value in zip(names, values, strict=True)
        }
        return learner.update_step(rows, scheduled)


class _Untracked:
    """Holds what TensorFlow is not to look into for variables."""

    def __init__(self, value: Any) -> None:
        self.value = value


def by_key(keys: Sequence[str], parts: Any) -> dict[str, Any]:
    """Inverts `only_part`."""
    return {keys[0]: parts} if len(keys) == 1 else {key: parts[key] for key in keys}


def _tensors(state: State) -> dict[str, tf.Tensor]:
    return {key: tf.convert_to_tensor(value) for key, value in state.items()}


def make_dqn(
    observation: tf.TensorSpec, classes: int, config: Any, seed: int
) -> tuple[Any, Any]:
    """Builds TF-Agents' DqnAgent or CategoricalDqnAgent with its network and optimizer.

    Args:
        observation: The spec of what the network reads.
        classes: The number of actions.
        config: See `agents.tf_agents_dqn.config.DQNConfig`.
        seed: Seeds the weights.

    Returns:
        The agent, with its networks as the dict `networks` ('q' and 'target'), and the optimizer.
    """
    from tf_agents.agents.categorical_dqn import categorical_dqn_agent
    from tf_agents.agents.dqn import dqn_agent
    from tf_agents.networks import categorical_q_network, q_network
    from tf_agents.utils import common

    tf.keras.utils.set_random_seed(seed)
    action = tensor_spec.BoundedTensorSpec((), tf.int32, 0, classes - 1, "action")
    optimizer = _adam(config)
    sizes: dict[str, Any] = {
        "conv_layer_params": stock.conv_layers(observation.shape) or None,
        "fc_layer_params": (config.hidden,) * config.dense_layers,
    }
    shared = {
        "optimizer": optimizer,
        "target_update_period": config.target_every,
        "gamma": config.discount,
        "gradient_clipping": config.clip,
        "train_step_counter": tf.Variable(0, dtype=tf.int64),
    }
    steps = time_step.time_step_spec(observation)
    if config.algorithm == "c51":
        network = categorical_q_network.CategoricalQNetwork(
            observation, action, num_atoms=config.atoms, **sizes
        )
        agent = categorical_dqn_agent.CategoricalDqnAgent(
            steps,
            action,
            network,
            min_q_value=-config.highest,
            max_q_value=config.highest,
            **shared,
        )
    else:
        agent = dqn_agent.DqnAgent(
            steps,
            action,
            q_network.QNetwork(observation, action, **sizes),
            td_errors_loss_fn=common.element_wise_huber_loss,
            **shared,
        )
    agent.initialize()
    agent.networks = {"q": agent._q_network, "target": agent._target_q_network}
    optimizer.build(agent.networks["q"].trainable_variables)
    return agent, optimizer


def make_ppo(
    observation: tf.TensorSpec, spaces: Spaces, config: Any, seed: int
) -> tuple[Any, Any]:
    """Builds TF-Agents' PPOClipAgent with its networks and optimizer.

    Args:
        observation: The spec of what the networks read.
        spaces: Whose actions are chosen.
        config: See `agents.tf_agents_ppo.config.PPOConfig`.
        seed: Seeds the weights.

    Returns:
        The agent, with its networks as the dict `networks` ('actor' and 'value'), and the optimizer.
    """
    from tf_agents.agents.ppo import ppo_clip_agent
    from tf_agents.networks import actor_distribution_network, value_network

    tf.keras.utils.set_random_seed(seed)
    action = tensor_spec.from_spec(action_spec(spaces))
    sizes: dict[str, Any] = {
        "conv_layer_params": stock.conv_layers(observation.shape) or None,
        "fc_layer_params": (config.hidden,) * config.dense_layers,
        "activation_fn": tf.keras.activations.tanh,
    }
    networks = {
        "actor": actor_distribution_network.ActorDistributionNetwork(
            observation, action, seed=seed, **sizes
        ),
        "value": value_network.ValueNetwork(observation, **sizes),
    }
    optimizer = _adam(config)
    agent = ppo_clip_agent.PPOClipAgent(
        time_step.time_step_spec(observation),
        action,
        optimizer,
        networks["actor"],
        networks["value"],
        importance_ratio_clipping=config.ratio_clip,
        lambda_value=config.gae_lambda,
        discount_factor=config.discount,
        entropy_regularization=config.entropy_scale,
        num_epochs=config.epochs,
        use_gae=True,
        use_td_lambda_return=True,
        normalize_rewards=False,
        normalize_observations=False,
        gradient_clipping=config.clip,
        update_normalizers_in_train=False,
        aggregate_losses_across_replicas=False,
        train_step_counter=tf.Variable(0, dtype=tf.int64),
    )
    agent.initialize()
    agent.networks = networks
    weights = [part.trainable_variables for part in networks.values()]
    optimizer.build([weight for part in weights for weight in part])
    return agent, optimizer


def _adam(config: Any) -> Any:
    """Returns Keras 2's Adam, which makes no step on gradients that are not finite."""

    class FiniteAdam(tf.keras.optimizers.Adam):
        def apply_gradients(self, grads_and_vars: Any, **options: Any) -> Any:
            pairs = list(grads_and_vars)
            norm = tf.linalg.global_norm([gradient for gradient, _ in pairs])
            step = super().apply_gradients

            def apply() -> tf.Tensor:
                step(pairs, **options)
                return self.iterations.read_value()

            return tf.cond(tf.math.is_finite(norm), apply, self.iterations.read_value)

    return FiniteAdam(config.learning_rate, epsilon=config.adam_epsilon)


def first_step(observation: tf.Tensor, is_first: tf.Tensor) -> time_step.TimeStep:
    """Returns a time step [B] for a policy without memory."""
    batch = tf.shape(observation)[:1]
    kind = tf.where(is_first, time_step.StepType.FIRST, time_step.StepType.MID)
    return time_step.TimeStep(kind, tf.zeros(batch), tf.ones(batch), observation)


def greedy_action(agent: Any, observation: tf.Tensor) -> tf.Tensor:
    """Returns the actions [B] int32 that a TF-Agents agent takes for best."""
    nowhere = tf.zeros(tf.shape(observation)[:1], tf.bool)
    step = first_step(observation, nowhere)
    return tf.cast(agent.policy.action(step).action, tf.int32)


def to_trajectory(
    rows: Batch, observation: tf.Tensor, policy_info: Any = ()
) -> trajectory.Trajectory:
    """Shifts rows into TF-Agents' frames, each of which holds the action that follows it.

    A step that begins an episode after one that did not end, a cut, is joined to nothing: the frame before it is LAST.

    Args:
        rows: Key -> [T, B, ...].
        observation: [T, B, ...], as the agent reads it.
        policy_info: Field -> [T - 1, B, ...], of the frames' actions.

    Returns:
        Frames [B, T, ...]; what follows the last is not known, so its action, reward and info are those before.
    """
    moved = rollout.to_transitions(rows)
    kinds = np.array([time_step.StepType.MID, time_step.StepType.LAST])
    is_last = rows["is_last"] | tf.concat(
        [moved.mask == 0, tf.zeros_like(rows["is_last"][:1])], 0
    )
    kind = tf.gather(kinds, tf.cast(is_last, tf.int32))
    kind = tf.where(rows["is_first"] & ~is_last, time_step.StepType.FIRST, kind)

    def padded(value: tf.Tensor) -> tf.Tensor:
        return tf.concat([value, value[-1:]], 0)

    frames = trajectory.Trajectory(
        step_type=kind,
        observation=observation,
        action=padded(moved.action),
        policy_info=tf.nest.map_structure(padded, policy_info),
        next_step_type=padded(kind[1:]),
        reward=padded(moved.reward),
        discount=padded(moved.discount),
    )
    return tf.nest.map_structure(rollout.swap_time, frames)
