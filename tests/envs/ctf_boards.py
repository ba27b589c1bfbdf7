"""Helpers for capture the flag: boards as text, and one step played by both sets of rules."""

import dataclasses

import numpy as np

from envs import ctf_plain
from envs.ctf_config import CtfConfig
from envs.ctf_plain import Command, PlainGame, Tile
from envs.ctf_random import Streams
from envs.ctf_rules import EVENTS, Commands, Rules, State

NOTHING: Command = (0, 0, 0, 0)
FORWARD: Command = (0, 1, 0, 0)
TAG: Command = (0, 0, 0, 1)
NORTH, EAST, SOUTH, WEST = range(4)


def empty_game(team_size: int = 1, walls: tuple[Tile, ...] = ()) -> PlainGame:
    """Returns a game of 9 x 9 tiles without walls inside but those given; players are out for 3 steps."""
    game = PlainGame(CtfConfig(size=9, team_size=team_size, out_steps=3), seed=0)
    edge = {(y, x) for y in range(9) for x in range(9) if {y, x} & {0, 8}}
    game.walls = edge | set(walls)
    return game


def put(game: PlainGame, player: int, tile: Tile, heading: int = NORTH) -> None:
    """Puts a player on a tile."""
    game.players[player].place, game.players[player].heading = tile, heading


def play(game: PlainGame, *commands: Command) -> list[set[str]]:
    """Plays a step by both sets of rules from where a game stands, and returns the events of each player."""
    state = game.state()
    seed = int(np.random.default_rng(0).integers(2**31))
    game._numbers = ctf_plain.split_mix(seed)
    turn, ahead, side, tag = np.array(commands).T[:, None]
    wanted = Commands(turn, ahead, side, tag == 1)
    events = Rules(game.config).step(state, wanted, Streams([seed]))
    game.step(commands)
    np.testing.assert_array_equal(events[0], game.events)
    assert_same(state, game.state())
    return [
        {name for name, count in zip(EVENTS, counts, strict=True) if count}
        for counts in game.events
    ]


def assert_same(state: State, other: State) -> None:
    """Asserts that states are equal in everything."""
    for field in dataclasses.fields(State):
        one, two = getattr(state, field.name), getattr(other, field.name)
        np.testing.assert_array_equal(one, two, err_msg=field.name)
