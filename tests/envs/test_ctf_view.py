"""What players of capture the flag see."""

import numpy as np

from envs.ctf_config import CtfConfig
from envs.ctf_map import places
from envs.ctf_plain import PlainGame
from envs.ctf_random import Streams
from envs.ctf_rules import Commands, Rules
from envs.ctf_view import (
    FLOOR,
    MARK,
    OTHER,
    OWN,
    REACH,
    WALL,
    View,
    pictures,
)
from tests.envs.ctf_boards import EAST, NORTH, SOUTH, WEST, empty_game, put

WALLS, MATES, OPPONENTS, FLAG, OTHER_FLAG, CARRIERS, BASE = range(7)


def look(game: PlainGame) -> tuple[np.ndarray, np.ndarray]:
    """Returns the planes and numbers of all players by the fast view."""
    view, state = View(game.config), game.state()
    base = places(game.config.size, game.config.team_size).base
    planes = view.planes(state, view.still(state.walls, base))
    return planes[0], view.numbers(state)[0]


def tiles(plane: np.ndarray) -> set[tuple[int, int]]:
    """Returns where a plane is set, as (ahead, right) of its player."""
    assert set(np.unique(plane)) <= {0, 255}
    return {(REACH - int(y), int(x) - REACH) for y, x in np.argwhere(plane)}


def test_all_that_is_seen_is_what_the_plain_view_sees() -> None:
    rng = np.random.default_rng(3)
    for size, team_size in ((9, 1), (9, 2), (11, 3), (15, 4)):
        config = CtfConfig(size=size, team_size=team_size, out_steps=4)
        seeds = [1, 2, 3]
        plain = [PlainGame(config, seed) for seed in seeds]
        streams, rules, view = Streams(seeds), Rules(config), View(config)
        state = rules.start(streams)
        still = view.still(state.walls, places(size, team_size).base)
        for step in range(60):
            shape = (3, config.players)
            turn, ahead, side = rng.integers(-1, 2, (3, *shape))
            commands = Commands(turn, ahead, side, rng.random(shape) < 0.5)
            rules.step(state, commands, streams)
            for game, each in enumerate(plain):
                each.step(np.stack(commands, -1)[game].tolist())
            if step % 5 == 0:
                planes, numbers = view.planes(state, still), view.numbers(state)
                for game, player in np.ndindex(*shape):
                    each = plain[game]
                    np.testing.assert_array_equal(
                        planes[game, player], each.image(player)
                    )
                    np.testing.assert_array_equal(
                        numbers[game, player], each.vector(player)
                    )


def test_what_is_ahead_is_up_and_what_is_right_is_right() -> None:
    game = empty_game()
    put(game, 1, (3, 5))
    for heading, seen in (
        (NORTH, (1, 1)),
        (EAST, (1, -1)),
        (SOUTH, (-1, -1)),
        (WEST, (-1, 1)),
    ):
        put(game, 0, (4, 4), heading)
        planes = look(game)[0]
        assert tiles(planes[0, ..., OPPONENTS]) == {seen}
        assert tiles(planes[0, ..., MATES]) == {(0, 0)}


def test_the_own_team_the_own_flag_and_the_own_base_have_the_same_planes_for_both() -> (
    None
):
    game = empty_game(2)
    for player, tile in ((0, (4, 4)), (1, (4, 5)), (2, (3, 3)), (3, (3, 5))):
        put(game, player, tile, NORTH)
    game.flags[0].carrier = game.players[3]
    game.flags[0].place = (3, 5)
    blue, _, red, _ = look(game)[0]
    assert tiles(blue[..., MATES]) == {(0, 0), (0, 1)}
    assert tiles(blue[..., OPPONENTS]) == {(1, -1), (1, 1)}
    assert tiles(red[..., MATES]) == {(0, 0), (0, 2)}
    assert tiles(blue[..., FLAG]) == tiles(blue[..., CARRIERS]) == {(1, 1)}
    assert tiles(blue[..., OTHER_FLAG]) == {(0, 2)}
    assert tiles(red[..., OTHER_FLAG]) == {(0, 2)}
    assert tiles(blue[..., BASE]) == {(0, -2)} and tiles(red[..., BASE]) == {(-1, 3)}
    outside = {(5, right) for right in range(-5, 6)}
    assert outside <= tiles(blue[..., WALLS]) and (4, 0) in tiles(blue[..., WALLS])


