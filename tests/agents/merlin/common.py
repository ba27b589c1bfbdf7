"""Small agents and random windows that the tests of MERLIN share."""

import numpy as np
from gymnasium.spaces import Box, Discrete

from agents import registry
from agents.api import Spaces
from tests.agents.windows import rows, start, step, tensors

__all__ = ["rows", "start", "step", "tensors"]  # beside what is here

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


def spaces(observation=None):
    observation = observation or MIXED
    factors = {key: value for key, value in FACTORS.items() if key in observation}
    return Spaces(observation, THREE, factors=factors)


def make(agent="merlin", observation=None, seed=0, preset="debug", **overrides):
    """Builds a tiny agent that sees a picture, a board of classes, a vector, codes and bits unless told otherwise."""
    return registry.make(
        "merlin", spaces(observation), preset, seed, agent=agent, **overrides
    )


def shaken(agent, seed=0, size=0.3):
    """The agent with noise on all its weights, so that none begins as zero."""
    rng = np.random.default_rng(seed)
    for module in agent.modules().values():
        for variable in module.trainable_variables:
            variable.assign_add(size * rng.normal(size=variable.shape))
    return agent


def softmax(logits):
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)
