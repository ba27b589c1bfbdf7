"""Random rows of the shapes that an agent learns from, for benchmarks."""

from typing import Any

import numpy as np


def batch_of(agent: Any, rows: int) -> dict[str, Any]:
    """Random rows of the agent's own signature, in the middle of long episodes."""
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for key, spec in agent.batch_signature().items():
        shape = [n or rows for n in spec.shape]
        kind = spec.dtype.as_numpy_dtype
        if key.startswith("start/"):
            found[key] = np.zeros(shape, kind)
        elif key.startswith("observation/") and kind == np.uint8:
            found[key] = rng.integers(0, 256, shape, np.uint8)
        elif kind == np.float32:
            found[key] = rng.uniform(size=shape).astype(np.float32)
        else:
            found[key] = np.zeros(shape, kind)
    return found


def step_of(batch: dict[str, Any]) -> Any:
    """Returns the first rows of a batch as a Step that arrives."""
    from envs.api import Step

    keys = [key for key in batch if key.startswith("observation/")]
    observation = {key.partition("/")[2]: batch[key][0] for key in keys}
    nothing = np.zeros(batch["reward"].shape[1], np.float32)
    never = nothing > 0
    return Step(observation, batch["action"][0], nothing, nothing + 1, never, never)
