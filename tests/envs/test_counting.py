"""The counting environments, and that their checker notices every kind of damage."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from envs import counting
from tests.envs.rows import play_rows


@pytest.fixture
def rows() -> dict[str, np.ndarray]:
    env = envs.make("zoo:Counting-v0", 2, kwargs={"image": True})
    return play_rows(env, 3, 50)


def test_counting_passes_gymnasiums_own_checker() -> None:
    check_env(counting.Counting(image=True, render_mode="rgb_array"))


def test_lengths_take_all_values_up_to_the_longest_and_both_endings_occur() -> None:
    numbers = [counting.episode_number(7, index) for index in range(90)]
    assert set(counting.episode_length(numbers).tolist()) == set(range(1, 10))
    assert set(counting.episode_length(numbers, 3).tolist()) == {1, 2, 3}
    assert counting.is_terminal(numbers).sum() == 60


def test_windows_and_cuts_are_accepted(rows: dict[str, np.ndarray]) -> None:
    counting.check_rows(rows)
    firsts = np.flatnonzero(rows["is_first"][:, 0])
    counting.check_rows({key: value[3:9] for key, value in rows.items()})
    cut = [*range(firsts[3] - 2), *range(firsts[3], 50)]
    counting.check_rows({key: value[cut, :1] for key, value in rows.items()})


def damage(rows: dict[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    rows = {key: value.copy() for key, value in rows.items()}
    inner = int(np.flatnonzero(~rows["is_first"][:, 0] & ~rows["is_last"][:, 0])[5])
    first = int(np.flatnonzero(rows["is_first"][:, 0])[2])
    last = int(np.flatnonzero(rows["is_last"][:, 0])[2])
    if kind == "shifted action":
        rows["action"] = np.roll(rows["action"], 1, 0)
    elif kind == "shifted reward":
        rows["reward"] = np.roll(rows["reward"], 1, 0)
    elif kind == "lost row":
        rows = {key: np.delete(value, inner, 0) for key, value in rows.items()}
    elif kind == "lost reset":
        rows = {key: np.delete(value, first, 0) for key, value in rows.items()}
    elif kind == "mixed columns":
        rows["observation/vector"][inner] = rows["observation/vector"][inner, ::-1]
    elif kind == "image":
        rows["observation/image"][inner, 0, 0, 0, 0] += 1
    elif kind == "discount":
        rows["discount"][last, 0] = 1 - rows["discount"][last, 0]
    else:
        rows[kind][inner, 0] ^= True
    return rows


@pytest.mark.parametrize(
    "kind",
    [
        "shifted action",
        "shifted reward",
        "lost row",
        "lost reset",
        "mixed columns",
        "image",
        "discount",
        "is_first",
        "is_last",
    ],
)
def test_damaged_rows_are_noticed(rows: dict[str, np.ndarray], kind: str) -> None:
    with pytest.raises(AssertionError, match="counting"):
        counting.check_rows(damage(rows, kind))


@pytest.mark.parametrize("players", [1, 2, 3])
def test_games_with_players_that_leave_early_count_right(players: int) -> None:
    kwargs = {"players": players, "image": True}
    env = envs.make("envs.counting:CountingGame", 6, kwargs=kwargs)
    rows = play_rows(env, 3, 80)
    counting.check_rows(rows)
    np.testing.assert_array_equal(
        rows["info/counter"], rows["observation/vector"][..., :1]
    )
    waits = rows["is_first"][1:] & rows["is_first"][:-1]
    assert waits.any() == (players > 1)
    games = rows["is_first"].reshape(81, -1, players)
    starts = games[:-1].all(-1) & ~games[1:].any(-1)
    begins = games[:-1].any(-1) & ~games[1:].any(-1)
    np.testing.assert_array_equal(starts, begins)  # players start together
    assert starts.sum() > 10


def test_a_game_repeats_itself_from_its_seed() -> None:
    env = envs.make("envs.counting:CountingGame", 4, kwargs={"players": 2})
    first, second = play_rows(env, 3, 40), play_rows(env, 3, 40)
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key])


def test_rows_that_make_no_whole_games_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a multiple of players=2"):
        envs.make("envs.counting:CountingGame", 3, kwargs={"players": 2})
