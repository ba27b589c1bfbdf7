"""A guard around one gymnasium environment: everything it returns is checked, every step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from envs import actions, images
from envs.api import NativeSpaces, Spaces
from envs.errors import EnvError, MissingError, describe_exception
from envs.observations import Leaf, ObservationMap


class Arrival(NamedTuple):
    """What one row returned: an observation (key -> array), its reward, how it ended, and its info."""

    observation: dict[str, np.ndarray]
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    info: dict[str, np.ndarray] = {}


class GuardedEnv:
    """One gymnasium environment whose every return value is checked and converted.

    An environment may have `info_spaces`, key -> Box: arrays which it then returns in `info` from every
    reset and step, and which become `Step.info`. Other entries of `info` are passed over.

    Args:
        make: Returns a new gymnasium.Env.
        index: The row, named in errors.
        action_repeat: Steps of the environment per agent step; rewards are summed, and the repeat
            ends with the episode.
        time_limit: Agent steps after which an episode is truncated; None is no limit.
        size: Images of at least 32 pixels a side become size x size; None leaves them.
        grayscale: RGB images become gray.
        check_bounds: Whether an observation outside its declared bounds is an error.

    Raises:
        EnvError: From every method, when the environment raises or breaks its spaces; the text has
            the row, the step, the last action and the traceback.
        MissingError: As its constructor does.
        ValueError: If the environment's spaces are not supported, or it is no gymnasium.Env.
    """

    def __init__(
        self,
        make: Callable[[], gymnasium.Env],
        index: int = 0,
        *,
        action_repeat: int = 1,
        time_limit: int | None = None,
        size: int | None = 64,
        grayscale: bool = False,
        check_bounds: bool = True,
    ):
        self._index = index
        self._repeat = action_repeat
        self._time_limit = time_limit
        self._step = 0
        self._episode_step = 0
        self._action: Any = None
        self._env = self._call("its constructor", make)
        _require_gymnasium(self._env)
        self._action_space = self._env.action_space
        self._observations = ObservationMap(
            self._env.observation_space, size, grayscale, check_bounds
        )
        info_spaces = getattr(self._env.unwrapped, "info_spaces", {})
        self._info = {key: Leaf(key, box) for key, box in info_spaces.items()}
        self.spaces = Spaces(
            self._observations.spaces,
            actions.canonical_space(self._action_space),
            dict(info_spaces),
            self._observations.factors,
        )
        self.native = NativeSpaces(
            self._observations.native,
            self._action_space,
            actions.meanings(self._env.unwrapped, self._action_space),
        )

    def reset(self, seed: int | None = None) -> Arrival:
        """Starts an episode; without a seed the environment's own streams go on."""
        self._episode_step = 0
        self._action = None
        result = self._call("reset", self._env.reset, seed=seed)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise self._broken(
                f"reset returned {_describe(result)}; return observation, info"
            )
        return Arrival(self._observe(result[0]), info=self._read_info(result[1]))

    def step(self, action: np.ndarray) -> Arrival:
        """Takes one canonical action, [] or [n]."""
        self._step += 1
        self._episode_step += 1
        self._action = actions.to_native(self._action_space, action)
        total = 0.0
        for _ in range(self._repeat):
            observation, reward, terminated, truncated, info = self._native_step()
            total += reward
            if terminated or truncated:
                break
        late = self._time_limit is not None and self._episode_step >= self._time_limit
        return Arrival(
            self._observe(observation),
            total,
            terminated,
            (truncated or late) and not terminated,
            self._read_info(info),
        )

    def render(self) -> np.ndarray | None:
        """Returns an RGB picture [H, W, 3] uint8, or None where the environment has none."""
        if getattr(self._env, "render_mode", None) != "rgb_array":
            return None
        frame = self._call("render", self._env.render)
        return None if frame is None else images.to_picture(frame)

    def close(self) -> None:
        """Closes the environment."""
        self._call("close", self._env.close)

    def where(self) -> str:
        """Returns 'env 1, step 17, last action 3' for errors."""
        return f"env {self._index}, step {self._step}, last action {self._action}"

    def _native_step(self) -> tuple[Any, float, bool, bool, Any]:
        result = self._call("step", self._env.step, self._action)
        if not (isinstance(result, tuple) and len(result) == 5):
            hint = "; this is the old gym API"
            is_old = isinstance(result, tuple) and len(result) == 4
            raise self._broken(
                f"step returned {_describe(result)}{hint if is_old else ''}; "
                "return obs, reward, terminated, truncated, info"
            )
        observation, reward, terminated, truncated, info = result
        return (
            observation,
            self._reward(reward),
            self._flag("terminated", terminated),
            self._flag("truncated", truncated),
            info,
        )

    def _observe(self, observation: Any) -> dict[str, np.ndarray]:
        try:
            return self._observations(observation)
        except ValueError as error:
            raise self._broken(str(error)) from None

    def _read_info(self, info: Any) -> dict[str, np.ndarray]:
        if not self._info:
            return {}
        if not isinstance(info, dict) or not set(self._info) <= set(info):
            raise self._broken(
                f"info: got {info!r}; expected the keys of info_spaces, {sorted(self._info)}"
            )
        try:
            return {key: leaf.check(info[key]) for key, leaf in self._info.items()}
        except ValueError as error:
            raise self._broken(f"info: {error}") from None

    def _reward(self, reward: Any) -> float:
        kind = np.asarray(reward).dtype.kind
        if kind not in "iufb" or np.ndim(reward) != 0 or not np.isfinite(reward):
            raise self._broken(
                f"reward: got {reward!r}; expected one finite number per step"
            )
        return float(reward)

    def _flag(self, name: str, value: Any) -> bool:
        if isinstance(value, bool | np.bool_):
            return bool(value)
        raise self._broken(f"{name}: got {value!r}; expected True or False")

    def _call(self, what: str, function: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except MissingError:
            raise
        except (Exception, SystemExit):
            text = f"{self.where()}: {what} raised{describe_exception()}"
        raise EnvError(text)

    def _broken(self, text: str) -> EnvError:
        return EnvError(f"{self.where()}: {text}")


def _require_gymnasium(env: Any) -> None:
    if not isinstance(env, gymnasium.Env):
        kind = f"{type(env).__module__}.{type(env).__qualname__}"
        raise ValueError(
            f"got an environment of type {kind}; expected a gymnasium.Env, a gymnasium.vector.VectorEnv "
            "with NEXT_STEP autoreset, or a game with `step(action, reset_mask)` (envs/reset_mask.py)"
        )


def _describe(result: Any) -> str:
    if isinstance(result, tuple):
        return f"{len(result)} values"
    return f"a {type(result).__name__}"
