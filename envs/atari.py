"""Atari through ale-py's own vector environment in C++."""

import difflib
from typing import Any

import gymnasium
import numpy as np

from envs import actions, images
from envs.api import NativeSpaces, Spaces, Step
from envs.extras import require
from envs.seeding import row_seeds

FRAME_SKIP = 4
MAX_FRAMES = (
    108_000  # half an hour of play; the library counts them from the no-op start on
)
# What no option changes, in the words of ale-py's vector environment.
FIXED: dict[str, Any] = {
    "frameskip": FRAME_SKIP,
    "maxpool": True,
    "stack_num": 1,
    "reward_clipping": False,
    "episodic_life": False,
    "use_fire_reset": False,
}
TWO_PLAYER_ONLY = ("combat", "joust", "maze_craze", "warlords")


def find_rom(name: str) -> str:
    """Returns the ROM's snake_case name for 'Pong', 'MsPacman' or 'ms_pacman'.

    Raises:
        ValueError: If there is no such game, with the near names.
        ImportError: If ale-py is missing.
    """
    require("ale_py", "atari")
    from ale_py import roms

    known = {
        _plain(rom): rom for rom in roms.get_all_rom_ids() if rom not in TWO_PLAYER_ONLY
    }
    plain = _plain(name)
    if plain in known:
        return known[plain]
    if plain in map(_plain, TWO_PLAYER_ONLY):
        raise ValueError(f"the Atari game {name!r} has no mode for one player")
    near = [known[key] for key in difflib.get_close_matches(plain, known, 5, 0.5)]
    raise ValueError(f"unknown Atari game {name!r}; near names: {near or list(known)}")


class AtariEnvs:
    """B copies of one game, played by a thread pool.

    An agent step is 4 frames, of which the last two are maximised; rewards are the game's own; lives
    do not end episodes. Without `grayscale=False` a picture has one channel. Observations are
    {"image": [B, size, size, C] uint8}.

    Args:
        name: 'atari:Game'.
        game: The ROM's snake_case name.
        num_envs: B.
        seed: Of the first reset.
        num_threads: Of the emulator pool; 0 lets the library choose.
        sticky: Probability that a frame repeats the previous action.
        noop_max: Up to so many no-op frames start an episode.
        full_action_space: All 18 actions instead of the game's own.
        grayscale: One channel instead of RGB.
        size: Pixels a side.
        max_frames: Frames after which an episode is truncated.

    Raises:
        ValueError: If an action is not in the action space (the library would hang for ever).
    """

    frames_per_step = FRAME_SKIP

    def __init__(
        self,
        name: str,
        game: str,
        num_envs: int = 1,
        seed: int = 0,
        *,
        num_threads: int = 0,
        sticky: float = 0.25,
        noop_max: int = 30,
        full_action_space: bool = False,
        grayscale: bool = True,
        size: int = 64,
        max_frames: int = MAX_FRAMES,
    ):
        from ale_py.vector_env import AtariVectorEnv

        self.name = name
        self.num_envs = num_envs
        self._seed: int | None = seed
        self._grayscale = grayscale
        self._envs: Any = AtariVectorEnv(
            game,
            num_envs,
            num_threads=num_threads,
            max_num_frames_per_episode=max_frames,
            repeat_action_probability=sticky,
            full_action_space=full_action_space,
            img_height=size,
            img_width=size,
            grayscale=grayscale,
            noop_max=noop_max,
            **FIXED,
        )
        channels = 1 if grayscale else 3
        self.spaces = Spaces(
            {"image": gymnasium.spaces.Box(0, 255, (size, size, channels), np.uint8)},
            actions.canonical_space(self._envs.single_action_space),
        )
        words = [
            str(action).split(".")[-1] for action in self._envs.ale.get_action_set()
        ]
        self.native = NativeSpaces(
            dict(self.spaces.observation),
            self._envs.single_action_space,
            tuple(words),
        )
        self._is_last: np.ndarray | None = None
        self._picture: np.ndarray | None = None

    def reset(self, seed: int | None = None) -> Step:
        """Starts new episodes in all rows; with a seed, from streams that depend on it alone."""
        seed, self._seed = self._seed if seed is None else seed, None
        seeds = None if seed is None else np.array(row_seeds(seed, self.num_envs))
        frames, _ = self._envs.reset(seed=seeds)
        nothing = np.zeros(self.num_envs, bool)
        return self._to_step(
            frames,
            actions.zero_action(self.spaces.action, self.num_envs),
            np.zeros(self.num_envs),
            nothing,
            nothing,
            ~nothing,
        )

    def step(self, action: np.ndarray) -> Step:
        """Steps every row with action [B]; a row that was last is reset instead."""
        if self._is_last is None:
            raise RuntimeError("step before reset: call reset first")
        action = actions.check_action(self.spaces.action, action, self.num_envs)
        is_first = self._is_last
        frames, reward, terminated, truncated, _ = self._envs.step(action)
        action = actions.mask_rows(action, is_first)
        return self._to_step(frames, action, reward, terminated, truncated, is_first)

    def render(self) -> np.ndarray | None:
        """Returns what row 0 shows, as an RGB picture [H, W, 3] uint8."""
        return None if self._picture is None else images.to_picture(self._picture)

    def close(self) -> None:
        """Frees the emulators; may be called twice."""
        self._envs = None

    def _to_step(
        self,
        frames: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        is_first: np.ndarray,
    ) -> Step:
        image = frames[:, 0, :, :, None] if self._grayscale else frames[:, 0]
        self._picture = image[0]
        self._is_last = terminated | truncated
        return Step(
            {"image": image.copy()},
            action,
            reward.astype(np.float32),
            1 - terminated.astype(np.float32),
            is_first,
            self._is_last.copy(),
        )


def _plain(name: str) -> str:
    return name.lower().replace("_", "")
