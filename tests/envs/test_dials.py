"""Dials: as many choices at once as there are dials."""

import numpy as np
import pytest

import envs
from envs.dials import ASKED, RIGHT, WRONG, Dials


def test_the_reward_is_the_share_of_dials_turned_as_asked() -> None:
    env = Dials(dials=5, positions=4)
    asked, _ = env.reset(seed=3)
    for wrong in (0, 2, 5, 1):
        action = asked.copy()
        action[:wrong] = (action[:wrong] + 1) % 4
        asked, reward, terminated, truncated, _ = env.step(action)
        assert reward == pytest.approx(1 - wrong / 5) and not (terminated or truncated)
    ends = [env.step(asked)[2] for _ in range(6)]
    assert ends == [False] * 5 + [True]


def test_every_position_is_asked_and_no_step_tells_the_next() -> None:
    env = Dials(dials=2, positions=3)
    rows = [env.reset(seed=seed)[0] for seed in range(900)]
    counts = np.bincount(np.stack(rows) @ (3, 1), minlength=9)
    assert (np.abs(counts - 100) < 50).all()
    again = [env.reset(seed=seed)[0] for seed in range(900)]
    np.testing.assert_array_equal(rows, again)


def test_there_is_one_of_five_dials_and_others_by_options() -> None:
    games = envs.make("zoo:Dials-v0")
    assert games.spaces.action.nvec.tolist() == [4] * 5
    assert games.spaces.factors == {"vector": (4,) * 5}
    games = envs.make("zoo:Dials-v0", kwargs={"dials": 3, "positions": 2})
    assert games.spaces.action.nvec.tolist() == [2, 2, 2]


def test_the_picture_shows_what_is_asked_and_what_was_right() -> None:
    env = Dials(dials=2, positions=3, render_mode="rgb_array")
    asked, _ = env.reset(seed=0)
    first = env.render()
    assert first is not None
    colours = {tuple(each) for each in np.unique(first.reshape(-1, 3), axis=0).tolist()}
    assert ASKED in colours and not {RIGHT, WRONG} & colours
    env.step([asked[0], (asked[1] + 1) % 3])
    second = env.render()
    assert second is not None and second.shape == first.shape
    seen = {tuple(each) for each in np.unique(second.reshape(-1, 3), axis=0).tolist()}
    assert {ASKED, RIGHT, WRONG} <= seen


@pytest.mark.parametrize("sizes", [{"dials": 0}, {"positions": 1}])
def test_sizes_that_make_no_game_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one dial of at least two positions"):
        Dials(**sizes)
