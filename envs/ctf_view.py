"""What a player of capture the flag sees: the tiles around it, turned so that it looks up, and six numbers.

Of an image, [11, 11, 7] uint8, each plane is 255 where, and 0 where not, there is

    0 a wall, or what lies beyond the board    4 the opponents' flag
    1 a player of the own team                 5 a player who carries a flag
    2 an opponent                              6 the own team's base
    3 the own team's flag

with the player itself at row 5, column 5, and row 0 farthest ahead; carried flags are where their carriers are,
and players who are out are nowhere. One who is out goes on seeing the place where it was tagged. The six numbers
of a vector, [6] float32, all from 0 to 1, are

    0 cooldown, of 4 steps           3 captures of the own team, of 10; more count as 10
    1 whether it carries a flag      4 those of the opponents
    2 how long it will be out        5 how much of the game is left
"""

import numpy as np

from envs.ctf_config import CtfConfig
from envs.ctf_rules import COOLDOWN, State

REACH = 5  # tiles that one sees to every side
SIDE = 2 * REACH + 1
PLANES = 7
NUMBERS = 6
MOST_SCORE = 10
PIXELS = 84
TILE = 7  # pixels of a tile in a picture, whose lowest rows show the six numbers

FLOOR, WALL = (38, 42, 54), (122, 126, 138)
OWN, OTHER, MARK = (72, 148, 255), (255, 92, 72), (255, 236, 140)


class View:
    """Makes the observations of all players at once.

    Args:
        config: The settings.
    """

    def __init__(self, config: CtfConfig):
        self._config = config
        size = config.size
        self._width = size + 2 * REACH
        y, x = np.divmod(np.arange(size * size), size)
        self._padded = (y + REACH) * self._width + x + REACH
        self._offsets = _offsets(self._width)
        self._team = np.repeat([0, 1], config.team_size)
        self._planes = _plane_table()

    def still(self, walls: np.ndarray, base: np.ndarray) -> np.ndarray:
        """Returns [G, (size + 10)^2] uint8, boards with what never moves, as bits; walls [G, size^2]."""
        board = np.ones((len(walls), self._width**2), np.uint8)
        board[:, self._padded] = walls
        board[:, self._padded[base]] |= np.array([64, 128], np.uint8)
        return board

    def planes(self, state: State, still: np.ndarray) -> np.ndarray:
        """Returns the images of all players, [G, P, 11, 11, 7] uint8."""
        board, games = still.copy(), np.arange(len(still))
        place, flag = self._padded[state.place], self._padded[state.flag]
        bits = np.where(self._team, 4, 2) + 32 * state.carrying
        bits = np.where(state.out == 0, bits, 0).astype(np.uint8)
        for player in range(place.shape[1]):
            board[games, place[:, player]] |= bits[:, player]
        for team, bit in enumerate((8, 16)):
            board[games, flag[:, team]] |= np.uint8(bit)
        tiles = place[:, :, None] + self._offsets[state.heading]
        codes = board.ravel().take(tiles + (games * board.shape[1])[:, None, None])
        shape = (*place.shape, SIDE, SIDE, PLANES)
        return self._planes[self._team[:, None], codes].reshape(shape)

    def numbers(self, state: State) -> np.ndarray:
        """Returns the vectors of all players, [G, P, 6] float32."""
        config, score = self._config, np.minimum(state.score, MOST_SCORE) / MOST_SCORE
        left = np.full(state.place.shape, 1 - state.steps / config.length)
        parts = [
            state.cooldown / COOLDOWN,
            state.carrying,
            state.out / config.out_steps,
            score[:, self._team],
            score[:, 1 - self._team],
            left,
        ]
        return np.stack(parts, -1).astype(np.float32)


def pictures(planes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Draws observations, planes [..., 11, 11, 7] and numbers [..., 6], as [..., 84, 84, 3] uint8.

    A tile takes 7 x 7 pixels; under the 77 rows of tiles lie six gray fields, as bright as the numbers are large.
    """
    batch = planes.shape[:-3]
    codes = np.packbits(planes.reshape(-1, PLANES) > 0, axis=1, bitorder="little")
    tiles = _TILES[codes.reshape(-1, SIDE, SIDE)].transpose(0, 1, 3, 2, 4, 5)
    picture = np.zeros((len(tiles), PIXELS, PIXELS, 3), np.uint8)
    picture[:, : SIDE * TILE, 3 : 3 + SIDE * TILE] = tiles.reshape(
        len(tiles), SIDE * TILE, SIDE * TILE, 3
    )
    gray = np.round(255 * numbers.reshape(-1, 1, NUMBERS, 1)).astype(np.uint8)
    picture[:, SIDE * TILE :] = gray.repeat(PIXELS // NUMBERS, 2)
    return picture.reshape(*batch, PIXELS, PIXELS, 3)


def _offsets(width: int) -> np.ndarray:
    """Returns [4, 121], what to add to a tile for the tiles in view, by heading; row 0 is farthest ahead."""
    ways = np.array([-width, 1, width, -1])
    ahead, right = np.meshgrid(
        REACH - np.arange(SIDE), np.arange(SIDE) - REACH, indexing="ij"
    )
    return np.stack(
        [
            (ahead * ways[heading] + right * ways[(heading + 1) % 4]).ravel()
            for heading in range(4)
        ]
    )


def _plane_table() -> np.ndarray:
    """Returns [2, 256, 7] uint8, the planes of a board's code as the two teams see them."""
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    order = [[0, 1, 2, 3, 4, 5, 6], [0, 2, 1, 4, 3, 5, 7]]
    return np.stack([bits[:, each] * 255 for each in order]).astype(np.uint8)


def _tile_table() -> np.ndarray:
    """Returns [128, 7, 7, 3] uint8, how tiles look by their planes' code."""
    y, x = np.mgrid[-3:4, -3:4]
    disc, edge = np.hypot(y, x) < 3.2, np.maximum(abs(y), abs(x)) == 3
    cloth, pole = (x >= -1) & (y <= 0) & (y >= -2) & (x <= 2), (x == -2) & (abs(y) <= 2)
    layers = [
        (0, abs(y) < 4, WALL),
        (6, edge, OWN),
        (1, disc, OWN),
        (2, disc, OTHER),
        (5, disc & (np.hypot(y, x) > 2.2), MARK),
        (3, cloth, OWN),
        (4, cloth, OTHER),
    ]
    tiles = np.full((128, 7, 7, 3), FLOOR, np.uint8)
    for code in range(128):
        for plane, mask, colour in layers:
            if code >> plane & 1:
                tiles[code][mask] = colour
        if code & 24:
            tiles[code][pole] = MARK
            tiles[code][cloth & (y == -2)] = MARK
    return tiles


_TILES = _tile_table()
