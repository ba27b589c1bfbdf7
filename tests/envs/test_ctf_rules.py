"""The rules of capture the flag: rule by rule on small boards, and two implementations against each other."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from envs import ctf_actions, ctf_teams
from envs.ctf_config import CtfConfig
from envs.ctf_plain import PlainGame
from envs.ctf_random import Streams
from envs.ctf_rules import EVENTS, Commands, Rules, State
from tests.envs.ctf_boards import (
    EAST,
    FORWARD,
    NORTH,
    NOTHING,
    SOUTH,
    TAG,
    WEST,
    assert_same,
    empty_game,
    play,
    put,
)

BLUE_BASE, RED_BASE = (4, 2), (4, 6)


def some_commands(
    config: CtfConfig, state: State, rng: np.random.Generator
) -> Commands:
    """Returns commands half of which are attackers', the rest random, so that everything happens."""
    rows = np.arange(state.place.size)
    game: Any = SimpleNamespace(config=config, state=state)
    chosen = ctf_teams.make("attacker")(game, rows, rng)
    chosen[rng.random(len(rows)) < 0.5, 3] = 1
    other = ctf_teams.make("random")(game, rows, rng)
    chosen = np.where(rng.random((len(rows), 1)) < 0.5, chosen, other)
    return ctf_actions.decode(chosen.reshape(*state.place.shape, 4), factored=True)


def one_of(state: State, game: int) -> State:
    """Returns one of many games."""
    parts = {
        key: value[game : game + 1]
        for key, value in vars(state).items()
        if key != "steps"
    }
    return State(**parts, steps=state.steps)


def test_many_games_at_once_are_equal_to_plain_ones_step_by_step() -> None:
    rng, seen = np.random.default_rng(0), np.zeros(len(EVENTS))
    for size in (9, 11, 15):
        for team_size in (1, 2, 3, 4):
            config = CtfConfig(size, team_size, out_steps=6, factored=True)
            seeds = rng.integers(2**31, size=4).tolist()
            streams, rules = Streams(seeds), Rules(config)
            plain = [PlainGame(config, seed) for seed in seeds]
            state = rules.start(streams)
            for _ in range(80):
                commands = some_commands(config, state, rng)
                events = rules.step(state, commands, streams)
                seen += events.sum((0, 1))
                for game, each in enumerate(plain):
                    each.step(np.stack(commands, -1)[game].tolist())
                    np.testing.assert_array_equal(events[game], each.events)
                    assert_same(one_of(state, game), each.state())
            state = rules.start(streams)
            for game, each in enumerate(plain):
                each.start()
                assert_same(one_of(state, game), each.state())
    assert (seen > 9).all(), dict(zip(EVENTS, seen, strict=True))


@pytest.mark.parametrize(
    ("command", "tile", "heading"),
    [
        ((0, 0, 0, 0), (3, 4), EAST),
        ((0, 1, 0, 0), (3, 5), EAST),
        ((0, -1, 0, 0), (3, 3), EAST),
        ((0, 0, -1, 0), (2, 4), EAST),
        ((0, 0, 1, 0), (4, 4), EAST),
        ((-1, 0, 0, 0), (3, 4), NORTH),
        ((1, 0, 0, 0), (3, 4), SOUTH),
        ((1, 1, 0, 0), (4, 4), SOUTH),  # turns first
        ((0, 1, 1, 0), (3, 5), EAST),  # a tile a step, ahead first
    ],
)
def test_a_player_turns_then_moves_by_a_tile_as_it_sees_the_world(
    command: tuple, tile: tuple, heading: int
) -> None:
    game = empty_game()
    put(game, 0, (3, 4), EAST)
    play(game, command, NOTHING)
    assert (game.players[0].place, game.players[0].heading) == (tile, heading)


def test_walls_and_players_block_and_then_a_step_aside_is_taken() -> None:
    game = empty_game(walls=((3, 5),))
    put(game, 0, (3, 4), EAST)
    put(game, 1, (4, 4))
    play(game, FORWARD, NOTHING)
    assert game.players[0].place == (3, 4)
    play(game, (0, 1, 1, 0), NOTHING)  # to the south stands a player
    assert game.players[0].place == (3, 4)
    play(game, (0, 1, -1, 0), NOTHING)
    assert game.players[0].place == (2, 4)


def test_of_two_who_want_one_tile_either_gets_it_as_often() -> None:
    config, games = CtfConfig(team_size=1), 400
    rules, streams = Rules(config), Streams(range(games))
    state = rules.start(streams)
    state.walls[:] = False
    state.place[:] = [4 * 9 + 3, 4 * 9 + 5]
    ones, never = np.ones((games, 2), int), np.zeros((games, 2), bool)
    rules.step(state, Commands(0 * ones, ones, 0 * ones, never), streams)
    got = (state.place == 4 * 9 + 4).sum(0)
    assert got.sum() == games and abs(got[0] - games / 2) < 4 * np.sqrt(games / 4)


@pytest.mark.parametrize(("distance", "hits"), [(1, True), (4, True), (5, False)])
def test_a_tag_reaches_four_tiles(distance: int, hits: bool) -> None:
    game = empty_game()
    put(game, 0, (2, 1), EAST)
    put(game, 1, (2, 1 + distance))
    mine, other = play(game, TAG, NOTHING)
    assert mine == ({"tagged_other"} if hits else set())
    assert other == ({"was_tagged_without_flag"} if hits else set())
    assert game.players[1].out == 3 * hits


