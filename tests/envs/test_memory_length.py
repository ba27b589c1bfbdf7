"""Memory length, the T-maze."""

from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from envs.memory_length import MemoryLength


def play(env: MemoryLength, seed: int | None, actions: Any) -> list[tuple]:
    """Returns (observation, reward, terminated) of the reset and of every step."""
    rows = [(env.reset(seed=seed)[0], 0.0, False)]
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        assert not truncated
        rows.append((observation, reward, terminated))
    return rows


@pytest.mark.parametrize("distractors", [0, 8])
@pytest.mark.parametrize("length", [10, 20, 40, 80])
def test_every_length_is_registered_and_passes_gymnasiums_own_checker(
    length: int, distractors: int, recwarn: object
) -> None:
    check_env(MemoryLength(length, distractors, render_mode="rgb_array"))
    name = f"zoo:MemoryLength{length}{'Distractors' if distractors else ''}-v0"
    env = envs.make(name)
    step, steps = env.reset(0), 0
    while not step.is_last[0]:
        step, steps = env.step(np.array([0])), steps + 1
    assert steps == length and step.discount[0] == 0
    shapes = {key: box.shape for key, box in env.spaces.observation.items()}
    bits = {"distractors": (distractors,)} if distractors else {}
    assert shapes == {"cue": (3,), "clock": (1,), "junction": (2,)} | bits
    assert env.spaces.factors == {"cue": (3,), "junction": (2,)}


@pytest.mark.parametrize("length", [2, 3, 17])
def test_the_cue_is_shown_once_and_the_junction_when_the_answer_is_asked(
    length: int,
) -> None:
    for seed in range(6):
        rows = play(MemoryLength(length), seed, [seed % 2] * length)
        seen = [observation for observation, _, _ in rows]
        cues = [int(each["cue"]) for each in seen]
        assert cues[0] in (1, 2) and not any(cues[1:])
        junctions = [int(each["junction"]) for each in seen]
        assert junctions == [0] * (length - 1) + [1, 0]
        clocks = [each["clock"][0] for each in seen]
        want = [*np.arange(length) / (length - 1), 1]
        np.testing.assert_allclose(clocks, want, rtol=1e-6)
        assert [ended for _, _, ended in rows] == [False] * length + [True]
        answer = 1 if seed % 2 == cues[0] - 1 else -1
        assert [reward for _, reward, _ in rows] == [0] * length + [answer]


def test_only_the_action_at_the_junction_counts_and_the_cues_word_is_the_right_one() -> (
    None
):
    env, rng = MemoryLength(5), np.random.default_rng(0)
    for seed in range(40):
        cue = int(env.reset(seed=seed)[0]["cue"])
        actions = [*rng.integers(0, 2, 4), cue - 1]
        assert play(env, seed, actions)[-1][1] == 1
        actions[-1] = 2 - cue
        assert play(env, seed, actions)[-1][1] == -1


def test_both_cues_are_as_likely_and_no_answer_without_memory_gains() -> None:
    env, rng = MemoryLength(2), np.random.default_rng(0)
    env.reset(seed=0)
    cues, returns = [], []
    for _ in range(2000):
        rows = play(env, None, rng.integers(0, 2, 2))
        cues.append(rows[0][0]["cue"])
        returns.append(rows[-1][1])
    assert abs(np.mean(cues) - 1.5) < 4 * 0.5 / np.sqrt(2000)
    assert abs(np.mean(returns)) < 4 / np.sqrt(2000)


def test_distractors_are_fresh_fair_bits_and_leave_the_cue_and_the_seed_alone() -> None:
    env = MemoryLength(400, distractors=8)
    rows = play(env, 1, [0] * 400)
    again = play(env, 1, [1] * 400)
    bits = np.stack([observation["distractors"] for observation, _, _ in rows])
    other = np.stack([observation["distractors"] for observation, _, _ in again])
    np.testing.assert_array_equal(bits, other)
    assert bits.shape == (401, 8) and set(np.unique(bits)) == {0, 1}
    assert np.abs(bits.mean(0) - 0.5).max() < 4 * 0.5 / np.sqrt(401)
    follows = (bits[1:] == bits[:-1]).mean(0)
    assert np.abs(follows - 0.5).max() < 4 * 0.5 / np.sqrt(400)
    for seed in range(20):
        plain = MemoryLength(5).reset(seed=seed)[0]["cue"]
        assert plain == MemoryLength(5, distractors=3).reset(seed=seed)[0]["cue"]


def test_the_picture_shows_cue_walker_and_answer() -> None:
    env = MemoryLength(9, distractors=3, render_mode="rgb_array")
    cues = {}
    for seed in range(8):
        cue = env.reset(seed=seed)[0]["cue"]
        cues[int(cue)] = env.render()
    up, down = cues[1].astype(int), cues[2].astype(int)
    assert up.shape == (160, 480, 3) and cues[1].dtype == np.uint8
    orange = (up[..., 0] > 200, down[..., 0] > 200)
    assert orange[0][:80].any() and not orange[0][80:].any()
    assert orange[1][80:].any() and not orange[1][:80].any()
    places, pictures = [], []
    for _ in range(9):
        env.step(0)
        pictures.append(env.render())
        walker = (pictures[-1] == (90, 200, 250)).all(-1)
        places.append(np.argwhere(walker).mean(0))
    across = [place[1] for place in places]
    assert across[:8] == sorted(across[:8]) and across[7] == across[8]
    assert places[-1][0] < places[-2][0]
    assert MemoryLength().render() is None


@pytest.mark.parametrize("arguments", [{"length": 1}, {"distractors": -1}])
def test_a_corridor_that_cannot_be_is_refused(arguments: dict) -> None:
    with pytest.raises(ValueError, match=r"came, but a length of at least 2"):
        MemoryLength(**arguments)


def test_actions_have_words() -> None:
    assert envs.describe("zoo:MemoryLength10-v0")["action_meanings"] == ["up", "down"]
