"""An environment of one's own: collect apples on a small meadow before the energy runs out.

    python -m launch.check_env --env=examples.custom_env:Collect

docs/custom_env.md walks from here to a trained agent.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])  # up, down, left, right
MEADOW, PLAYER, APPLE = (36, 48, 40), (90, 200, 250), (240, 90, 80)
MEAL = 10  # steps that an apple feeds


class Collect(gymnasium.Env):
    """Walk to the apple: it gives reward 1 and feeds; then the next one appears elsewhere.

    The agent sees a picture and a number, in a dict: `image` [side, side, 2] uint8 has the player in its first channel
    and the apple in its second, `energy` [1] float32 is the share of the energy that is left. The episode terminates
    when none is left: starving is the agent's own fault, nothing comes after it. It is truncated, by us, after `longest`
    steps: the game could have gone on, so the agent still counts on the value of that last state.

    Args:
        side: Cells of the meadow per side.
        longest: Steps after which an episode is truncated.
        render_mode: 'rgb_array' lets training record videos; None renders nothing.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 8}

    def __init__(
        self, side: int = 5, longest: int = 60, render_mode: str | None = "rgb_array"
    ):
        self.side, self.longest, self.render_mode = side, longest, render_mode
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (side, side, 2), np.uint8),
                "energy": spaces.Box(0.0, 1.0, (1,), np.float32),
            }
        )
        self.action_space = spaces.Discrete(len(MOVES))
        self._full = 2 * MEAL  # steps that a full stomach lasts
        self._player = self._apple = np.zeros(2, int)
        self._energy = self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Starts an episode; all randomness comes from self.np_random, so that a seed repeats it."""
        super().reset(seed=seed)
        self._player = self.np_random.integers(self.side, size=2)
        self._place_apple()
        self._energy, self._steps = self._full, 0
        return self._observe(), {}

    def step(
        self, action: int
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Moves, eats, and gets hungrier."""
        self._player = np.clip(self._player + MOVES[action], 0, self.side - 1)
        self._energy -= 1
        self._steps += 1
        eats = np.array_equal(self._player, self._apple)
        if eats:
            self._energy = min(self._energy + MEAL, self._full)
            self._place_apple()
        terminated = self._energy == 0
        truncated = not terminated and self._steps >= self.longest
        return self._observe(), float(eats), terminated, truncated, {}

    def render(self) -> np.ndarray | None:
        """Returns the meadow as a picture [side, side, 3] uint8; small ones are enlarged for videos."""
        if self.render_mode != "rgb_array":
            return None
        picture = np.full((self.side, self.side, 3), MEADOW, np.uint8)
        picture[tuple(self._apple)] = APPLE
        picture[tuple(self._player)] = PLAYER
        return picture

    def _place_apple(self) -> None:
        """Puts the apple on a free cell."""
        free = self.np_random.integers(self.side**2 - 1)
        taken = self._player[0] * self.side + self._player[1]
        cell = free + (free >= taken)
        self._apple = np.array(divmod(int(cell), self.side))

    def _observe(self) -> dict[str, np.ndarray]:
        """Returns new arrays: the agent stores them, so they must not change afterwards."""
        image = np.zeros((self.side, self.side, 2), np.uint8)
        image[(*self._player, 0)] = 255
        image[(*self._apple, 1)] = 255
        energy = np.array([self._energy / self._full], np.float32)
        return {"image": image, "energy": energy}
