"""Small agents, random rows and NumPy twins that the tests of DreamerV2 share."""

import numpy as np
import tensorflow as tf
from gymnasium.spaces import Box, Discrete

from agents import registry
from agents.api import Spaces, Step

IMAGE = Box(0, 255, (6, 6, 3), np.uint8)
ATARI = Box(0, 255, (64, 64, 1), np.uint8)
VECTOR = Box(-np.inf, np.inf, (3,), np.float32)
BITS = Box(0, 1, (2,), bool)
THREE = Discrete(3)
TWO_AXES = Box(-1.0, 1.0, (2,), np.float32)
MIXED = {"image": IMAGE, "vector": VECTOR, "bits": BITS}
HALF_LOG_2PI = 0.9189385


def make(observation=None, action=THREE, preset="debug", seed=0, **overrides):
    """Builds a tiny agent that sees an image, a vector and two bits unless told otherwise."""
    return registry.make(
        "dreamerv2", Spaces(observation or MIXED, action), preset, seed, **overrides
    )


def rows(agent, batch=3, seed=0, length=None):
    """Random rows [T, B, ...]: a first row at 0 and in mid-window, a terminal and a truncated end."""
    rng = np.random.default_rng(seed)
    shape = (length or agent.config.batch_length, batch)
    made = {
        f"observation/{key}": _observations(rng, shape, box)
        for key, box in agent.spaces.observation.items()
    }
    action = agent.spaces.action
    made["action"] = (
        rng.integers(action.n, size=shape).astype(np.int32)
        if isinstance(action, Discrete)
        else rng.uniform(-1, 1, (*shape, *action.shape)).astype(np.float32)
    )
    made["reward"] = rng.normal(size=shape).astype(np.float32)
    made["discount"] = np.ones(shape, np.float32)
    made["is_first"] = np.zeros(shape, bool)
    made["is_last"] = np.zeros(shape, bool)
    made["is_first"][0] = made["is_first"][3, :2] = True
    made["is_last"][2, :2] = True
    made["discount"][2, 0] = 0.0  # row 0 terminated there, row 1 was truncated
    return made


def _observations(rng, shape, box):
    if box.dtype == np.uint8:
        return rng.integers(0, 256, (*shape, *box.shape)).astype(np.uint8)
    if box.dtype == bool:
        return rng.random((*shape, *box.shape)) < 0.5
    return rng.normal(size=(*shape, *box.shape)).astype(np.float32)


def sequence(agent, batch):
    """The rows as the world model reads them."""
    return agent._sequence({key: tf.constant(value) for key, value in batch.items()})


def eager_update(agent, batch):
    """One update without tracing, which costs seconds; the metrics as floats."""
    compiled = agent._update
    agent._update = lambda rows, scheduled: agent._update_step(
        {key: tf.constant(value) for key, value in rows.items()}, scheduled
    )
    try:
        return {key: float(value) for key, value in agent.update(batch).items()}
    finally:
        agent._update = compiled


def noises(agent, length, batch, seed=1):
    """Noise of the latent samples [T, B, ...]."""
    return agent.world.noise((length, batch), tf.constant([seed, 0]))


def posterior(agent, batch, seed=1):
    """The posterior states [T, B, ...] and prior parameters of the rows."""
    length, number = batch["reward"].shape
    return agent.world.infer(
        sequence(agent, batch), noises(agent, length, number, seed)
    )


def step(batch, t):
    """The rows at one time as a Step that arrives."""
    prefix = "observation/"
    observation = {
        key.removeprefix(prefix): value[t]
        for key, value in batch.items()
        if key.startswith(prefix)
    }
    fields = ("action", "reward", "discount", "is_first", "is_last")
    return Step(observation, *(batch[field][t] for field in fields))


def softmax(logits):
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))