def test_a_tag_passes_teammates_hits_the_first_opponent_and_ends_at_walls() -> None:
    game = empty_game(2, walls=((6, 3),))
    put(game, 0, (2, 1), EAST)
    put(game, 1, (2, 2))
    put(game, 2, (2, 3))
    put(game, 3, (2, 4))
    play(game, TAG, NOTHING, NOTHING, NOTHING)
    assert [player.out for player in game.players] == [0, 0, 3, 0]
    put(game, 1, (6, 1), EAST)
    put(game, 3, (6, 4))
    play(game, NOTHING, TAG, NOTHING, NOTHING)
    assert game.players[3].out == 0 and game.players[1].beam == 1


def test_two_can_tag_each_other_at_once_and_both_are_out() -> None:
    game = empty_game()
    put(game, 0, (2, 2), EAST)
    put(game, 1, (2, 4), WEST)
    events = play(game, TAG, TAG)
    assert events == [{"tagged_other", "was_tagged_without_flag"}] * 2
    assert [player.out for player in game.players] == [3, 3]


def test_one_can_tag_every_fourth_step() -> None:
    game = empty_game()
    put(game, 0, (2, 1), EAST)
    beams = []
    for _ in range(9):
        play(game, TAG, NOTHING)
        beams.append(game.players[0].beam > 0)
    assert beams == [True, False, False, False] * 2 + [True]


def test_who_is_tagged_does_nothing_for_its_steps_and_is_back_on_its_spawn() -> None:
    game = empty_game()
    put(game, 0, (2, 1), EAST)
    put(game, 1, (2, 3), SOUTH)
    play(game, TAG, NOTHING)
    for left in (2, 1):
        play(game, NOTHING, (1, 1, 0, 1))
        assert game.players[1].out == left
        assert (game.players[1].place, game.players[1].heading) == ((2, 3), SOUTH)
    play(game, NOTHING, FORWARD)
    back = game.players[1]
    assert (back.out, back.place, back.heading) == (0, (4, 7), WEST)


def test_one_comes_back_beside_whoever_stands_on_its_spawn() -> None:
    game = empty_game()
    put(game, 0, (4, 7), WEST)
    game.players[1].out = 1
    play(game, NOTHING, NOTHING)
    assert game.players[0].place == game.players[1].place == (4, 7)
    play(game, FORWARD, NOTHING)
    assert game.players[0].place == (4, 6)


def test_a_flag_is_picked_up_carried_home_and_captured_for_a_point() -> None:
    game = empty_game(2)
    put(game, 0, (4, 5), EAST)
    put(game, 2, (1, 7))
    events = play(game, FORWARD, NOTHING, NOTHING, NOTHING)
    assert (
        events
        == [{"picked_up"}, {"teammate_picked_up"}] + [{"opponents_picked_up"}] * 2
    )
    for column in (5, 4, 3):
        play(game, (0, -1, 0, 0), NOTHING, NOTHING, NOTHING)
        assert game.flags[1].place == game.players[0].place == (4, column)
    events = play(game, (0, -1, 0, 0), NOTHING, NOTHING, NOTHING)
    assert (
        events == [{"captured"}, {"teammate_captured"}] + [{"opponents_captured"}] * 2
    )
    assert game.score == [1, 0] and game.flags[1].is_home


def test_nobody_captures_while_the_own_flag_is_away() -> None:
    game = empty_game(2)
    put(game, 0, (4, 3), WEST)
    game.flags[1].carrier = game.players[0]
    game.flags[0].place = (2, 2)
    assert play(game, FORWARD, NOTHING, NOTHING, NOTHING)[0] == set()
    assert game.score == [0, 0] and game.players[0].place == BLUE_BASE
    put(game, 1, (2, 3), WEST)
    events = play(game, NOTHING, FORWARD, NOTHING, NOTHING)
    assert events[1] == {"returned", "teammate_captured"}
    assert events[0] == {"teammate_returned", "captured"}
    assert events[2] == {"opponents_returned", "opponents_captured"}
    assert game.score == [1, 0]


def test_who_is_tagged_with_the_flag_drops_it_where_it_was() -> None:
    game = empty_game(2)
    put(game, 0, (2, 2), EAST)
    put(game, 2, (2, 4), EAST)
    game.flags[0].carrier = game.players[2]
    events = play(game, TAG, NOTHING, FORWARD, NOTHING)
    assert events[0] == {"tagged_carrier"} and events[2] == {"was_tagged_with_flag"}
    assert game.flags[0].place == (2, 5) and game.flags[0].carrier is None
    put(game, 3, (2, 6), WEST)
    assert play(game, NOTHING, NOTHING, NOTHING, FORWARD)[3] == {"picked_up"}


def test_two_who_tag_one_player_both_count_it_and_it_is_tagged_once() -> None:
    game = empty_game(2)
    put(game, 0, (2, 2), EAST)
    put(game, 1, (3, 4), NORTH)
    put(game, 2, (2, 4))
    play(game, TAG, TAG, NOTHING, NOTHING)
    assert [counts[EVENTS.index("tagged_other")] for counts in game.events] == [
        1,
        1,
        0,
        0,
    ]
    assert game.events[2][EVENTS.index("was_tagged_without_flag")] == 1


def test_a_flag_dropped_on_its_own_base_is_home() -> None:
    game = empty_game()
    put(game, 0, RED_BASE)
    put(game, 1, (6, 6), NORTH)
    assert play(game, NOTHING, NOTHING)[0] == {"picked_up"}
    assert play(game, NOTHING, TAG)[0] == {"was_tagged_with_flag"}
    assert game.flags[1].is_home


def test_there_are_the_thirteen_events_of_the_paper_in_order() -> None:
    assert len(EVENTS) == len(set(EVENTS)) == 13
    assert EVENTS[:5] == (
        "was_tagged_with_flag",
        "was_tagged_without_flag",
        "captured",
        "picked_up",
        "returned",
    )
    assert EVENTS[8:10] == ("tagged_carrier", "tagged_other")
