"""Catch: a ball falls, a paddle moves; the smallest game with pictures."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

NUM_ROWS, NUM_COLUMNS = 10, 5
PIXELS = 32  # of a cell in the rendered picture
BACKGROUND, BALL, PADDLE = (24, 28, 44), (255, 190, 70), (90, 200, 250)


class Catch(gymnasium.Env):
    """Catch the ball: 1 when it lands on the paddle, -1 when it does not.

    The ball starts in a random column of the top row and falls one row per step; the paddle starts
    in the middle of the bottom row and moves left, stays or moves right. An episode is 9 steps long.
    A random policy returns -0.6 on average (it is where the ball is one time in five), the best one 1. The game is that of bsuite's `catch`.

    The observation is a picture [10, 5, 1] uint8, 255 where the ball and the paddle are.
    """

    action_meanings = ("left", "stay", "right")
    metadata = {"render_modes": ["rgb_array"], "render_fps": 8}

    def __init__(self, render_mode: str | None = None):
        self.render_mode = render_mode
        self.observation_space = spaces.Box(
            0, 255, (NUM_ROWS, NUM_COLUMNS, 1), np.uint8
        )
        self.action_space = spaces.Discrete(3)
        self._ball = (0, 0)
        self._paddle = NUM_COLUMNS // 2

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        """Drops a new ball."""
        super().reset(seed=seed)
        self._ball = (0, int(self.np_random.integers(NUM_COLUMNS)))
        self._paddle = NUM_COLUMNS // 2
        return self._observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Moves the paddle (0 left, 1 stay, 2 right) and lets the ball fall."""
        self._paddle = int(np.clip(self._paddle + action - 1, 0, NUM_COLUMNS - 1))
        self._ball = (self._ball[0] + 1, self._ball[1])
        landed = self._ball[0] == NUM_ROWS - 1
        caught = self._ball[1] == self._paddle
        reward = (1.0 if caught else -1.0) if landed else 0.0
        return self._observe(), reward, landed, False, {}

    def render(self) -> np.ndarray | None:
        """Returns [320, 160, 3] uint8: a round ball, a flat paddle."""
        if self.render_mode != "rgb_array":
            return None
        picture = np.full(
            (NUM_ROWS * PIXELS, NUM_COLUMNS * PIXELS, 3), BACKGROUND, np.uint8
        )
        y, x = np.mgrid[:PIXELS, :PIXELS] - (PIXELS - 1) / 2
        self._cell(picture, NUM_ROWS - 1, self._paddle)[np.abs(y) < PIXELS / 5] = PADDLE
        self._cell(picture, *self._ball)[np.hypot(y, x) < 0.4 * PIXELS] = BALL
        return picture

    def _cell(self, picture: np.ndarray, row: int, column: int) -> np.ndarray:
        top, left = row * PIXELS, column * PIXELS
        return picture[top : top + PIXELS, left : left + PIXELS]

    def _observe(self) -> np.ndarray:
        board = np.zeros((NUM_ROWS, NUM_COLUMNS, 1), np.uint8)
        board[self._ball] = 255
        board[NUM_ROWS - 1, self._paddle] = 255
        return board
