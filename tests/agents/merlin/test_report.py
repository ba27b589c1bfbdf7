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


@pytest.mark.parametrize("terminated", [True, False])
def test_the_last_value_stands_for_what_a_cut_episode_did_not_show(terminated):
    value = np.array([3.0, 1.0, 5.0, 8.0])
    reward = np.array([0.0, 1.0, -2.0, 4.0])
    seen = Watched(None, {}, np.zeros(4), reward, terminated, {"value": value})
    last = 0.0 if terminated else 8.0
    later = 4 + 0.5 * last
    want = [1 + 0.5 * (-2 + 0.5 * later), -2 + 0.5 * later, later, last]
    np.testing.assert_allclose(report._returns(seen, 0.5), want)


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


def test_the_error_of_the_value_is_smaller_where_a_cut_episode_is_not_taken_as_ended():
    """An agent that knows the return of an endless episode is not blamed for the end of the picture."""
    agent = common.make(observation={"vector": common.VECTOR}, discount=0.5)
    ones = np.ones(4)
    inner = {"policy": np.full((4, 3), 1 / 3), "value": 2 * ones}
    made = [
        report.show(
            Watched(None, {}, 0 * ones, ones, terminated, inner),
            agent.spaces,
            agent.config,
        )
        for terminated in (True, False)
    ]
    ended, cut = (each.scalars["watched_value_error"] for each in made)
    np.testing.assert_allclose(cut, 0)
    np.testing.assert_allclose(ended, (1 / 4 + 1 / 2 + 1) / 3)
