"""Matches: sides, counting, intervals."""

import numpy as np
import pytest

import envs
from agents import matches
from agents.scripted import Scripted


def scripted(name):
    return lambda envs, rows: Scripted(name, envs.game, rows)


def test_the_better_side_wins_whichever_is_named_first():
    games = envs.make("ctf:small", 4 * 10)
    better = matches.play(scripted("attacker"), scripted("random"), games, 40, seed=1)
    worse = matches.play(scripted("random"), scripted("attacker"), games, 40, seed=1)
    assert better.games == worse.games == 40
    assert better.won >= 36 and worse.lost >= 36
    assert better.points > 0.9 > 0.1 > worse.points


def test_sides_change_and_each_game_is_counted_once():
    seen = []

    def watched(envs, rows):
        seen.append(rows.tolist())
        return Scripted("random", envs.game, rows)

    games = envs.make("ctf:small", 8, length=20)
    done = []
    tally = matches.play(
        watched, scripted("random"), games, 4, seed=0, progress=done.append
    )
    assert seen == [[0, 1, 4, 5], [2, 3, 6, 7]]
    assert tally.games == 4 and done == [2, 4]


def test_equal_sides_win_equally_often():
    games = envs.make("ctf:small", 4 * 100)
    tally = matches.play(scripted("balanced"), scripted("balanced"), games, 400, seed=0)
    low, high = matches.interval(tally.won, tally.won + tally.lost)
    assert low < 0.5 < high


def test_the_interval_is_that_of_jeffreys():
    low, high = matches.interval(380, 400)
    # From tables of the Beta(380.5, 20.5) distribution's quantiles.
    assert (round(low, 3), round(high, 3)) == (0.925, 0.968)
    assert matches.interval(0, 10)[0] == 0 and matches.interval(10, 10)[1] == 1


def test_games_without_teams_are_refused():
    games = envs.make("zoo:Catch-v0", 2)
    with pytest.raises(ValueError, match="has no teams"):
        matches.play(scripted("random"), scripted("random"), games, 2, seed=0)


def test_a_scripted_player_is_a_pure_function_of_the_game_and_its_seed():
    games = envs.make("ctf:small", 4)
    step = games.reset(seed=0)
    player = Scripted("balanced", games.game, np.array([0, 1]))
    state = player.initial_state(2, seed=5)
    one, other = (player.act(step, state)[0] for _ in range(2))
    np.testing.assert_array_equal(one, other)
    _, after = player.act(step, state)
    assert np.any(after["seed"] != state["seed"])
