"""Dials: as many choices at once as there are dials, each right or wrong by itself."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

STEPS = 10  # of an episode
CELL, GAP = 40, 8  # pixels of a position, and between two of them
BACKGROUND, EMPTY, ASKED = (24, 28, 44), (66, 76, 112), (255, 190, 70)
RIGHT, WRONG = (60, 180, 90), (210, 70, 70)


class Dials(gymnasium.Env):
    """Turn every dial to the position that is asked of it; the reward of a step is the share of dials turned right.

    The positions asked are uniform and new at every step. An episode has ten steps, so its return is between 0 and 10,
    and 10 / `positions` on average by uniform actions. With five dials of four positions there are 1,024 joint actions:
    what a policy promises is better sampled than enumerated.

    Observations are MultiDiscrete: the position asked of each dial. Actions are MultiDiscrete: the position of each.

    Args:
        dials: N, at least 1.
        positions: K of each dial, at least 2.
        render_mode: 'rgb_array' or None.

    Raises:
        ValueError: For no dials, or fewer than two positions.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(
        self, dials: int = 5, positions: int = 4, render_mode: str | None = None
    ):
        if dials < 1 or positions < 2:
            raise ValueError(
                f"dials={dials} and positions={positions} came, but at least one dial of at least two positions is expected"
            )
        self.render_mode = render_mode
        self.observation_space = spaces.MultiDiscrete([positions] * dials)
        self.action_space = spaces.MultiDiscrete([positions] * dials)
        self._shape = positions, dials
        self._asked = np.zeros(dials, np.int64)
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._time = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        """Asks for the first positions."""
        super().reset(seed=seed)
        self._time, self._before = 0, None
        return self._ask(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Turns the dials, and asks for other positions."""
        turned = np.array(action)
        reward = float(np.mean(turned == self._asked))
        self._before = self._asked, turned
        self._time += 1
        return self._ask(), reward, self._time == STEPS, False, {}

    def render(self) -> np.ndarray | None:
        """Returns [H, W, 3] uint8: a column per dial with what is asked now, and left of it the last step's, coloured by right and wrong."""
        if self.render_mode != "rgb_array":
            return None
        now = self._lamps(self._asked, None)
        before = self._lamps(*(self._before or (None, None)))
        space = np.full((now.shape[0], CELL, 3), BACKGROUND, np.uint8)
        return np.concatenate([before, space, now], 1)

    def _ask(self) -> np.ndarray:
        positions, dials = self._shape
        self._asked = self.np_random.integers(positions, size=dials)
        return self._asked.copy()

    def _lamps(self, asked: np.ndarray | None, turned: np.ndarray | None) -> np.ndarray:
        """[H, W, 3]: a lamp per position, framed where it was asked, filled where a dial was turned to it."""
        positions, dials = self._shape
        colours = np.full((positions, dials, 3), EMPTY, np.uint8)
        frames = colours.copy()
        every = np.arange(dials)
        if asked is not None:
            frames[asked, every] = ASKED
            if turned is None:
                colours[asked, every] = ASKED
            else:
                right = (asked == turned)[:, None]
                colours[turned, every] = np.where(right, RIGHT, WRONG)
                frames[turned, every] = np.where(right, ASKED, WRONG)
        pitch = CELL + GAP
        page = np.full((positions * pitch + GAP, dials * pitch + GAP, 3), BACKGROUND, np.uint8)  # fmt: skip
        for row in range(positions):
            for column in range(dials):
                top, left = GAP + row * pitch, GAP + column * pitch
                page[top : top + CELL, left : left + CELL] = frames[row, column]
                page[top + 5 : top + CELL - 5, left + 5 : left + CELL - 5] = colours[row, column]  # fmt: skip
        return page
