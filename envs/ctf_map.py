"""Boards of capture the flag: bases, spawns, and random walls that look the same from both sides.

A tile is one number, row * size + column. The outer wall encloses every board, so that a step from a tile
inside, by one of the numbers of `directions`, never leaves it.
"""

from typing import NamedTuple

import numpy as np

DENSITY = 0.18  # walls of the tiles inside
SPAWN_ROWS = (0, -1, 1, -2)  # beside the base's row, of a team's players


class Places(NamedTuple):
    """Where things begin on a board of some size.

    Attributes:
        base: [2], each team's base, where its flag is at home.
        spawn: [2 * team_size], each player's tile, in the column behind its base.
        heading: [2 * team_size], 0 north, 1 east, 2 south, 3 west: towards the other team.
    """

    base: np.ndarray
    spawn: np.ndarray
    heading: np.ndarray


def places(size: int, team_size: int) -> Places:
    """Returns where bases and players are; team 1's are team 0's, rotated by 180 degrees."""
    middle, last = size // 2, size * size - 1
    base = middle * size + 2
    spawn = np.array([(middle + row) * size + 1 for row in SPAWN_ROWS[:team_size]])
    return Places(
        np.array([base, last - base]),
        np.concatenate([spawn, last - spawn]),
        np.repeat([1, 3], team_size),
    )


def directions(size: int) -> np.ndarray:
    """Returns [4], what is added to a tile for a step north, east, south, west."""
    return np.array([-size, 1, size, -1])


def draw_walls(numbers: np.ndarray, size: int) -> np.ndarray:
    """Returns the walls of boards, equal to themselves when rotated by 180 degrees.

    A tile inside is a wall by chance `DENSITY`; the tiles about the bases and the centre never are. Where walls
    part the bases, the middle row is opened. What cannot be reached from the bases becomes wall.

    Args:
        numbers: [games, (size^2 - 1) / 2] uint64, uniform: those of the tiles before the centre; the others
            have the numbers of the tiles opposite.
        size: Tiles a side.

    Returns:
        [games, size^2] bool.
    """
    outer, open_ = _fixed(size)
    half = numbers < np.uint64(DENSITY * 2**64)
    centre = np.zeros((len(numbers), 1), bool)
    drawn = np.concatenate([half, centre, half[:, ::-1]], 1)
    walls = outer | (drawn & ~open_)
    base, other = places(size, 1).base
    parted = ~reachable(~walls, base)[:, other]
    row = np.arange(size * size) // size == size // 2
    walls &= ~(parted[:, None] & row & ~outer)
    return ~reachable(~walls, base)


def reachable(floor: np.ndarray, start: int) -> np.ndarray:
    """Returns [games, size^2] bool, the tiles that one can walk to from a tile, over floor of the same shape."""
    steps = directions(round(floor.shape[1] ** 0.5))
    found = np.zeros_like(floor)
    found[:, start] = True
    count = 0
    while count != (count := int(found.sum())):
        found |= spread(found, steps) & floor
    return found


def spread(tiles: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Returns [games, size^2] bool, the neighbours of tiles that are set; none may lie on the board's edge."""
    neighbours = np.zeros_like(tiles)
    for step in steps[steps > 0]:
        neighbours[:, step:] |= tiles[:, :-step]
        neighbours[:, :-step] |= tiles[:, step:]
    return neighbours


def _fixed(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the outer wall, and the tiles that are never walls, [size^2] bool each."""
    y, x = np.divmod(np.arange(size * size), size)
    outer = (np.minimum(y, x) == 0) | (np.maximum(y, x) == size - 1)
    near = (np.abs(y - size // 2) <= 2) & ((x <= 2) | (x >= size - 3))
    return outer, near & ~outer