def test_both_teams_see_the_same_at_the_start() -> None:
    for seed in range(20):
        planes, numbers = look(PlainGame(CtfConfig(size=11, team_size=3), seed))
        np.testing.assert_array_equal(planes[:3], planes[3:])
        np.testing.assert_array_equal(numbers[:3], numbers[3:])


def test_who_is_out_is_not_seen_and_goes_on_seeing_the_place_where_it_was() -> None:
    game = empty_game()
    put(game, 0, (2, 2), EAST)
    put(game, 1, (2, 4), WEST)
    game.players[1].out = 3
    planes, numbers = look(game)
    assert tiles(planes[0, ..., OPPONENTS]) == set()
    assert tiles(planes[1, ..., MATES]) == set()
    assert tiles(planes[1, ..., OPPONENTS]) == {(2, 0)}
    np.testing.assert_allclose(numbers[1], [0, 0, 1, 0, 0, 1])


def test_the_six_numbers_are_cooldown_flag_out_scores_and_time_left() -> None:
    game = empty_game()
    game.players[0].cooldown, game.score = 1, [2, 25]
    game.flags[1].carrier = game.players[0]
    game.steps = 30
    numbers = look(game)[1]
    np.testing.assert_allclose(numbers[0], [0.25, 1, 0, 0.2, 1, 0.8])
    np.testing.assert_allclose(numbers[1], [0, 0, 0, 1, 0.2, 0.8])


def test_a_picture_has_seven_pixels_a_tile_and_the_numbers_below() -> None:
    planes = np.zeros((2, 11, 11, 7), np.uint8)
    planes[0, 0, 0, WALLS] = planes[0, 5, 5, MATES] = planes[0, 2, 3, OPPONENTS] = 255
    planes[0, 2, 3, CARRIERS] = planes[1, 4, 9, BASE] = 255
    numbers = np.zeros((2, 6), np.float32)
    numbers[0] = [0, 0.2, 0.4, 0.6, 0.8, 1]
    picture = pictures(planes, numbers)
    assert picture.shape == (2, 84, 84, 3) and picture.dtype == np.uint8
    first, second = picture
    assert tuple(first[3, 3 + 3]) == WALL and tuple(first[3, 3 + 10]) == FLOOR
    assert tuple(first[5 * 7 + 3, 3 + 5 * 7 + 3]) == OWN
    assert tuple(first[2 * 7 + 3, 3 + 3 * 7 + 3]) == OTHER
    assert tuple(first[2 * 7 + 3, 3 + 3 * 7]) == MARK  # the carrier's ring
    assert tuple(second[4 * 7, 3 + 9 * 7]) == OWN  # the base's frame
    assert first[80, 7::14, 0].tolist() == [0, 51, 102, 153, 204, 255]
    assert (first[:77, :3] == 0).all() and (first[:77, 80:] == 0).all()


def test_every_tile_of_a_picture_differs_where_its_planes_differ() -> None:
    codes = [
        (0,), (1,), (2,), (3,), (4,), (6,), (1, 5), (2, 5), (1, 4, 5), (2, 3, 5), (3, 6), (1, 6), (2, 6), ()
    ]  # fmt: skip
    planes = np.zeros((len(codes), 11, 11, 7), np.uint8)
    for index, code in enumerate(codes):
        planes[index, 5, 5, list(code)] = 255
    picture = pictures(planes, np.zeros((len(codes), 6), np.float32))
    assert len({each.tobytes() for each in picture}) == len(codes)
