"""Uniform actions, for filling a replay."""

import gymnasium
import numpy as np

from agents.api import State
from envs.api import Action


def act(space: Action, state: State) -> tuple[np.ndarray, State]:
    """Draws uniform actions for all rows: a pure function of the seed of row 0, which is advanced.

    Args:
        space: The action space of a row.
        state: The agent's state; only `seed` [B, 2] is read.

    Returns:
        Actions [B] or [B, n], and the state with the new `action` and `seed`.
    """
    seed = np.asarray(state["seed"])
    rng = np.random.Generator(np.random.Philox(key=seed[0].astype(np.uint32)))
    batch = len(seed)
    if isinstance(space, gymnasium.spaces.Discrete):
        action = rng.integers(int(space.n), size=batch, dtype=np.int32)
    elif isinstance(space, gymnasium.spaces.MultiDiscrete):
        size = (batch, len(space.nvec))
        action = rng.integers(space.nvec, size=size).astype(np.int32)
    else:
        shape = (batch, *space.shape)
        action = rng.uniform(-1.0, 1.0, shape).astype(np.float32)
    advanced = seed + np.array([0, 2], np.int32)
    return action, {**state, "action": action, "seed": advanced}
