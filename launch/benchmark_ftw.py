"""The cases of `--suite=ftw`: capture the flag, acting, learning, and both together, in agent steps; FTW and IMPALA.

An agent step is one step of one player. `ctf` is training at its preset, end to end. `paper` has the paper's sizes (84x84x3,
540 joint actions, cores of 256, 450 rows of memory, 32 players) with windows of 20 steps instead of 100, so that an update fits into a
small machine's memory; its end-to-end rate is made of its parts. `league` is a population, in one process and on Ray: in a minute or
two, or `--only=league` for it alone.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from agents.process import peak_bytes
from launch.benchmark_league import league_case
from launch.measures import Row, machine_case, measured, times
from launch.random_rows import batch_of, step_of

PAPER_LENGTH = 20
_STEPS = 100  # of all players, per repeat of ten
CTF = {"ctf": ("ftw", ()), "ctf_no_hierarchy": ("ftw", ("no_hierarchy",))}


def train_case(name: str) -> Callable[[int], list[Row]]:
    """Training on `ctf:small`, end to end, and its parts."""

    def case(repeats: int) -> list[Row]:
        import agents
        import envs
        from agents import driver
        from agents.ftw.config import PRESETS

        agent_name, ablate = CTF[name]
        rows = PRESETS["ctf"]["num_envs"]
        games = envs.make("ctf:small", rows, win_reward=True)
        agent = agents.make(agent_name, games.spaces, "ctf", seed=0, ablate=ablate)
        alone = _environment(games, repeats)
        events = driver.run(agent, games, seed=0)
        while agent.updates < 2:
            next(events)
        before, start, cpu = agent.env_steps, time.perf_counter(), time.process_time()
        for _ in range(repeats * _STEPS // 10):
            next(events)
        made = agent.env_steps - before
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        return [
            measured(f"{name}/env_cpu", alone, "agent steps/CPU s", "higher"),
            measured(f"{name}/train_cpu", made / cpu, "agent steps/CPU s", "higher"),
            measured(f"{name}/train", made / wall, "agent steps/s", "higher"),
            *_parts(name, agent, rows, repeats),
        ]

    return case


def paper_case(repeats: int) -> list[Row]:
    """An update and an act of the preset paper."""
    import agents
    import envs
    from agents.ftw.config import PRESETS

    rows = PRESETS["paper"]["num_envs"]
    games = envs.make("ctf:large", rows, rgb=True, factored=True, win_reward=True)
    agent = agents.make("ftw", games.spaces, "paper", length=PAPER_LENGTH)
    alone = _environment(games, repeats)
    found = _parts("paper", agent, rows, repeats)
    cost = {row["name"]: row["value"] for row in found}
    seconds = cost["paper/update_cpu"] + PAPER_LENGTH * cost["paper/act_cpu"] / 1e3
    seconds += rows * PAPER_LENGTH / alone
    made = rows * PAPER_LENGTH / seconds
    return [
        measured("paper/env_cpu", alone, "agent steps/CPU s", "higher"),
        measured("paper/train_cpu", made, "agent steps/CPU s", "higher"),
        *found,
    ]


CASES: dict[str, Callable[[int], list[Row]]] = {
    "machine": machine_case,
    **{name: train_case(name) for name in CTF},
    "paper": paper_case,
    "league": league_case,
}


def _environment(games: Any, repeats: int) -> float:
    """Agent steps per CPU second without an agent."""
    space, rng = games.spaces.action, np.random.default_rng(0)
    classes = getattr(space, "nvec", None)
    shape = (games.num_envs,) if classes is None else (games.num_envs, len(classes))
    high = space.n if classes is None else classes
    games.reset(seed=0)
    start = time.process_time()
    for _ in range(repeats * _STEPS // 10):
        games.step(rng.integers(high, size=shape).astype(np.int32))
    return repeats * _STEPS // 10 * games.num_envs / (time.process_time() - start)


def _parts(name: str, agent: Any, rows: int, repeats: int) -> list[Row]:
    """An update on random rows, an act, and the memory they took."""
    batch = batch_of(agent, rows)
    update, wall = times(lambda: float(agent.update(batch)["loss"]), repeats)
    step, state = step_of(batch), agent.initial_state(rows)
    act, _ = times(lambda: agent.act(step, state)[0], 5 * repeats)
    made = rows * agent.config.length
    return [
        measured(f"{name}/update_cpu", update, "CPU s"),
        measured(f"{name}/update_wall", wall, "s"),
        measured(f"{name}/learn_cpu", made / update, "agent steps/CPU s", "higher"),
        measured(f"{name}/act_cpu", act * 1e3, "CPU ms"),
        measured(f"{name}/act_rate", rows / act, "agent steps/CPU s", "higher"),
        measured(f"{name}/peak_memory", peak_bytes() / 1e9, "GB"),
    ]
