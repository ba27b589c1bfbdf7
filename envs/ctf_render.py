"""Pictures of capture the flag for people: the board from above, and beside it score, clock and events in words."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envs import ctf_map
from envs.ctf_config import CtfConfig
from envs.ctf_rules import EVENTS, State

BOARD, PANEL = 480, 260  # pixels; the board takes as many as are a whole number a tile
FINE = 3  # points per pixel and side, of which it is the mean

BACKGROUND, FLOOR, GRID = (24, 28, 44), (52, 58, 80), (60, 67, 92)
WALL, WALL_TOP = (112, 118, 140), (136, 143, 166)
INK, DIM = (244, 240, 228), (150, 156, 178)
TEAMS = ((72, 148, 255), (255, 92, 72))
SHADES = ((38, 74, 128), (128, 50, 42))
BEAM = (255, 236, 140)
NAMES = ("Blue", "Red")
# What one player did, by the events' names; the rest of the events say the same from another's view.
VERBS = {
    "was_tagged_with_flag": "is tagged, drops the flag",
    "was_tagged_without_flag": "is tagged",
    "captured": "CAPTURES the flag",
    "picked_up": "has the flag",
    "returned": "returns the flag",
}


def sentences(step: int, events: np.ndarray) -> list[str]:
    """Returns what happened at a step of a game in words, such as '31 Blue 2 has the flag'; events [P, 13]."""
    half = len(events) // 2
    return [
        f"{step} {NAMES[player // half]} {player % half + 1} {verb}"
        for name, verb in VERBS.items()
        for player in np.flatnonzero(events[:, EVENTS.index(name)])
    ]


class Painter:
    """Draws games of one kind.

    Args:
        config: The settings.
    """

    def __init__(self, config: CtfConfig):
        self._config = config
        self._tile = BOARD // config.size // 2 * 2 * FINE  # even, as films want it
        self._base = ctf_map.places(config.size, config.team_size).base
        self._fonts = {
            size: ImageFont.load_default(size * FINE) for size in (13, 18, 40)
        }

    def draw(self, state: State, lines: list[str], game: int = 0) -> np.ndarray:
        """Returns a game, [H, W, 3] uint8, about 480 x 740 pixels.

        Args:
            state: Where games stand.
            lines: What happened, the newest last, each beginning with its step.
            game: Which of the games.
        """
        side = self._tile * self._config.size
        picture = Image.new("RGB", (side + PANEL * FINE, side), BACKGROUND)
        pen = ImageDraw.Draw(picture)
        self._draw_board(pen, state.walls[game])
        self._draw_flags(pen, state, game)
        for player in np.argsort(-state.out[game], kind="stable"):
            self._draw_player(pen, state, game, int(player))
        self._draw_panel(pen, state, game, lines)
        size = (picture.width // FINE, picture.height // FINE)
        return np.asarray(picture.resize(size, Image.Resampling.BOX))

    def _draw_board(self, pen: ImageDraw.ImageDraw, walls: np.ndarray) -> None:
        for tile, is_wall in enumerate(walls):
            self._box(pen, tile, 0, GRID)
            self._box(pen, tile, 0.02, FLOOR)
            if is_wall:
                self._box(pen, tile, 0, WALL)
                self._box(pen, tile, 0.1, WALL_TOP)
        for team in (0, 1):
            self._box(pen, self._base[team], 0.02, SHADES[team])
            self._box(pen, self._base[team], 0.12, FLOOR)
            self._box(pen, self._base[team], 0.2, SHADES[team])

    def _draw_flags(self, pen: ImageDraw.ImageDraw, state: State, game: int) -> None:
        for team in (0, 1):
            if state.carrier[game, team] < 0:
                x, y = self._middle(state.flag[game, team])
                self._flag(pen, x, y, self._tile, team)

    def _draw_player(
        self, pen: ImageDraw.ImageDraw, state: State, game: int, player: int
    ) -> None:
        team, number = divmod(player, self._config.team_size)
        x, y = self._middle(state.place[game, player])
        way = np.array([(0, -1), (1, 0), (0, 1), (-1, 0)][state.heading[game, player]])
        if state.beam[game, player]:
            far = np.array([x, y]) + way * state.beam[game, player] * self._tile
            pen.line((x, y, *far.tolist()), BEAM, self._tile // 10)
        if state.out[game, player]:
            arm = 0.18 * self._tile
            for sign in (-1, 1):
                ends = (x - arm, y - sign * arm, x + arm, y + sign * arm)
                pen.line(ends, TEAMS[team], self._tile // 12)
            return
        radius = 0.33 * self._tile
        across = way[::-1]
        corners = np.stack([1.5 * way, 0.8 * across, -0.8 * across]) * radius
        nose = np.array([x, y]) + corners
        pen.polygon([tuple(each) for each in nose.tolist()], INK)
        disc = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(disc, TEAMS[team], INK, self._tile // 24)
        font = self._fonts[18]
        pen.text((x, y), str(number + 1), INK, font, anchor="mm")
        carried = np.flatnonzero(state.carrier[game] == player)
        for flag in carried.tolist():
            above = (x + 0.22 * self._tile, y - 0.26 * self._tile)
            self._flag(pen, *above, self._tile * 0.8, flag)

    def _draw_panel(
        self, pen: ImageDraw.ImageDraw, state: State, game: int, lines: list[str]
    ) -> None:
        left = self._tile * self._config.size + 16 * FINE
        right = left + (PANEL - 32) * FINE
        middle = (left + right) / 2
        for team, x in ((0, left + 48 * FINE), (1, right - 48 * FINE)):
            pen.text((x, 24 * FINE), NAMES[team], TEAMS[team], self._fonts[18], "mm")
            score = str(state.score[game, team])
            pen.text((x, 58 * FINE), score, INK, self._fonts[40], "mm")
        pen.text((middle, 58 * FINE), ":", DIM, self._fonts[40], "mm")
        length, top = self._config.length, 92 * FINE
        part = left + (right - left) * state.steps / length
        pen.rectangle((left, top, right, top + 6 * FINE), FLOOR)
        pen.rectangle((left, top, part, top + 6 * FINE), DIM)
        clock = f"step {state.steps} of {length}"
        pen.text((left, 114 * FINE), clock, DIM, self._fonts[13], "lm")
        for row, line in enumerate(reversed(lines)):
            self._line(pen, left, (150 + 32 * row) * FINE, line)

    def _line(self, pen: ImageDraw.ImageDraw, x: float, y: float, line: str) -> None:
        """Writes an event: its step, its player in the team's colour, and what it did."""
        step, team, number, rest = line.split(" ", 3)
        font = self._fonts[13]
        pen.text((x, y), step, DIM, font, "lm")
        colour = TEAMS[NAMES.index(team)]
        pen.text((x + 32 * FINE, y), f"{team} {number}", colour, font, "lm")
        pen.text((x + 80 * FINE, y), rest, INK, font, "lm")

    def _flag(
        self, pen: ImageDraw.ImageDraw, x: float, y: float, scale: float, team: int
    ) -> None:
        top, foot, pole = y - 0.34 * scale, y + 0.34 * scale, x - 0.18 * scale
        pen.line((pole, top, pole, foot), INK, max(1, round(scale / 14)))
        tip = (pole + 0.5 * scale, top + 0.18 * scale)
        cloth = [(pole, top), tip, (pole, top + 0.36 * scale)]
        pen.polygon(cloth, TEAMS[team], INK)

    def _box(
        self, pen: ImageDraw.ImageDraw, tile: int, margin: float, colour: tuple
    ) -> None:
        x, y = self._middle(tile)
        half = (0.5 - margin) * self._tile
        pen.rectangle((x - half, y - half, x + half - 1, y + half - 1), colour)

    def _middle(self, tile: int) -> tuple[float, float]:
        y, x = divmod(int(tile), self._config.size)
        return (x + 0.5) * self._tile, (y + 0.5) * self._tile
