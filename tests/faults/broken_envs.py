"""An environment that misbehaves on demand: action 1 commits the fault, action 0 does not."""

import os
import signal
import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class OddError(Exception):
    """An exception whose constructor takes two arguments, so it cannot be unpickled."""

    def __init__(self, first: str, second: str):
        super().__init__("odd")
        self.parts = (first, second)

    def __str__(self) -> str:
        return f"odd: {self.parts}"


class Broken(gymnasium.Env):
    """Commits one fault.

    Args:
        fault: Its name.
        where: 'step', 'reset' or 'init'.
    """

    metadata = {"render_modes": []}

    def __init__(self, fault: str = "none", where: str = "step"):
        self.observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self._fault, self._where = fault, where
        if where == "init":
            self._commit()

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> Any:
        super().reset(seed=seed)
        if self._where == "reset":
            self._commit()
        if self._fault == "bare reset":
            return np.zeros(2, np.float32)
        return np.zeros(2, np.float32), {}

    def step(self, action: int) -> Any:
        result = [np.full(2, 0.5, np.float32), 1.0, False, False, {}]
        if action == 1:
            self._commit()
            index, value = RESULTS.get(self._fault, (0, result[0]))
            result[index] = value
            if self._fault == "old api":
                return tuple(result[:3]) + ({},)
        return tuple(result)

    def _commit(self) -> None:
        if self._fault == "raise":
            raise KeyError("the cause")
        if self._fault == "odd":
            raise OddError("left", "right")
        if self._fault == "sys.exit":
            raise SystemExit(3)
        if self._fault == "exit":
            os._exit(7)
        if self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fault == "hang":
            time.sleep(3600)


# Fault -> which of (observation, reward, terminated, truncated) becomes what.
RESULTS = {
    "nan observation": (0, np.array([0, np.nan], np.float32)),
    "infinite observation": (0, np.array([0, np.inf])),
    "integer observation": (0, np.zeros(2, np.int32)),
    "long observation": (0, np.zeros(3, np.float32)),
    "ragged observation": (0, [[0.0], [0.0, 1.0]]),
    "far observation": (0, np.array([0, 1.5], np.float32)),
    "dict observation": (0, {"vector": np.zeros(2, np.float32)}),
    "nan reward": (1, float("nan")),
    "no reward": (1, None),
    "list reward": (1, [1.0]),
    "text reward": (1, "1"),
    "number flag": (2, 1),
    "no flag": (3, None),
    "rounded observation": (0, np.array([0, 1 + 1e-6], np.float32)),
    "float64 observation": (0, np.array([0.25, 1.0])),
}


class Outdated:
    """Looks like an environment of the old gym package."""

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Discrete(2)
