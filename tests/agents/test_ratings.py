"""Ratings of players from their games."""

import itertools
import math

import numpy as np
import pytest

from agents import ratings
from agents.matches import Tally


def test_of_two_players_the_rating_is_the_logarithm_of_the_odds():
    # With one draw more 60.5 points of 101 games: 400 log10(60.5 / 40.5).
    found = ratings.fit({("a", "b"): Tally(55, 10, 35)}, {"b": 500.0})
    assert found["b"] == 500
    assert found["a"] - 500 == pytest.approx(400 * math.log10(60.5 / 40.5), abs=1e-5)


def test_hidden_ratings_come_back_from_expected_points():
    hidden = {"a": 900.0, "b": 1000.0, "c": 1250.0, "d": 850.0}
    games = 1_000_000
    results = {}
    for one, other in itertools.combinations(hidden, 2):
        chance = 1 / (1 + 10 ** ((hidden[other] - hidden[one]) / 400))
        won = round(games * chance)
        results[one, other] = Tally(won, 0, games - won)
    assert ratings.fit(results) == pytest.approx(hidden, abs=0.1)


def test_the_gradient_of_the_likelihood_is_zero():
    results = {
        ("a", "b"): Tally(7, 2, 1),
        ("b", "c"): Tally(4, 4, 2),
        ("c", "a"): Tally(0, 1, 9),
    }
    found = ratings.fit(results)
    surplus = dict.fromkeys("abc", 0.0)
    for (one, other), tally in results.items():
        chance = 1 / (1 + 10 ** ((found[other] - found[one]) / 400))
        got = tally.won + tally.drawn / 2 + 0.5
        surplus[one] += got - 11 * chance
        surplus[other] -= got - 11 * chance
    assert all(abs(each) < 1e-6 for each in surplus.values())
    assert np.mean(list(found.values())) == pytest.approx(1000)


def test_who_never_lost_has_a_rating():
    found = ratings.fit({("a", "b"): Tally(400, 0, 0)}, {"b": 0.0})
    assert found["a"] == pytest.approx(400 * math.log10(400.5 / 0.5))


def test_intervals_hold_the_rating_and_narrow_with_games():
    few = {("a", "b"): Tally(12, 2, 6)}
    many = {("a", "b"): Tally(1200, 200, 600)}
    widths = []
    for results in (few, many):
        low, high = ratings.intervals(results, {"b": 0.0})["a"]
        assert low < ratings.fit(results, {"b": 0.0})["a"] < high
        assert ratings.intervals(results, {"b": 0.0})["b"] == (0, 0)
        widths.append(high - low)
    # By the square root of the number of games.
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize(
    ("results", "anchors", "said"),
    [
        ({}, {}, "no games came"),
        ({("a", "a"): Tally(1, 0, 0)}, {}, "played itself"),
        ({("a", "b"): Tally(1, 0, 0)}, {"c": 0.0}, "expected one of the players a, b"),
        (
            {("a", "b"): Tally(1, 0, 0), ("c", "d"): Tally(1, 0, 0)},
            {},
            "no chain of games joins c, d with a",
        ),
    ],
)
def test_what_cannot_be_rated_is_refused(results, anchors, said):
    with pytest.raises(ValueError, match=said):
        ratings.fit(results, anchors)
