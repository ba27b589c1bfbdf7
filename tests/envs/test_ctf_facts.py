"""Facts of a game, against boards made by hand."""

import dataclasses

import numpy as np

import envs
from envs import ctf_facts, ctf_map

SIZE = 9


def facts(**changed):
    """Of a game of two against two at its start, changed."""
    state = envs.make("ctf:small", 4).game.state
    return {
        name: value[0].tolist()
        for name, value in ctf_facts.facts(
            dataclasses.replace(state, **changed), SIZE
        ).items()
    }


def at(*tiles):
    return np.array([[y * SIZE + x for y, x in tiles]])


# Bases are at (4, 2) and (4, 6).
APART = at((1, 1), (7, 1), (1, 7), (7, 7))
HOME = at((4, 2), (4, 6))


def true(found):
    return {name: value for name, value in found.items() if any(value)}


def test_bases_are_where_these_tests_think():
    assert ctf_map.places(SIZE, 2).base.tolist() == HOME[0].tolist()


def test_nothing_is_so_where_all_stand_apart():
    assert true(facts(place=APART)) == {}


def test_who_carries_whose_flag():
    carried = at((4, 2), (7, 1))  # team 1's flag is with player 1, of team 0
    found = true(facts(place=APART, carrier=np.array([[-1, 1]]), flag=carried))
    assert found == {
        "I have the flag": [False, True, False, False],
        "my teammate has the flag": [True, False, False, False],
        "our flag is away": [False, False, True, True],
        "their flag is away": [True, True, False, False],
    }


def test_a_flag_just_taken_is_away_though_it_is_at_its_base():
    place = at((1, 1), (4, 6), (1, 7), (7, 7))
    found = true(facts(place=place, carrier=np.array([[-1, 1]]), flag=HOME))
    assert found["our flag is away"] == [False, False, True, True]
    assert found["I am at their base"] == [False, True, False, False]


def test_a_flag_that_was_dropped_lies():
    found = true(facts(place=APART, flag=at((1, 4), (4, 6))))
    assert found == {
        "our flag is away": [True, True, False, False],
        "our flag lies somewhere": [True, True, False, False],
        "their flag is away": [False, False, True, True],
    }


def test_who_is_near_and_in_play():
    place = at((1, 1), (1, 3), (3, 3), (7, 7))
    assert true(facts(place=place)) == {
        "my teammate is near": [True, True, False, False],
        "an opponent is near": [True, True, True, False],
        "I am at their base": [False, False, True, False],
    }
    out = true(facts(place=place, out=np.array([[0, 3, 0, 0]])))
    assert out["I am out"] == [False, True, False, False]
    assert "my teammate is near" not in out
    assert out["an opponent is near"] == [True, False, True, False]


def test_who_is_ahead():
    found = true(facts(place=APART, score=np.array([[1, 3]])))
    assert found == {
        "we are ahead": [False, False, True, True],
        "they are ahead": [True, True, False, False],
    }
