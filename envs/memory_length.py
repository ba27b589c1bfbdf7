"""Memory length: a cue at the start of a corridor says which arm to take at its end."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

HEIGHT, WIDTH = 160, 480  # pixels of the rendered picture
START, JUNCTION = (
    56,
    424,
)  # where the walker is at the first and the last step, pixels from the left
MIDDLE, ARMS = 80, (32, 128)  # the corridor and the arms' ends, pixels from the top
BACKGROUND, FLOOR, WALKER = (24, 28, 44), (66, 76, 112), (90, 200, 250)
CUE, FADED = (255, 190, 70), (88, 76, 62)
LIGHTS = (48, 56, 84), (150, 160, 200)
RIGHT, WRONG = (60, 180, 90), (210, 70, 70)


class MemoryLength(gymnasium.Env):
    """Remember one bit over a corridor: 1 for the arm that the cue named, -1 for the other.

    The cue, up or down with equal chance, is shown with the first observation alone. Then there is only the
    clock, and at step length - 1 the flag of the junction: the action chosen there is the answer, it ends the
    episode, and its reward is the only one that is not 0. Actions before it do nothing. An episode has
    `length` actions. A policy without memory returns 0 on average, the best one 1. The game is that of
    bsuite's `memory_len`, a T-maze without walking.

    Observations are a Dict: 'cue' Discrete(3), 0 nothing, 1 up, 2 down; 'clock' [1] float32, t / (length - 1), and
    1 when the episode has ended; 'junction' Discrete(2), 1 where to answer; and with distractors 'distractors'
    MultiBinary, random bits that are new at every step and mean nothing.

    Args:
        length: Actions of an episode, at least 2; the cue is to be kept over length - 1 of them.
        distractors: Random bits.
        render_mode: 'rgb_array' or None.

    Raises:
        ValueError: For a length below 2 or a negative number of distractors.

    References:
        Osband et al. 2019, Behaviour Suite for Reinforcement Learning (arXiv 1908.03568), memory length.
    """

    action_meanings = ("up", "down")
    metadata = {"render_modes": ["rgb_array"], "render_fps": 8}

    def __init__(
        self, length: int = 40, distractors: int = 0, render_mode: str | None = None
    ):
        if length < 2 or distractors < 0:
            raise ValueError(
                f"length={length} and distractors={distractors} came, but a length of at least 2 (the cue's step and "
                "the junction's) and no negative number of distractors are expected"
            )
        self.render_mode = render_mode
        self.action_space = spaces.Discrete(2)
        parts: dict[str, gymnasium.Space] = {
            "cue": spaces.Discrete(3),
            "clock": spaces.Box(0.0, 1.0, (1,), np.float32),
            "junction": spaces.Discrete(2),
        }
        if distractors:
            parts["distractors"] = spaces.MultiBinary(distractors)
        self.observation_space = spaces.Dict(parts)
        self._length = length
        self._bits = np.zeros(distractors, np.int8)
        self._cue = 0
        self._answer: int | None = None
        self._time = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict]:
        """Draws a cue and shows it."""
        super().reset(seed=seed)
        self._cue = int(self.np_random.integers(2))
        self._answer = None
        self._time = 0
        return self._observe(), {}

    def step(self, action: int) -> tuple[dict[str, Any], float, bool, bool, dict]:
        """Walks on, or at the junction takes an arm (0 up, 1 down)."""
        reward = 0.0
        if self._time == self._length - 1:
            self._answer = int(action)
            reward = 1.0 if self._answer == self._cue else -1.0
        self._time += 1
        return self._observe(), reward, self._answer is not None, False, {}

    def render(self) -> np.ndarray | None:
        """Returns [160, 480, 3] uint8: the corridor, the walker, the two arms; the cue fades after its step."""
        if self.render_mode != "rgb_array":
            return None
        picture = np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.uint8)
        y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
        corridor = (np.abs(y - MIDDLE) < 18) & (x > START - 18) & (x < JUNCTION)
        arms = (np.abs(x - JUNCTION) < 18) & (np.abs(y - MIDDLE) < 66)
        picture[corridor | arms] = FLOOR
        # A triangle whose tip shows the way, on that side of the corridor.
        tip = -1 if self._cue == 0 else 1
        depth = tip * (y - MIDDLE) - 28
        sign = (depth > 0) & (np.abs(x - START) < 20 - depth)
        picture[sign] = FADED if self._time else CUE
        self._draw_lights(picture)
        place = START + (JUNCTION - START) * min(1, self._clock())
        row = MIDDLE
        if self._answer is not None:
            row = ARMS[self._answer]
            end = arms & (np.abs(y - row) < 18)
            picture[end] = RIGHT if self._answer == self._cue else WRONG
        picture[np.hypot(y - row, x - place) < 12] = WALKER
        return picture

    def _draw_lights(self, picture: np.ndarray) -> None:
        """Draws the distractors as a row of lights over the corridor."""
        if not len(self._bits):
            return
        pitch = min(24, 280 // len(self._bits))
        for index, bit in enumerate(self._bits):
            left = 2 * START + index * pitch
            picture[30:46, left : left + max(1, pitch - 6)] = LIGHTS[bit]

    def _clock(self) -> float:
        return min(1.0, self._time / (self._length - 1))

    def _observe(self) -> dict[str, Any]:
        observation: dict[str, Any] = {
            "cue": np.int64(0 if self._time else 1 + self._cue),
            "clock": np.array([self._clock()], np.float32),
            "junction": np.int64(self._time == self._length - 1),
        }
        if len(self._bits):
            self._bits = self.np_random.integers(0, 2, len(self._bits), np.int8)
            observation["distractors"] = self._bits.copy()
        return observation
