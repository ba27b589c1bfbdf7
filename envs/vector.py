"""A user's gymnasium VectorEnv."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from envs import actions, images
from envs.api import NativeSpaces, Spaces, Step
from envs.errors import EnvError, describe_exception
from envs.observations import ObservationMap
from envs.seeding import row_seeds


class GymVectorEnvs:
    """A gymnasium VectorEnv with NEXT_STEP autoreset, every return value checked.

    Args:
        name: 'module:Class'.
        envs: The vector environment; it is stepped in this process.
        seed: Of the first reset.
        size, grayscale, check_bounds: As in `GuardedEnv`.

    Raises:
        ValueError: If its autoreset mode is another, a space is not supported, or an action is bad.
        EnvError: When it raises or breaks its spaces.
    """

    frames_per_step = 1

    def __init__(
        self,
        name: str,
        envs: gymnasium.vector.VectorEnv,
        seed: int = 0,
        *,
        size: int | None = 64,
        grayscale: bool = False,
        check_bounds: bool = True,
    ):
        mode = envs.metadata.get("autoreset_mode")
        if mode != AutoresetMode.NEXT_STEP:
            raise ValueError(
                f"{name} has metadata['autoreset_mode'] = {mode}; expected AutoresetMode.NEXT_STEP, the "
                "only style that shows both the last observation and the reset"
            )
        self.name = name
        self.num_envs = envs.num_envs
        self._envs = envs
        self._seed: int | None = seed
        self._action_space = envs.single_action_space
        self._observations = ObservationMap(
            envs.single_observation_space, size, grayscale, check_bounds
        )
        self.spaces = Spaces(
            self._observations.spaces,
            actions.canonical_space(self._action_space),
            factors=self._observations.factors,
        )
        self.native = NativeSpaces(self._observations.native, self._action_space)
        self._is_last: np.ndarray | None = None
        self._steps = 0

    def reset(self, seed: int | None = None) -> Step:
        """Starts new episodes in all rows; with a seed, from streams that depend on it alone."""
        seed, self._seed = self._seed if seed is None else seed, None
        result = self._call("reset", self._envs.reset, seed=self._seeds(seed))
        if not (isinstance(result, tuple) and len(result) == 2):
            raise self._broken("reset must return observation, info")
        nothing = np.zeros(self.num_envs, bool)
        action = actions.zero_action(self.spaces.action, self.num_envs)
        zeros = np.zeros(self.num_envs)
        return self._to_step(result[0], action, zeros, nothing, nothing, ~nothing)

    def step(self, action: np.ndarray) -> Step:
        """Steps every row with action [B, ...]; a row that was last is reset instead."""
        if self._is_last is None:
            raise RuntimeError("step before reset: call reset first")
        action = actions.check_action(self.spaces.action, action, self.num_envs)
        is_first = self._is_last
        self._steps += 1
        native = actions.to_native(self._action_space, action)
        result = self._call("step", self._envs.step, native)
        if not (isinstance(result, tuple) and len(result) == 5):
            raise self._broken(
                "step must return obs, reward, terminated, truncated, info"
            )
        return self._to_step(
            result[0], actions.mask_rows(action, is_first), *result[1:4], is_first
        )

    def render(self) -> np.ndarray | None:
        """Returns row 0 as an RGB picture [H, W, 3] uint8, or None where there is none."""
        if getattr(self._envs, "render_mode", None) != "rgb_array":
            return None
        frames = self._call("render", self._envs.render)
        return None if frames is None else images.to_picture(frames[0])

    def close(self) -> None:
        """Closes the environments; may be called twice."""
        self._envs.close()

    def _seeds(self, seed: int | None) -> Any:
        """Returns a seed per row; one for all where the rows are not environments of their own."""
        seeds = row_seeds(seed, self.num_envs)
        of_parts = isinstance(self._envs.unwrapped, SyncVectorEnv | AsyncVectorEnv)
        if seed is None or not of_parts:
            return seeds[0]
        return seeds

    def _to_step(
        self,
        observation: Any,
        action: np.ndarray,
        reward: Any,
        terminated: Any,
        truncated: Any,
        is_first: np.ndarray,
    ) -> Step:
        terminated = self._array("terminated", terminated, "b")
        truncated = self._array("truncated", truncated, "b")
        reward = self._array("reward", reward, "iufb").astype(np.float32)
        try:
            observation = self._observations(observation, (self.num_envs,))
        except ValueError as error:
            raise self._broken(str(error)) from None
        self._is_last = terminated | truncated
        if (self._is_last & is_first).any():
            raise self._broken(
                "a row ended on the step that reset it; NEXT_STEP rows do not"
            )
        return Step(
            {key: np.array(value) for key, value in observation.items()},
            action,
            actions.mask_rows(reward, is_first),
            1 - terminated.astype(np.float32),
            is_first,
            self._is_last.copy(),
        )

    def _array(self, name: str, value: Any, kinds: str) -> np.ndarray:
        array = np.asarray(value)
        if array.shape != (self.num_envs,) or array.dtype.kind not in kinds:
            raise self._broken(
                f"{name}: got dtype {array.dtype} and shape {array.shape}; expected "
                f"{'bool' if kinds == 'b' else 'numbers'} of shape {(self.num_envs,)}"
            )
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise self._broken(f"{name}: got {array[row]} in env {row}")
        return array

    def _call(self, what: str, function: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (Exception, SystemExit):
            text = f"{what} raised{describe_exception()}"
        raise self._broken(text)

    def _broken(self, text: str) -> EnvError:
        return EnvError(f"{self.name}, step {self._steps}: {text}")
