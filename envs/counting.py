"""Counting: environments whose every row can be told right or wrong, to prove the machinery around them.

The observation is `vector` = (counter, last action, episode number), the counter being the steps since
the reset; on request there is a small `image` derived from it. Then, within an episode,

    vector_t = (counter_{t-1} + 1, action_t, number_{t-1}),
    reward_t = counter_t + action_t / 8,

and the episode's number alone says after how many steps it ends, and whether it is terminated or
truncated. Every number is exact in float32. `check_rows` asserts all this for any stored rows.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from envs.api import Spaces
from envs.reset_mask import Turn

NUM_ACTIONS = 4
LONGEST = 9  # steps of the longest episode, unless told otherwise
NUMBERS_PER_STREAM = 1000


def episode_number(stream: Any, index: Any) -> Any:
    """Returns the number of a stream's episode; streams (from seeds) and indices count modulo 1000."""
    return NUMBERS_PER_STREAM * (stream % 1000) + index % NUMBERS_PER_STREAM


def episode_length(number: Any, longest: int = LONGEST) -> Any:
    """Returns after how many steps episodes end: 1 to `longest`."""
    number = np.asarray(number, np.int64)
    return 1 + (7 * number + 3 * (number // NUMBERS_PER_STREAM)) % longest


def is_terminal(number: Any) -> Any:
    """Returns whether episodes end by termination (two of three) or by truncation."""
    return np.asarray(number, np.int64) % 3 != 0


def expected_next(vector: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Returns the vectors [..., 3] that follow when action [...] is taken in an episode."""
    return np.stack([vector[..., 0] + 1, action, vector[..., 2]], -1).astype(np.float32)


def expected_reward(vector: np.ndarray) -> np.ndarray:
    """Returns the rewards [...] received on arriving at vectors [..., 3]."""
    return (vector[..., 0] + vector[..., 1] / 8).astype(np.float32)


def expected_image(vector: np.ndarray) -> np.ndarray:
    """Returns the images [..., 4, 4, 1] uint8 of vectors [..., 3]."""
    counter, action, number = np.moveaxis(vector.astype(np.int64), -1, 0)[..., None]
    pixels = counter + 16 * action + 5 * (number % 50) + np.arange(16)
    return (pixels % 256).astype(np.uint8).reshape(*vector.shape[:-1], 4, 4, 1)


def check_rows(rows: dict[str, np.ndarray], longest: int = LONGEST) -> None:
    """Asserts that stored rows are what the counting environments produce.

    Args:
        rows: Time-major [T, B, ...]: 'observation/vector', 'action', 'reward', 'discount', 'is_first',
            'is_last' and, if stored, 'observation/image'. Other keys are ignored.
        longest: As given to the environment.

    Raises:
        AssertionError: Naming what differs. Windows may start anywhere and may hold cuts (an is_first
            row after a row without is_last).
    """
    vector = np.asarray(rows["observation/vector"], np.float32)
    action, is_first = np.asarray(rows["action"]), np.asarray(rows["is_first"], bool)
    is_last = np.asarray(rows["is_last"], bool)
    counter, number = vector[..., 0], vector[..., 2]
    ends = ~is_first & (counter == episode_length(number, longest))
    _equal("counter of first rows", counter[is_first], 0)
    _equal("last action and the action that led here", vector[..., 1], action)
    _equal("action of first rows", action[is_first], 0)
    _equal("reward", rows["reward"], np.where(is_first, 0, expected_reward(vector)))
    _equal("is_last", is_last, ends)
    _equal("discount", rows["discount"], 1 - (ends & is_terminal(number)))
    if "observation/image" in rows:
        _equal("image", rows["observation/image"], expected_image(vector))
    goes_on = ~is_first[1:]
    following = expected_next(vector[:-1], action[1:])
    _equal("the row after a last one is first", is_last[:-1] & goes_on, False)
    _equal("next vector", vector[1:][goes_on], following[goes_on])


def _equal(what: str, got: Any, want: Any) -> None:
    np.testing.assert_array_equal(got, want, err_msg=f"counting: {what}")


class Counting(gymnasium.Env):
    """One counting environment.

    Args:
        image: Whether observations have the image as well.
        longest: Steps of the longest episode.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 8}

    def __init__(
        self,
        image: bool = False,
        longest: int = LONGEST,
        render_mode: str | None = None,
    ):
        self.render_mode = render_mode
        self.observation_space = spaces.Dict(dict(_observation_spaces(image)))
        self.action_space = spaces.Discrete(NUM_ACTIONS)
        self._image = image
        self._longest = longest
        self._stream = 0
        self._index = -1
        self._vector = np.zeros(3, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict]:
        """Starts the stream's next episode; a seed starts the stream of that number."""
        super().reset(seed=seed)
        if seed is not None:
            self._stream, self._index = seed, -1
        self._index += 1
        number = episode_number(self._stream, self._index)
        self._vector = np.array([0, 0, number], np.float32)
        return _observation(self._vector, self._image), {}

    def step(
        self, action: int
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict]:
        """Counts one further."""
        self._vector = expected_next(self._vector, np.asarray(action))
        number = self._vector[2]
        ended = bool(self._vector[0] == episode_length(number, self._longest))
        terminal = bool(is_terminal(number))
        reward = float(expected_reward(self._vector))
        observation = _observation(self._vector, self._image)
        return observation, reward, ended and terminal, ended and not terminal, {}

    def render(self) -> np.ndarray | None:
        """Returns the image in RGB, [4, 4, 3] uint8."""
        if self.render_mode != "rgb_array":
            return None
        return expected_image(self._vector).repeat(3, -1)


class CountingGame:
    """Counting for several players, as a game with a reset mask.

    Each player counts on a stream of its own and leaves when its own episode ends; its rows are then
    is_first until the last player of its game has left and the game starts again.

    Args:
        num_envs: Rows; those of one game stand together.
        players: Of one game; divides num_envs.
        image: Whether observations have the image as well.
        longest: Steps of the longest episode.
    """

    frames_per_step = 1

    def __init__(
        self,
        num_envs: int = 1,
        players: int = 1,
        image: bool = False,
        longest: int = LONGEST,
    ):
        if num_envs % players:
            raise ValueError(
                f"num_envs counts rows: got {num_envs}, expected a multiple of players={players}"
            )
        self.num_envs = num_envs
        info: dict[str, spaces.Box] = {
            "counter": spaces.Box(0.0, np.inf, (1,), np.float32)
        }
        self.spaces = Spaces(
            _observation_spaces(image), spaces.Discrete(NUM_ACTIONS), info
        )
        self._players = players
        self._image = image
        self._longest = longest
        self._stream = np.arange(num_envs)
        self._index = np.full(num_envs, -1)
        self._waiting = np.ones(num_envs, bool)
        self._vector = np.zeros((num_envs, 3), np.float32)

    def reset(self, seed: int | None) -> Turn:
        """Starts every game; a seed starts the streams seed, seed + 1, ..."""
        if seed is not None:
            self._stream = seed + np.arange(self.num_envs)
            self._index = np.full(self.num_envs, -1)
        everyone = np.ones(self.num_envs, bool)
        self._start(everyone)
        self._waiting = ~everyone
        return self._turn(everyone)

    def step(self, action: np.ndarray, reset_mask: np.ndarray) -> Turn:
        """Counts one further where players play; starts games that all players have left."""
        left = self._waiting | reset_mask
        all_left = left.reshape(-1, self._players).all(1).repeat(self._players)
        playing = ~left
        self._vector[playing] = expected_next(self._vector[playing], action[playing])
        self._start(reset_mask)
        self._waiting = left & ~all_left
        return self._turn(left)

    def _start(self, rows: np.ndarray) -> None:
        self._index[rows] += 1
        numbers = episode_number(self._stream, self._index)
        self._vector[rows] = np.stack([0 * numbers, 0 * numbers, numbers], -1)[rows]

    def _turn(self, is_first: np.ndarray) -> Turn:
        number = self._vector[:, 2]
        ended = self._vector[:, 0] == episode_length(number, self._longest)
        return Turn(
            _observation(self._vector, self._image),
            np.where(is_first, 0, expected_reward(self._vector)),
            ended & is_terminal(number),
            ended & ~is_terminal(number),
            is_first,
            {"counter": self._vector[:, :1]},
        )


def _observation(vector: np.ndarray, image: bool) -> dict[str, np.ndarray]:
    observation = {"vector": vector.copy()}
    return observation | ({"image": expected_image(vector)} if image else {})


def _observation_spaces(image: bool) -> dict[str, spaces.Box]:
    boxes: dict[str, spaces.Box] = {"vector": spaces.Box(0.0, np.inf, (3,), np.float32)}
    if image:
        boxes["image"] = spaces.Box(0, 255, (4, 4, 1), np.uint8)
    return boxes
