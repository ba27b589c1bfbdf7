"""The full replay of an Atari run: 2,000,000 steps."""

import resource

import numpy as np
import pytest

from agents.replay import Replay

SPEC = {
    "observation/image": ((64, 64, 1), "uint8"),
    "action": ((), "int32"),
    "reward": ((), "float32"),
    "discount": ((), "float32"),
    "is_first": ((), "bool"),
    "is_last": ((), "bool"),
}
STREAMS, STEPS = 8, 2_000_000


def resident_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_million_atari_steps_take_9_gb_of_disk_and_little_memory(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (64, STREAMS, 64, 64, 1), np.uint8)
    zero = np.zeros(STREAMS, np.float32)
    before = resident_bytes()
    replay = Replay(tmp_path, SPEC, STREAMS, STEPS, 50)
    for i in range(STEPS // STREAMS):
        first = np.full(STREAMS, i % 900 == 0)
        row = {"observation/image": images[i % 64], "action": zero.astype(np.int32)}
        row |= {"reward": zero, "discount": zero + 1, "is_first": first}
        replay.add(row | {"is_last": ~first & first})
    for i in range(500):
        replay.sample((0, i), 16)
    assert replay.num_rows >= 0.99 * STEPS
    assert replay.disk_bytes <= 9e9
    assert resident_bytes() - before < 1e9
    print(
        f"disk {replay.disk_bytes / 1e9:.2f} GB, memory {(resident_bytes() - before) / 1e6:.0f} MB"
    )
