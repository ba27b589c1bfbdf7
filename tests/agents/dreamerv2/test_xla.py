import gymnasium
import numpy as np
import pytest
import tensorflow as tf

import agents
from envs.api import Spaces


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_update_compiled_by_xla_gives_the_metrics_of_the_plain_one():
    rng, shape = np.random.default_rng(0), (8, 4)
    image = gymnasium.spaces.Box(0, 255, (10, 10, 1), np.uint8)
    spaces = Spaces({"image": image}, gymnasium.spaces.Discrete(6))
    batch = {
        "observation/image": rng.integers(0, 256, (*shape, 10, 10, 1), np.uint8),
        "action": rng.integers(0, 6, shape, np.int32),
        "reward": rng.normal(size=shape).astype(np.float32),
        "discount": np.ones(shape, np.float32),
        "is_first": np.zeros(shape, bool),
    }
    plain, compiled = (
        update_without_noise(spaces, batch, jit) for jit in (False, True)
    )
    for key, value in plain.items():
        np.testing.assert_allclose(
            compiled[key], value, rtol=1e-4, atol=1e-5, err_msg=key
        )


def update_without_noise(spaces, batch, jit_compile):
    """One update with zero noise: XLA's Philox draws other numbers than the plain kernels from the same seed."""
    agent = agents.make("dreamerv2", spaces, "debug", jit_compile=jit_compile)
    cell, head = agent.world.cell, agent.behavior.actor.head
    cell.noise = lambda shape, seed: tf.zeros(cell.noise_shape(shape))
    head.noise = lambda shape, seed: tf.zeros(head.noise_shape(shape))
    return agent.update(batch)
