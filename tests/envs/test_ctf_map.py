"""Boards of capture the flag and the random numbers that they come from."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import ctf_map, ctf_plain
from envs.ctf_random import Streams

SIZES = (9, 11, 15)


def draw(size: int, games: int, seed: int = 0) -> np.ndarray:
    """Returns walls of many boards, [games, size, size]."""
    numbers = Streams(range(seed, seed + games)).draw(size * size // 2)
    return ctf_map.draw_walls(numbers, size).reshape(-1, size, size)


def walk(walls: np.ndarray, start: tuple[int, int]) -> dict[tuple[int, int], int]:
    """Returns tile -> steps from the start, one board, one queue."""
    far, queue = {start: 0}, collections.deque([start])
    while queue:
        y, x = queue.popleft()
        for tile in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if not walls[tile] and tile not in far:
                far[tile] = far[y, x] + 1
                queue.append(tile)
    return far


def test_streams_are_the_published_splitmix64() -> None:
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    streams = Streams([7, 1234567])
    drawn = np.concatenate([streams.draw(2), streams.draw(3)], 1)
    assert drawn[1].tolist() == published
    numbers = ctf_plain.split_mix(7)
    assert drawn[0].tolist() == [next(numbers) for _ in range(5)]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SIZES), st.integers(0, 2**31))
def test_every_map_is_the_same_from_both_sides_and_all_its_floor_is_connected(
    size: int, seed: int
) -> None:
    for walls in draw(size, 4, seed):
        np.testing.assert_array_equal(walls, walls[::-1, ::-1])
        edge = np.concatenate([walls[0], walls[-1], walls[:, 0], walls[:, -1]])
        assert edge.all()
        base = (size // 2, 2)
        assert len(walk(walls, base)) == (~walls).sum()
        places = ctf_map.places(size, 4)
        assert not walls.ravel()[[*places.base, *places.spawn]].any()


@pytest.mark.parametrize(("size", "kinds"), [(9, 250), (11, 480), (15, 499)])
def test_maps_differ_and_have_walls_as_densely_as_said(size: int, kinds: int) -> None:
    walls = draw(size, 500)
    assert len({each.tobytes() for each in walls}) > kinds
    inner = walls[:, 1:-1, 3:-3]  # no tile is kept open here but the centre
    more = inner.mean() - ctf_map.DENSITY  # what is cut off becomes wall too
    assert -0.01 < more < 0.03


def test_where_walls_part_the_bases_the_middle_row_is_opened() -> None:
    walls = ctf_map.draw_walls(np.zeros((1, 40), np.uint64), 9).reshape(9, 9)
    assert not walls[4, 1:8].any()
    np.testing.assert_array_equal(walls[1, 1:8], True)


def test_teams_begin_rotated_and_face_each_other() -> None:
    for size in SIZES:
        places = ctf_map.places(size, 4)
        last = size * size - 1
        np.testing.assert_array_equal(places.spawn[4:], last - places.spawn[:4])
        assert places.base.tolist() == [
            size // 2 * size + 2,
            size // 2 * size + size - 3,
        ]
        assert len(set(places.spawn.tolist())) == 8
        assert places.heading.tolist() == [1] * 4 + [3] * 4
