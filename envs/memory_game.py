"""The game of pairs ("pexeso"): cards lie face down, and who remembers them finds the pairs."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

MOST_CARDS = 32
PAIR, OTHERWISE = 2.0, -1.0  # rewards
SIDE = 64  # pixels of the picture that agents see
PIXELS = 336  # across, of the picture for people: whole cards where 2, 3, 4 or 6 lie in a row
FINE = 4  # points per pixel and side, of which it is the mean

BACKGROUND, BACK, BACK_MARK = (24, 28, 44), (62, 72, 110), (84, 96, 140)
FACE = (244, 240, 228)
COLOURS = (
    (214, 40, 40),
    (24, 92, 220),
    (22, 140, 60),
    (240, 140, 0),
    (140, 50, 190),
    (0, 165, 185),
    (225, 70, 160),
    (70, 62, 58),
)


class MemoryGame(gymnasium.Env):
    """Turn the cards one after another; each pair found scores, each other turn costs.

    There are N cards and N/2 symbols, two cards each, shuffled at reset, which turns card 0. Action i < N turns
    card i, action N the first card that was never turned (when there is none, card N - 1). A card lies face
    down again when the next one is turned, also one whose pair was found. The reward is 2 for turning the
    partner of the card turned just before, where this pair was not found yet; else -1.

    An episode terminates when all pairs are found, and after 2N actions: this limit is one of the rules, so
    that it terminates the episode too and does not truncate it. Perfect memory returns 2 on average, from 1 to
    N/2 + 1; uniform actions -2.94, -7.3, -11.3, -19.0 and -26.8 for 4, 6, 8, 12 and 16 cards.

    Observations are MultiDiscrete: the card turned, of N, and its symbol, of N/2. With pictures they are
    [64, 64, 3] uint8: the table with all cards face down but the one just turned.

    Args:
        cards: N, even, 4 to 32.
        pictures: Whether observations are pictures.
        render_mode: 'rgb_array' or None.

    Raises:
        ValueError: For another number of cards.

    References:
        Wayne et al. 2018 (arXiv 1803.10760), whose memory game has 16 cards; the rules are those of the
        assignment `memory_game` of the lecture NPFL122 (github.com/ufal/npfl122, tasks/memory_game.md).
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 2}

    def __init__(
        self, cards: int = 8, pictures: bool = False, render_mode: str | None = None
    ):
        if cards % 2 or not 4 <= cards <= MOST_CARDS:
            raise ValueError(
                f"cards={cards} came, but an even number from 4 to {MOST_CARDS} is expected: every symbol is on two"
            )
        self.render_mode = render_mode
        self.action_meanings = (*(f"card {card}" for card in range(cards)), "next")
        self.action_space = spaces.Discrete(cards + 1)
        self.observation_space: gymnasium.Space = spaces.MultiDiscrete(
            [cards, cards // 2]
        )
        if pictures:
            self.observation_space = spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)
        self._table = Table(cards, SIDE, SIDE) if pictures else None
        self._large: Table | None = None  # for people; made when first drawn
        self._cards = cards
        self._symbols = np.zeros(cards, np.int64)
        self._last = 0
        self._turned = np.zeros(cards, bool)
        self._found = np.zeros(cards // 2, bool)
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        """Shuffles the cards and turns card 0."""
        super().reset(seed=seed)
        in_order = np.repeat(np.arange(self._cards // 2), 2)
        self._symbols = self.np_random.permutation(in_order)
        self._found[:] = self._turned[:] = False
        self._turned[0] = True
        self._last = self._steps = 0
        return self._observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Turns a card (N: the first one never turned)."""
        card = self._next() if action == self._cards else int(action)
        symbol = self._symbols[card]
        partner = card != self._last and symbol == self._symbols[self._last]
        reward = PAIR if partner and not self._found[symbol] else OTHERWISE
        self._found[symbol] |= partner
        self._turned[card] = True
        self._last = card
        self._steps += 1
        ended = bool(self._found.all()) or self._steps == 2 * self._cards
        return self._observe(), reward, ended, False, {}

    def render(self) -> np.ndarray | None:
        """Returns the table, 336 pixels wide, RGB uint8; found pairs lie there dimmed."""
        if self.render_mode != "rgb_array":
            return None
        self._large = self._large or Table(self._cards, PIXELS)
        found = np.flatnonzero(self._found[self._symbols])
        return self._large.draw(self._symbols, self._last, found)

    def _next(self) -> int:
        unused = np.flatnonzero(~self._turned)
        return int(unused[0]) if len(unused) else self._cards - 1

    def _observe(self) -> np.ndarray:
        if self._table is not None:
            return self._table.draw(self._symbols, self._last)
        return np.array([self._last, self._symbols[self._last]], np.int64)


class Table:
    """Draws cards in rows, as near to a square as their number allows.

    Args:
        cards: N.
        width: Pixels.
        height: Pixels, the rows in their middle; None is as high as the rows.
    """

    def __init__(self, cards: int, width: int, height: int | None = None):
        columns = int(np.ceil(np.sqrt(cards)))
        rows = -(-cards // columns)
        self._cell = width // columns
        height = height or rows * self._cell
        left = (width - columns * self._cell) // 2
        top = (height - rows * self._cell) // 2
        self._places = [
            (top + card // columns * self._cell, left + card % columns * self._cell)
            for card in range(cards)
        ]
        self._faces = [card_face(k, self._cell) for k in range(cards // 2)]
        self._empty = np.full((height, width, 3), BACKGROUND, np.uint8)
        self._put(self._empty, range(cards), card_back(self._cell))

    def draw(
        self, symbols: np.ndarray, card: int, dimmed: np.ndarray | tuple = ()
    ) -> np.ndarray:
        """Returns the table [height, width, 3] uint8, face down but for one card and those dimmed.

        Args:
            symbols: [N], of each card.
            card: The card that shows its face.
            dimmed: Cards that show it darkened.
        """
        picture = self._empty.copy()
        for each in dimmed:
            self._put(picture, [each], _dim(self._faces[symbols[each]]))
        self._put(picture, [card], self._faces[symbols[card]])
        return picture

    def _put(self, picture: np.ndarray, cards: Any, tile: np.ndarray) -> None:
        for top, left in (self._places[card] for card in cards):
            picture[top : top + self._cell, left : left + self._cell] = tile


def card_face(symbol: int, cell: int) -> np.ndarray:
    """Returns [cell, cell, 3] uint8: symbol 0 to 7 in shapes and colours of its own, 8 to 15 in other pairings."""
    y, x = _grid(cell)
    shapes = _shapes(1.5 * y, 1.5 * x)
    turn, kind = divmod(symbol, len(shapes))
    colour = COLOURS[(kind + 3 * turn) % len(COLOURS)]
    return _paint(y, x, FACE, shapes[kind], colour)


def card_back(cell: int) -> np.ndarray:
    """Returns [cell, cell, 3] uint8: a dark card with a lighter diamond."""
    y, x = _grid(cell)
    return _paint(y, x, BACK, np.abs(y) + np.abs(x) < 0.4, BACK_MARK)


def _dim(tile: np.ndarray) -> np.ndarray:
    """Mixes a tile with the background, two to three."""
    mixed = 0.4 * tile + 0.6 * np.array(BACKGROUND)
    return np.round(mixed).astype(np.uint8)


def _shapes(y: np.ndarray, x: np.ndarray) -> list[np.ndarray]:
    """Returns masks of eight shapes that fill -1 to 1."""
    radius, ay, ax = np.hypot(y, x), np.abs(y), np.abs(x)
    largest = np.maximum(ay, ax)
    return [
        radius < 0.95,  # disc
        (ax < 1.8 * (y + 0.9) / 3) & (y < 0.8),  # triangle
        (np.minimum(ay, ax) < 0.3) & (largest < 0.95),  # plus
        (radius < 1) & (radius > 0.5),  # ring
        largest < 0.8,  # square
        (np.abs(ay - ax) < 0.38) & (largest < 0.9),  # cross
        (ay < ax + 0.1) & (ax < 0.95),  # bow tie
        (np.abs(ay - 0.55) < 0.3) & (ax < 0.9),  # two bars
    ]


def _grid(cell: int) -> np.ndarray:
    """Returns y and x of the points of a cell, -1 to 1."""
    points = (np.arange(cell * FINE) + 0.5) / (cell * FINE) * 2 - 1
    return np.stack(np.meshgrid(points, points, indexing="ij"))


def _paint(
    y: np.ndarray, x: np.ndarray, card: Any, shape: np.ndarray, colour: Any
) -> np.ndarray:
    """Returns a card with rounded corners and a shape on it, with smooth edges."""
    corner = np.hypot(np.maximum(np.abs(y) - 0.7, 0), np.maximum(np.abs(x) - 0.7, 0))
    picture = np.full((*y.shape, 3), BACKGROUND, np.float32)
    picture[corner < 0.2] = card
    picture[shape] = colour
    cell = len(y) // FINE
    blocks = picture.reshape(cell, FINE, cell, FINE, 3)
    return np.round(blocks.mean((1, 3))).astype(np.uint8)
