"""Watching an agent: the episode, what went on inside it, and the pictures of it."""

import numpy as np
import pytest

import agents
import envs
from agents import driver, training, watching
from tests.agents.dummies import StatelessDummy

KINDS = ("merlin", "rl_mem", "rl_lstm")


@pytest.fixture(scope="module")
def catch():
    made = envs.make("zoo:Catch-v0", 2)
    yield made
    made.close()


@pytest.fixture(scope="module")
def watched(catch):
    found = {}
    for kind in KINDS:
        agent = agents.make("merlin", catch.spaces, preset="debug", agent=kind)
        found[kind] = agent, watching.watch(agent, catch, seed=3)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_it_plays_the_episode_that_the_agent_plays_unwatched(catch, watched, kind):
    agent, seen = watched[kind]
    rows = []
    for event in driver.run(agent, catch, seed=3, mode="greedy", learn=False):
        rows.append(event.step)
        if event.step.is_last[0]:
            break
    assert len(rows) == len(seen.reward) == 10
    for t, step in enumerate(rows):
        np.testing.assert_array_equal(
            seen.observation["image"][t], step.observation["image"][0]
        )
        assert seen.reward[t] == step.reward[0]
        if t:
            assert seen.action[t - 1] == step.action[0]
    assert seen.terminated
    assert seen.frames.shape[0] == 10 and seen.frames.dtype == np.uint8


def test_returns_are_the_discounted_sums_of_what_followed():
    reward = np.array([0.0, 1.0, -2.0, 4.0])
    seen = watching.Watched(None, {}, np.zeros(4), reward, True, {})
    np.testing.assert_allclose(seen.returns(0.5), [1 - 1 + 1, -2 + 2, 4, 0])


def test_what_merlin_reads_and_writes_is_seen(watched):
    _, seen = watched["merlin"]
    inner = seen.inner
    assert inner["reads"].shape == (10, 3, 6)
    assert inner["policy_reads"].shape == (10, 1, 6)
    for name in ("reads", "policy_reads", "policy"):
        np.testing.assert_allclose(inner[name].sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(inner["written"][:6], np.eye(6))
    grown = np.diff(inner["usage"][:6], axis=0).sum(-1)
    np.testing.assert_allclose(grown, 3, rtol=1e-5)  # three heads
    assert inner["decoded/image"].shape == (10, 10, 5, 1)
    assert (inner["kl"] >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_and_a_video_as_long_as_the_episode_are_drawn(watched, kind):
    agent, seen = watched[kind]
    report = agent.show(seen)
    picture, frames = report.pictures["memory"], report.videos["memory"]
    assert picture.ndim == 3 and picture.dtype == np.uint8
    assert len(frames) == 10 and frames.shape[2] > picture.shape[1]
    moved = [np.any(frames[t] != frames[t + 1]) for t in range(9)]
    assert all(moved)
    np.testing.assert_allclose(report.scalars["watched_return"], seen.reward.sum())
    assert report.scalars["watched_value_error"] >= 0


def test_a_long_episode_is_cut(watched, catch):
    agent, _ = watched["rl_lstm"]
    seen = watching.watch(agent, catch, seed=3, longest=4)
    assert len(seen.reward) == 4 and not seen.terminated


def test_an_agent_without_an_inside_is_refused():
    made = envs.make("zoo:Counting-v0", 1)
    agent = StatelessDummy(made.spaces)
    agent.name = "stateless"
    with pytest.raises(ValueError, match="inside of stateless"):
        watching.watch(agent, made, seed=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    logdir = tmp_path_factory.mktemp("run")
    chosen = training.settings(
        "merlin", preset="debug", env="zoo:Catch-v0", logdir=str(logdir)
    )
    training.train(chosen).close()
    return logdir


def test_a_run_has_pictures_and_videos_of_the_inside(run):
    assert len(list((run / "pictures").glob("memory-*.png"))) >= 1
    assert len(list((run / "videos").glob("memory-*"))) >= 1
