"""A run with an agent of one number: the whole of `agents.training`, in no time and without TensorFlow.

`python -m tests.faults.tiny --env=... --logdir=...` is a launcher like the others. The agent checks every batch of the
counting environment, so that a replay which lost or mixed rows ends the run.
"""

import dataclasses
import importlib
import os
import resource
import time
from typing import Any

import numpy as np

from agents import process, registry, suggestion, training
from agents.config import option
from agents.off_policy import OffPolicyAgent
from envs import counting
from tests.faults.broken_envs import Broken


@dataclasses.dataclass(frozen=True)
class TinyConfig:
    precision: str = option("float32", "Compute type.")
    replay_capacity: int = option(1_200, "Rows.")
    replay_sampling: str = option("episodes", "How windows are drawn.")
    prioritize_ends: bool = option(True, "More last windows.")
    batch_size: int = option(4, "B.")
    batch_length: int = option(8, "T.")
    prefill: int = option(30, "Random steps.")
    pretrain: int = option(1, "Updates then.")
    train_every: float = option(5.0, "Steps per update.")


PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "env": "zoo:Counting-v0",
        "env_steps": 200,
        "save_every": 50,
        "log_every": 20,
        "eval_every": 0,
        "video_every": 0,
    }
}


class Number:
    """A variable."""

    shape = ()

    def __init__(self) -> None:
        self.value = np.float64(0)

    def numpy(self) -> np.float64:
        return self.value

    def assign(self, value: Any) -> None:
        self.value = np.float64(value)


class Tiny(OffPolicyAgent):
    """Acts by its seed; its weight is a sum over all that it ever learned from."""

    parameters = 1

    def __init__(self, spaces: Any, config: Any, seed: int = 0, folder: Any = None):
        super().__init__(spaces, config, seed, folder)
        self.weight = Number()

    def variables(self) -> dict[str, Any]:
        return {"weight": self.weight}

    def acting_names(self) -> set[str]:
        return {"weight"}

    def initial_state(self, batch: int, seed: int = 0) -> dict[str, Any]:
        return {"seed": np.tile(np.array([[seed, 0]], np.int32), (batch, 1))}

    def act(self, step: Any, state: Any, mode: str = "sample") -> Any:
        time.sleep(float(os.environ.get("TINY_NAP", 0)))
        rng = np.random.default_rng(state["seed"][0])
        action = rng.integers(self.spaces.action.n, size=len(step.reward))
        if self.spaces.action.n == 2:
            action[:] = 0
            action[-1] = is_now("FAULT_AT", self.env_steps)
        return action.astype(np.int32), {"seed": state["seed"] + [[0, 1]]}

    def update(self, batch: Any) -> dict[str, Any]:
        if _is_counting(self.spaces):
            check_counting(batch)
        if is_now("TINY_NAN_AT", self.updates):
            return {"loss": np.nan, "fine": 0.0}
        if is_now("TINY_FULL_AT", self.updates):
            resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))
        weight = 0.9 * self.weight.value + float(batch["reward"].sum())
        self.weight.assign(weight)
        return {"loss": abs(weight)}


class Faulty(Broken):
    """Commits the fault named FAULT when it gets the action 1: in the last row, at environment step FAULT_AT."""

    def __init__(self) -> None:
        super().__init__(os.environ.get("FAULT", "none"))


def is_now(variable: str, number: int) -> bool:
    """Whether an environment variable is this number."""
    return os.environ.get(variable) == str(number)


def _is_counting(spaces: Any) -> bool:
    return "vector" in spaces.observation and spaces.observation["vector"].shape == (3,)


def check_counting(batch: Any) -> None:
    """Each row follows from the one before; the first of a window may stand anywhere in its episode."""
    rows = batch | {"is_first": batch["is_first"].copy()}
    rows["is_first"][0] = batch["observation/vector"][0, :, 0] == 0
    counting.check_rows(rows)


def entry(name: str) -> registry.Entry:
    """Knows the agent 'tiny' beside the others."""
    if name != "tiny":
        return _ENTRY(name)
    return registry.Entry(TinyConfig, PRESETS, lambda names: {}, Tiny)


_ENTRY = registry.entry


def settings(logdir: Any, **overrides: Any) -> training.Settings:
    """The settings of a tiny run."""
    return training.settings("tiny", "small", logdir=str(logdir), **overrides)


def train(logdir: Any, **overrides: Any) -> Any:
    """Trains the tiny agent."""
    return training.train(settings(logdir, **overrides))


def install(patch: Any = setattr) -> None:
    """Makes the agent known in this process."""
    patch(registry, "entry", entry)
    patch(process, "device", lambda: "no device")
    patch(suggestion, "advise", lambda agent, seen: [])


def main() -> None:
    """The launcher."""
    install()
    app = importlib.import_module("launch.app")
    app.define_run_flags("tiny")
    app.run(lambda: training.train(app.run_settings("tiny", lambda env: "small")))


if __name__ == "__main__":
    main()
