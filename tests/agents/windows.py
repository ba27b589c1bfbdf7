"""Random windows of agents that learn from their own latest steps."""

import numpy as np
import tensorflow as tf
from gymnasium.spaces import Box, MultiDiscrete

from agents.api import Step

WINDOW = 6  # rows of the debug presets: 5 transitions


def rows(agent, batch=3, seed=0, length=WINDOW):
    """A random window: environment 0 terminates after row 2, 1 is cut there, others go on; with the state before."""
    rng = np.random.default_rng(seed)
    shape = (length, batch)
    made = {
        f"observation/{key}": observations(
            rng, shape, box, agent.spaces.factors.get(key)
        )
        for key, box in agent.spaces.observation.items()
    }
    made["action"] = actions(rng, shape, agent.spaces.action)
    made["reward"] = rng.normal(size=shape).astype(np.float32)
    made["discount"] = np.ones(shape, np.float32)
    made["is_first"] = np.zeros(shape, bool)
    made["is_last"] = np.zeros(shape, bool)
    if length > 3:
        made["is_first"][3, :2] = True
        made["is_last"][2, :2] = True
        made["discount"][2, 0] = 0.0
    made["action"][made["is_first"]] = 0
    made["reward"][made["is_first"]] = 0
    steps = np.arange(length)[:, None, None] * [0, 2]
    made["state/seed"] = np.tile([[[seed, 0]]], (length, batch, 1)) + steps
    made["state/seed"] = made["state/seed"].astype(np.int32)
    if "log_prob" in agent.row_state:
        made["state/log_prob"] = rng.normal(-1, 0.3, shape).astype(np.float32)
    return made | {f"start/{key}": value for key, value in start(agent, batch).items()}


def actions(rng, shape, space):
    if isinstance(space, Box):
        return rng.uniform(-0.9, 0.9, (*shape, *space.shape)).astype(np.float32)
    if isinstance(space, MultiDiscrete):
        size = (*shape, len(space.nvec))
        return rng.integers(space.nvec, size=size).astype(np.int32)
    return rng.integers(space.n, size=shape).astype(np.int32)


def observations(rng, shape, box, factors=None):
    if factors:
        codes = [
            np.eye(n)[rng.integers(n, size=(*shape, *box.shape[:-1]))] for n in factors
        ]
        return np.concatenate(codes, -1).astype(box.dtype)
    if box.dtype == np.uint8:
        return rng.integers(0, 256, (*shape, *box.shape)).astype(np.uint8)
    if box.dtype == bool:
        return rng.random((*shape, *box.shape)) < 0.5
    return rng.normal(size=(*shape, *box.shape)).astype(np.float32)


def start(agent, batch, steps=4, seed=9):
    """The state of the core after some steps of acting on other rows."""
    state = agent.initial_state(batch, seed)
    rng = np.random.default_rng(seed)
    for t in range(steps):
        seen = {
            key: observations(rng, (batch,), box, agent.spaces.factors.get(key))
            for key, box in agent.spaces.observation.items()
        }
        first = np.full(batch, t == 0)
        none = np.zeros(batch, np.float32)
        arriving = Step(seen, None, none, none + 1, first, ~first)
        _, state = agent.act(arriving, state)
    return {key: np.asarray(state[key]) for key in agent.start_state}


def step(window, t):
    """The rows at one time as a Step that arrives."""
    prefix = "observation/"
    observation = {
        key.removeprefix(prefix): value[t]
        for key, value in window.items()
        if key.startswith(prefix)
    }
    fields = ("action", "reward", "discount", "is_first", "is_last")
    return Step(observation, *(window[field][t] for field in fields))


def tensors(window):
    return {key: tf.constant(value) for key, value in window.items()}
