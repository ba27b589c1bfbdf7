"""Catch."""

import itertools

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import check_env

import envs
from envs.catch import Catch


def test_catch_passes_gymnasiums_own_checker(recwarn: object) -> None:
    check_env(Catch(render_mode="rgb_array"))
    assert gymnasium.make("zoo/Catch-v0").spec is not None


def test_the_ball_takes_nine_steps_and_following_it_always_catches_it() -> None:
    env = envs.make("zoo:Catch-v0", 4)
    step, returns = env.reset(0), np.zeros(4)
    for _ in range(10 * 10):
        board = step.observation["image"][..., 0]
        ball, paddle = board[:, :-1].max(1).argmax(-1), board[:, -1].argmax(-1)
        step = env.step(np.sign(ball - paddle) + 1)
        returns += step.reward
        assert step.discount[0] == 1 - step.is_last[0]
    np.testing.assert_array_equal(returns, 10)


def test_a_random_policy_returns_minus_three_fifths_by_enumeration() -> None:
    place = np.eye(5)[2]
    for _ in range(9):
        moved = np.zeros(5)
        for column, action in itertools.product(range(5), (-1, 0, 1)):
            moved[np.clip(column + action, 0, 4)] += place[column] / 3
        place = moved
    caught = np.mean(place)  # the ball's column is uniform
    np.testing.assert_allclose(2 * caught - 1, -0.6)


def test_a_thousand_random_episodes_return_about_that() -> None:
    env = envs.make("zoo:Catch-v0", 10)
    env.reset(0)
    rng = np.random.default_rng(0)
    steps = [env.step(rng.integers(0, 3, 10)) for _ in range(2000)]
    ends = np.stack([step.is_last for step in steps])
    returns = np.stack([step.reward for step in steps])[ends]
    assert len(returns) == 2000
    assert abs(returns.mean() + 0.6) < 4 * 0.8 / np.sqrt(2000)


def test_the_picture_shows_a_board_of_ten_by_five_cells() -> None:
    env = envs.make("zoo:Catch-v0")
    env.reset(0)
    picture = env.render()
    assert picture is not None
    assert picture.shape == (320, 160, 3) and picture.dtype == np.uint8
    assert Catch().render() is None
