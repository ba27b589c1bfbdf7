"""Policies as SavedModels: any agent's, for processes that have TensorFlow and nothing else."""

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from agents import export_folder, score
from agents.api import Tree
from agents.learner import Learner
from agents.version import VERSION

MODES = ("greedy", "sample")


class Names(NamedTuple):
    """What a SavedModel calls the parts of a step and of a state.

    Attributes:
        observation: Key -> name.
        state: Key -> name.
    """

    observation: dict[str, str]
    state: dict[str, str]


def export(
    agent: Learner,
    folder: str | os.PathLike[str],
    card: Mapping[str, Any] | None = None,
    jit_compile: bool = False,
    untrained: bool = False,
) -> None:
    """Writes a SavedModel with the signatures `greedy`, `sample` and `initial_state`, and card.json beside it.

    greedy, sample: observation_KEY…, reward, is_first, state_KEY… -> action, state_KEY…, for any batch size
    initial_state:  batch, seed (scalars) -> state_KEY…

    The state is that of `agent.act`, its seed included, so that both signatures give bit for bit what `act` gives
    at the same batch size.

    Args:
        agent: Any agent that learns.
        folder: Made here; an earlier export is replaced, once the new one is whole.
        card: What else card.json is to hold.
        jit_compile: Compile the signatures with XLA, where they are loaded.
        untrained: Take an agent that made no update too, to try a pipeline or to measure.

    Raises:
        ValueError: If the agent was never trained or loaded, so that it acts at random; or if the folder holds
            something else than an earlier export.
        OSError: If it cannot be written.
    """
    if not agent.updates and not untrained:
        raise ValueError(
            f"this {agent.name or 'agent'} made no update yet: its policy acts at random. Train it first, or "
            "agents.load() one that was; untrained=True exports it all the same, to try a pipeline"
        )
    names = name_parts(agent)
    module = tf.Module()
    # Keras layers are no tf.Modules: only raw variables are found and saved.
    module.variables_of_policy = agent.raw_variables(agent.acting_names())
    signatures = {
        mode: _concrete(agent, mode, names, jit_compile) for mode in MODES
    } | {"initial_state": _initial_state(agent, names)}
    for name, function in signatures.items():
        setattr(module, name, function)
    content = describe(agent, names) | dict(card or {})
    with export_folder.replacing(folder) as draft:
        try:
            tf.saved_model.save(module, str(draft), signatures)
        except tf.errors.OpError as error:  # of its file system
            raise OSError(error.message) from error
        text = json.dumps(content, indent=2) + "\n"
        (draft / export_folder.CARD).write_text(text)


def name_parts(agent: Learner) -> Names:
    """Returns the names of inputs; keys become words of letters, digits and underscores.

    Raises:
        ValueError: If two keys become the same word.
    """
    parts = (agent.spaces.observation, agent.initial_state(1))
    found = []
    for prefix, keys in zip(("observation", "state"), parts, strict=True):
        words = {key: f"{prefix}_{re.sub('[^A-Za-z0-9_]', '_', key)}" for key in keys}
        if len(set(words.values())) < len(words):
            raise ValueError(f"two keys of {prefix} read the same: {sorted(words)}")
        found.append(words)
    return Names(*found)


def describe(agent: Learner, names: Names) -> Tree:
    """Returns what the card says of the agent and of the signatures."""
    specs = _specs(agent, names)
    return {
        "zoo": VERSION,
        "agent": agent.name,
        "env_steps": agent.env_steps,
        "updates": agent.updates,
        "spaces": agent.spaces.to_json(),
        "inputs": {
            name: {"shape": [None, *spec.shape[1:]], "dtype": spec.dtype.name}
            for name, spec in specs.items()
        },
        "observation": names.observation,
        "state": names.state,
        "tested_with": score.versions(),
    }


def _specs(agent: Learner, names: Names) -> dict[str, tf.TensorSpec]:
    """The named inputs of `greedy` and `sample`."""
    specs = {
        names.observation[key]: tf.TensorSpec(
            (None, *box.shape), np.dtype(box.dtype).name, names.observation[key]
        )
        for key, box in agent.spaces.observation.items()
    }
    specs["reward"] = tf.TensorSpec((None,), tf.float32, "reward")
    specs["is_first"] = tf.TensorSpec((None,), tf.bool, "is_first")
    for key, value in agent.initial_state(1).items():
        value = tf.convert_to_tensor(value)
        name = names.state[key]
        specs[name] = tf.TensorSpec((None, *value.shape[1:]), value.dtype, name)
    return specs


def _concrete(agent: Learner, mode: str, names: Names, jit_compile: bool) -> Any:
    policy: Callable[..., Any] = agent.policy(mode)  # type: ignore[arg-type]

    def run(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        observation = {key: inputs[name] for key, name in names.observation.items()}
        state = {key: inputs[name] for key, name in names.state.items()}
        action, state = policy(observation, inputs["reward"], inputs["is_first"], state)
        return {"action": action} | _named(state, names)

    compiled = tf.function(run, autograph=False, jit_compile=jit_compile or None)
    return compiled.get_concrete_function(**_specs(agent, names))


def _initial_state(agent: Learner, names: Names) -> Any:
    def run(batch: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return _named(agent.initial_state(batch, seed), names)

    scalar = (tf.TensorSpec((), tf.int32, n) for n in ("batch", "seed"))
    return tf.function(run, autograph=False).get_concrete_function(*scalar)


def _named(state: Mapping[str, Any], names: Names) -> dict[str, tf.Tensor]:
    return {names.state[key]: tf.identity(value) for key, value in state.items()}
