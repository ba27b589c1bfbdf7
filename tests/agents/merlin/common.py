"""Small agents and random windows that the tests of MERLIN share."""

import numpy as np
import tensorflow as tf
from gymnasium.spaces import Box, Discrete

from agents import registry
from agents.api import Spaces, Step

AGENTS = ("merlin", "rl_mem", "rl_lstm")
IMAGE = Box(0, 255, (6, 6, 3), np.uint8)
BOARD = Box(0, 1, (3, 3, 5), np.bool_)
LARGE = Box(0, 255, (64, 64, 3), np.uint8)
VECTOR = Box(-np.inf, np.inf, (3,), np.float32)
CODES = Box(0.0, 1.0, (5,), np.float32)
BITS = Box(0, 1, (2,), bool)
MIXED = {
    "image": IMAGE,
    "board": BOARD,
    "vector": VECTOR,
    "codes": CODES,
    "bits": BITS,
}
FACTORS = {"codes": (2, 3), "board": (4, 1)}
THREE = Discrete(3)
WINDOW = 6  # rows of the debug preset: 5 transitions


def spaces(observation=None):
    observation = observation or MIXED
    factors = {key: value for key, value in FACTORS.items() if key in observation}
    return Spaces(observation, THREE, factors=factors)


def make(agent="merlin", observation=None, seed=0, preset="debug", **overrides):
    """Builds a tiny agent that sees a picture, a board of classes, a vector, codes and bits unless told otherwise."""
    return registry.make(
        "merlin", spaces(observation), preset, seed, agent=agent, **overrides
    )


def rows(agent, batch=3, seed=0, length=WINDOW):
    """A random window: environment 0 terminates after row 2, 1 is cut there, others go on; with the state before."""
    rng = np.random.default_rng(seed)
    shape = (length, batch)
    made = {
        f"observation/{key}": observations(rng, shape, key, box)
        for key, box in agent.spaces.observation.items()
    }
    made["action"] = rng.integers(3, size=shape).astype(np.int32)
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
    return made | {f"start/{key}": value for key, value in start(agent, batch).items()}


def observations(rng, shape, key, box):
    if key in FACTORS:
        codes = [
            np.eye(n)[rng.integers(n, size=(*shape, *box.shape[:-1]))]
            for n in FACTORS[key]
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
            key: observations(rng, (batch,), key, box)
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


def softmax(logits):
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)
