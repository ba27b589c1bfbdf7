"""Scripted teams are yardsticks that differ in strength as the documents say."""

import re
from typing import Any

import numpy as np
import pytest

from envs import ctf_actions, ctf_map, ctf_teams
from envs.ctf import CaptureTheFlag
from envs.ctf_config import PRESETS, CtfConfig
from tests.envs.test_ctf_map import draw, walk

GAMES = 100


def outcomes(one: str, other: str, config: CtfConfig, seed: int = 0) -> np.ndarray:
    """Returns 1, 0 or -1 for the first team in each of 100 games."""
    players = config.players
    game, rng = CaptureTheFlag(GAMES * players, config), np.random.default_rng(seed)
    game.reset(seed)
    rows, no_row = np.arange(game.num_envs), np.zeros(game.num_envs, bool)
    first = rows % players < config.team_size
    action = ctf_teams.make("random")(game, rows, rng)
    for _ in range(config.length):
        action[first] = ctf_teams.make(one)(game, rows[first], rng)
        action[~first] = ctf_teams.make(other)(game, rows[~first], rng)
        turn = game.step(action, no_row)
    return turn.info["outcome"][::players]


@pytest.mark.parametrize("factored", [False, True])
def test_attackers_beat_random_players_nine_times_in_ten(factored: bool) -> None:
    config = CtfConfig(length=100, factored=factored)
    assert (outcomes("attacker", "random", config) == 1).mean() >= 0.9
    assert (outcomes("random", "attacker", config) == -1).mean() >= 0.9


def test_the_table_of_win_rates_in_the_documents_is_what_games_give(
    repository: Any,
) -> None:
    text = (repository / "docs" / "environments.md").read_text()
    table = re.findall(r"^\| (\w+) +\| (\w+) +\| (\d+) / (\d+) / (\d+) \|", text, re.M)
    assert len(table) == 6
    for one, other, *stated in table:
        found = outcomes(one, other, PRESETS["small"])
        counts = [(found == each).sum() for each in (1, 0, -1)]
        assert np.abs(np.array(stated, int) - counts).max() <= 15, (one, other, counts)


@pytest.mark.parametrize("name", list(ctf_teams.TEAMS))
@pytest.mark.parametrize("team_size", [1, 3])
def test_every_team_acts_for_any_rows_and_by_its_generator_alone(
    name: str, team_size: int
) -> None:
    game = CaptureTheFlag(12 * team_size, CtfConfig(11, team_size))
    game.reset(0)
    rows, no_row = np.arange(game.num_envs), np.zeros(game.num_envs, bool)
    for step in range(30):
        some = rows[step % 3 :: 3]
        one, same = (
            ctf_teams.make(name)(game, some, np.random.default_rng(step))
            for _ in range(2)
        )
        np.testing.assert_array_equal(one, same)
        assert one.shape == some.shape and one.dtype == np.int32
        assert one.min() >= 0 and one.max() < 8
        everyone = ctf_teams.make(name)(game, rows, np.random.default_rng(step))
        game.step(everyone, no_row)


def test_an_unknown_team_is_answered_with_the_near_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown team 'atacker'.*\['attacker'"):
        ctf_teams.make("atacker")


def test_distances_are_those_of_a_queue() -> None:
    walls = draw(15, 8)
    for board in walls:
        far = walk(board, (7, 2))
        place = max(far, key=lambda tile: far[tile])
        target, start = np.array([7 * 15 + 2]), np.array([place[0] * 15 + place[1]])
        found = ctf_teams._distances(~board.reshape(1, -1), target, start)
        for (y, x), steps in far.items():
            assert found[0, y * 15 + x] == steps
    assert ctf_map.reachable(~walls.reshape(8, -1), 7 * 15 + 2).sum() == (~walls).sum()


def test_actions_say_what_their_words_say_in_both_spaces() -> None:
    words = np.arange(len(ctf_actions.WORDS))
    said = {
        word: tuple(int(part) for part in parts)
        for word, parts in zip(
            ctf_actions.WORDS,
            np.stack(ctf_actions.decode(words, False), -1),
            strict=True,
        )
    }
    assert said == {
        "noop": (0, 0, 0, 0),
        "forward": (0, 1, 0, 0),
        "back": (0, -1, 0, 0),
        "strafe left": (0, 0, -1, 0),
        "strafe right": (0, 0, 1, 0),
        "turn left": (-1, 0, 0, 0),
        "turn right": (1, 0, 0, 0),
        "tag": (0, 0, 0, 1),
    }
    np.testing.assert_array_equal(
        ctf_actions.encode(ctf_actions.decode(words, False), False), words
    )
    every = np.stack(np.meshgrid(*map(np.arange, (3, 3, 3, 2))), -1).reshape(-1, 4)
    assert len(every) == 54
    np.testing.assert_array_equal(
        ctf_actions.encode(ctf_actions.decode(every, True), True), every
    )
    both = ctf_actions.decode(np.array([1, 2, 1, 1]), True)
    assert [int(part) for part in both] == [-1, -1, -1, 1]
