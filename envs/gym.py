"""Gymnasium environments, one per row."""

from collections.abc import Callable
from functools import partial

import gymnasium
import numpy as np

from envs import actions
from envs.api import Step
from envs.guard import Arrival, GuardedEnv
from envs.pool import Pool, SyncPool
from envs.process import ProcessPool
from envs.seeding import row_seeds

EnvFactory = Callable[[], gymnasium.Env]


class GymEnvs:
    """B gymnasium environments stepped together, with every return value checked.

    A row that ended is reset on the next step (NEXT_STEP), from its environment's own streams.

    Args:
        name: 'suite:name'.
        make_env: Returns a new environment; in process mode it travels by cloudpickle.
        num_envs: B.
        seed: Of the first reset.
        parallel: 'process' for a process per row; 'sync' (default) steps them in this one.
        timeout_s: Seconds a reset or step may take.
        action_repeat, time_limit, size, grayscale, check_bounds: As in `GuardedEnv`.
        repeats_itself: The environments repeat each action themselves, as often as action_repeat says.

    Raises:
        EnvError: When an environment raises, dies, hangs or breaks its spaces.
        ValueError: If its spaces are not supported, or an action is bad.
    """

    def __init__(
        self,
        name: str,
        make_env: EnvFactory,
        num_envs: int = 1,
        seed: int = 0,
        *,
        parallel: str | None = None,
        timeout_s: float = 60,
        action_repeat: int = 1,
        time_limit: int | None = None,
        size: int | None = 64,
        grayscale: bool = False,
        check_bounds: bool = True,
        repeats_itself: bool = False,
    ):
        for option, value in (
            ("action_repeat", action_repeat),
            ("time_limit", time_limit),
        ):
            if value is not None and value < 1:
                raise ValueError(f"{option} must be at least 1; got {value}")
        self.name = name
        self.num_envs = num_envs
        self.frames_per_step = action_repeat
        self._seed: int | None = seed
        factory = partial(
            GuardedEnv,
            make_env,
            action_repeat=1 if repeats_itself else action_repeat,
            time_limit=time_limit,
            size=size,
            grayscale=grayscale,
            check_bounds=check_bounds,
        )
        pool = ProcessPool if parallel == "process" else SyncPool
        self._pool: Pool = pool(factory, num_envs, timeout_s)
        self.spaces, self.native = self._pool.spaces, self._pool.native
        self._is_last: np.ndarray | None = None

    def reset(self, seed: int | None = None) -> Step:
        """Starts new episodes in all rows; with a seed, from streams that depend on it alone."""
        seed, self._seed = self._seed if seed is None else seed, None
        arrivals = self._pool.reset(row_seeds(seed, self.num_envs))
        return self._to_step(
            arrivals,
            actions.zero_action(self.spaces.action, self.num_envs),
            np.ones(self.num_envs, bool),
        )

    def step(self, action: np.ndarray) -> Step:
        """Steps every row with action [B, ...]; a row that was last is reset instead."""
        if self._is_last is None:
            raise RuntimeError("step before reset: call reset first")
        action = actions.check_action(self.spaces.action, action, self.num_envs)
        is_first = self._is_last
        arrivals = self._pool.step(action, is_first)
        return self._to_step(arrivals, actions.mask_rows(action, is_first), is_first)

    def render(self) -> np.ndarray | None:
        """Returns row 0 as an RGB picture [H, W, 3] uint8, or None where there is none."""
        return self._pool.render()

    def close(self) -> None:
        """Closes every environment; may be called twice."""
        self._pool.close()

    def _to_step(
        self, arrivals: list[Arrival], action: np.ndarray, is_first: np.ndarray
    ) -> Step:
        observations, rewards, terminated, truncated, infos = zip(
            *arrivals, strict=True
        )
        self._is_last = np.logical_or(terminated, truncated)
        return Step(
            _stack(observations),
            action,
            np.asarray(rewards, np.float32),
            1 - np.asarray(terminated, np.float32),
            is_first,
            self._is_last.copy(),
            _stack(infos),
        )


def _stack(rows: tuple[dict[str, np.ndarray], ...]) -> dict[str, np.ndarray]:
    return {key: np.stack([row[key] for row in rows]) for key in rows[0]}
