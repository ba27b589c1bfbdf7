"""The episode and what went on in the memory, side by side."""

import numpy as np
import pytest

from agents.merlin import report
from agents.watching import Watched
from tests.agents.merlin import common


def watched(length, drawn=True):
    agent = common.make(observation={"vector": common.VECTOR})
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(6), (length, 2))
    inner = {
        "reads": weights,
        "policy_reads": weights[:, :1],
        "written": np.eye(6)[np.arange(length) % 6],
        "usage": weights[:, 0],
        "policy": rng.dirichlet(np.ones(3), length),
        "value": rng.normal(size=length),
        "kl": rng.uniform(size=length),
        "decoded/vector": rng.normal(size=(length, 3)),
    }
    numbers = np.broadcast_to(np.arange(length)[:, None, None, None], (length, 4, 4, 3))
    frames = (numbers % 256).astype(np.uint8) if drawn else None
    seen = {"vector": rng.normal(size=(length, 3))}
    action, reward = rng.integers(3, size=length), rng.normal(size=length)
    episode = Watched(frames, seen, action, reward, True, inner)
    return report.show(episode, agent.spaces, agent.config)


@pytest.mark.parametrize(("length", "shown"), [(5, 5), (200, 200), (1000, 200)])
def test_a_long_episode_is_shown_by_every_kth_step_and_its_last(length, shown):
    made = watched(length)
    video, picture = made.videos["memory"], made.pictures["memory"]
    assert video.dtype == np.uint8 and len(video) == shown
    assert video.shape[1] == max(420, picture.shape[0])
    side = video.shape[2] - picture.shape[1]
    assert side == 420
    every = length // shown
    steps = np.arange(every - 1, length, every)
    np.testing.assert_array_equal(video[:, 0, 0, 0], steps % 256)
    changed = (video[:, : picture.shape[0], side:] != picture).any((1, 3))
    lines = [np.flatnonzero(columns) for columns in changed]
    assert all(1 <= len(line) <= 2 for line in lines)
    places = [line[0] for line in lines]
    assert places == sorted(places) and places[0] < places[-1]


def test_an_episode_that_nothing_draws_is_shown_by_its_panels():
    made = watched(4, drawn=False)
    assert made.videos["memory"].shape[1:] == made.pictures["memory"].shape
