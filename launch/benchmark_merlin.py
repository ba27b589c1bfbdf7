"""The cases of `--suite=merlin`: what training costs at the presets, and the share of it that the memory cell takes.

`task/…` trains on the preset's own environment. `paper` updates on random 64x64 images, batch 16, windows of 20 steps.
`memory_share` is the part of an update that goes into aiming, reads, writes, resets (also of what else is carried) and their
gradients, for predictor and policy: the time of their kernels, and as much of the scheduling as is theirs by their number.
`memory_kernels` leaves the scheduling out on both sides, `memory_rows` is what a memory of one row instead of all saves. All
in one thread: with two, the small presets take longer, and small products of matrices several times as long.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from agents.process import peak_bytes
from launch.measures import Row, machine_case, measured, times
from launch.op_times import profiled, share
from launch.random_rows import batch_of, step_of

BATCH = 16  # of the preset paper, as its num_envs
ACTIONS = 8
_MEMORY = r"memory|reader|reset"  # scopes of its operations
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

    def update_once() -> float:
        return float(agent.update(batch)["loss"])

    update, wall = times(update_once, repeats)
    ops = profiled(update_once, repeats)
    spent = repeats * update
    peak = peak_bytes() / 1e9
    small = agents.make("merlin", agent.spaces, preset, seed=0, slots=1)
    less = batch_of(small, rows)
    without, _ = times(lambda: float(small.update(less)["loss"]), repeats)
    step, state = step_of(batch), agent.initial_state(rows)
    act, act_wall = times(lambda: agent.act(step, state)[0], 5 * repeats)
    return [
        measured(f"{preset}/update_cpu", update, "CPU s"),
        measured(f"{preset}/update_wall", wall, "s"),
        measured(f"{preset}/memory_share", share(ops, spent, _MEMORY), ""),
        measured(f"{preset}/memory_kernels", share(ops, 0.0, _MEMORY), ""),
        measured(f"{preset}/memory_rows", 1 - without / update, ""),
        measured(f"{preset}/act_cpu", act * 1e3, "CPU ms"),
        measured(f"{preset}/act_wall", act_wall * 1e3, "ms"),
        measured(f"{preset}/peak_memory", peak, "GB"),
    ]
