"""The cases of `--suite=merlin`: what training costs at the presets, and the share of it that the memory cell takes.

`task/…` trains on the preset's own environment. `paper` updates on random 64x64 images, batch 16, windows of 20 steps.
`memory_share` is the part of an update's CPU time that a memory of one row saves: all that is done with the rows, by both
readers, by writes, resets and their gradients. The fixed cost of these operations, most of it in small nets, is not in it.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from agents.process import peak_bytes
from launch.measures import Row, machine_case, measured, times
from launch.random_rows import batch_of, step_of

BATCH = 16  # of the preset paper, as its num_envs
ACTIONS = 8
_STEPS = 400  # environment steps of each row, per repeat of ten


def task_case(preset: str) -> Callable[[int], list[Row]]:
    """Training on the preset's environment, end to end."""

    def case(repeats: int) -> list[Row]:
        import agents
        import envs
        from agents import driver
        from agents.merlin.config import PRESETS

        run = PRESETS[preset]
        games = envs.make(run["env"], run["num_envs"])
        agent = agents.make("merlin", games.spaces, preset, seed=0)
        events = driver.run(agent, games, seed=0)
        while agent.updates < 2:
            next(events)
        start, cpu = time.perf_counter(), time.process_time()
        before, steps = agent.env_steps, repeats * _STEPS // 10
        for _ in range(steps):
            next(events)
        made = agent.env_steps - before
        wall = time.perf_counter() - start
        cpu = time.process_time() - cpu
        games.close()
        return [
            measured(f"{preset}/train", made / wall, "env steps/s", "higher"),
            measured(f"{preset}/train_cpu", made / cpu, "env steps/CPU s", "higher"),
            *_parts(preset, agent, run["num_envs"], repeats),
        ]

    return case


def paper_case(repeats: int) -> list[Row]:
    """One update and one act of the preset paper; environment steps per second without an environment."""
    from gymnasium.spaces import Box, Discrete

    import agents
    from envs.api import Spaces

    image = Box(0, 255, (64, 64, 3), np.uint8)
    agent = agents.make("merlin", Spaces({"image": image}, Discrete(ACTIONS)), "paper")
    rows = _parts("paper", agent, BATCH, repeats)
    update, act = (row["value"] for row in rows if row["name"][6:] in _COSTS)
    steps = BATCH * agent.config.length
    seconds = update + agent.config.length * act / 1e3
    return [
        measured("paper/train_cpu", steps / seconds, "env steps/CPU s", "higher"),
        *rows,
    ]


_COSTS = ("update_cpu", "act_cpu")

CASES: dict[str, Callable[[int], list[Row]]] = {
    "machine": machine_case,
    **{
        f"task/{preset}": task_case(preset)
        for preset in ("memory_length", "memory_game", "minigrid_memory")
    },
    "paper": paper_case,
}


def _parts(preset: str, agent: Any, rows: int, repeats: int) -> list[Row]:
    """An update, the memory's part of it, and an act on as many rows."""
    import agents

    batch = batch_of(agent, rows)
    update, wall = times(lambda: float(agent.update(batch)["loss"]), repeats)
    peak = peak_bytes() / 1e9
    small = agents.make("merlin", agent.spaces, preset, seed=0, slots=1)
    less = batch_of(small, rows)
    without, _ = times(lambda: float(small.update(less)["loss"]), repeats)
    step, state = step_of(batch), agent.initial_state(rows)
    act, act_wall = times(lambda: agent.act(step, state)[0], 5 * repeats)
    return [
        measured(f"{preset}/update_cpu", update, "CPU s"),
        measured(f"{preset}/update_wall", wall, "s"),
        measured(f"{preset}/memory_share", 1 - without / update, ""),
        measured(f"{preset}/act_cpu", act * 1e3, "CPU ms"),
        measured(f"{preset}/act_wall", act_wall * 1e3, "ms"),
        measured(f"{preset}/peak_memory", peak, "GB"),
    ]
