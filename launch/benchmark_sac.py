"""The cases of `--suite=sac`: what training and an update cost at the presets, and with every estimator.

`task/…` trains on the preset's own environment, end to end. `update/…` is one update of the preset minatar or paper on random
rows, by every estimator of choices (minatar) or for real numbers (paper).
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from agents.process import peak_bytes
from launch.measures import Row, machine_case, measured, times
from launch.random_rows import batch_of, step_of

_STEPS = 2_000  # environment steps, per repeat of ten
TASKS = ("cartpole", "pendulum", "minatar")


def task_case(preset: str) -> Callable[[int], list[Row]]:
    """Training on the preset's environment, end to end."""

    def case(repeats: int) -> list[Row]:
        import agents
        import envs
        from agents import driver
        from agents.sac.config import PRESETS

        run = PRESETS[preset]
        games = envs.make(run["env"], run.get("num_envs", 1))
        agent = agents.make("sac", games.spaces, preset, seed=0)
        events = driver.run(agent, games, seed=0)
        while agent.updates < 2:
            next(events)
        before, updates = agent.env_steps, agent.updates
        start, cpu = time.perf_counter(), time.process_time()
        while agent.env_steps < before + repeats * _STEPS // 10:
            next(events)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        made, updates = agent.env_steps - before, agent.updates - updates
        games.close()
        return [
            measured(f"{preset}/train", made / wall, "env steps/s", "higher"),
            measured(f"{preset}/train_cpu", made / cpu, "env steps/CPU s", "higher"),
            measured(f"{preset}/updates", updates / wall, "updates/s", "higher"),
            *_parts(preset, agent, repeats),
        ]

    return case


def update_case(preset: str, estimator: str) -> Callable[[int], list[Row]]:
    """One update and one act without an environment."""

    def case(repeats: int) -> list[Row]:
        from gymnasium.spaces import Box, Discrete

        import agents
        from envs.api import Spaces

        if preset == "minatar":
            bits: Any = bool
            planes = Box(0, 1, (10, 10, 4), bits)
            spaces = Spaces({"image": planes}, Discrete(6))
        else:
            numbers = Box(-np.inf, np.inf, (17,), np.float32)
            spaces = Spaces({"vector": numbers}, Box(-1, 1, (6,), np.float32))
        agent = agents.make("sac", spaces, preset, estimator=estimator)
        return _parts(f"{preset}/{estimator}", agent, repeats)

    return case


def _cases() -> dict[str, Callable[[int], list[Row]]]:
    from agents.sac.config import ESTIMATORS

    tasks = {f"task/{preset}": task_case(preset) for preset in TASKS}
    by_estimator = {
        f"update/minatar/{each}": update_case("minatar", each) for each in ESTIMATORS
    }
    paper = {"update/paper": update_case("paper", "exact")}
    return {"machine": machine_case, **tasks, **by_estimator, **paper}


def _parts(name: str, agent: Any, repeats: int) -> list[Row]:
    """An update on random rows of the preset's batch, an act on as many, and the memory they took."""
    batch = batch_of(agent, agent.config.batch_size)
    update, wall = times(lambda: float(agent.update(batch)["loss"]), 5 * repeats)
    step, state = step_of(batch), agent.initial_state(agent.config.batch_size)
    act, _ = times(lambda: agent.act(step, state)[0], 5 * repeats)
    return [
        measured(f"{name}/update_cpu", update * 1e3, "CPU ms"),
        measured(f"{name}/update_wall", wall * 1e3, "ms"),
        measured(f"{name}/act_cpu", act * 1e3, "CPU ms"),
        measured(f"{name}/peak_memory", peak_bytes() / 1e9, "GB"),
    ]


CASES = _cases()
