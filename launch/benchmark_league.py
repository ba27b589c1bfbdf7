"""The case `league` of `--suite=ftw`: a population in one process, and the same with Ray's members and arena.

An agent step is one step of one player. Processor seconds are those of all processes, Ray's own too; what compiling took is not in
them.
"""

import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from agents.process import peak_bytes
from launch.measures import Row, measured

POPULATION = 4  # with the preset's 64 players, 16 rows a member
_WARM = 8  # windows until everything is compiled
_OWN = ("raylet", "gcs_server")  # Ray's own processes


class Costs(NamedTuple):
    """What some windows cost.

    Attributes:
        steps: Agent steps in them.
        updates: Of all members.
        cpu: Processor seconds of the 'members', the 'arenas', the 'driver' and 'ray' itself.
        peak: Largest memory, bytes, of a 'member', an 'arena' and the 'driver'.
        rows: Bytes that went from arenas to members.
        weights: Bytes that went from members to arenas.
        acting: Bytes of the weights that acting with one member reads.
        calls: How many were made.
    """

    steps: int
    updates: int
    cpu: Mapping[str, float]
    peak: Mapping[str, int]
    rows: int = 0
    weights: int = 0
    acting: int = 0
    calls: int = 0


def league_case(repeats: int) -> list[Row]:
    """A population of four on `ctf:small`, at its preset, both ways."""
    here, there = in_process(repeats), on_ray(repeats)
    rows = []
    for name, costs in (("in_process", here), ("ray", there)):
        rate = costs.steps / sum(costs.cpu.values())
        rows.append(measured(f"league/{name}/cpu", rate, "agent steps/CPU s", "higher"))
    sent = (there.rows + there.weights) / there.steps
    rows += [
        measured("league/ray/bytes", sent, "bytes/agent step"),
        measured("league/ray/calls", there.calls / there.steps, "calls/agent step"),
    ]
    for part, peak in there.peak.items():
        rows.append(measured(f"league/ray/{part}_memory", peak / 1e9, "GB"))
    memory = here.peak["driver"] / 1e9
    return [*rows, measured("league/in_process/memory", memory, "GB")]


def in_process(windows: int, **options: Any) -> Costs:
    """A population in this process, after a few windows."""
    from agents import driver, registry, training

    settings = _settings(arenas=0, **options)
    games = training.make_envs(settings.run)
    agent: Any = registry.build("ftw", games.spaces, settings.config, 0, None)
    events = driver.run(agent, games, seed=0)

    def learn(number: int) -> None:
        wanted = agent.updates + number
        while agent.updates < wanted:
            next(events)

    learn(_WARM)
    steps, made = agent.env_steps, _made(agent)
    start = time.process_time()
    learn(windows)
    spent = time.process_time() - start
    return Costs(
        agent.env_steps - steps,
        _made(agent) - made,
        {"driver": spent},
        {"driver": peak_bytes()},
    )


def on_ray(windows: int, **options: Any) -> Costs:
    """A population whose members and arena are processes of Ray, on this machine."""
    from agents import actors, registry, training
    from envs.extras import require

    ray = require("ray", "ray", "the case league")
    settings = _settings(arenas=1, **options)
    room = settings.config.population + settings.run.arenas
    ray.init(
        address="local",
        num_cpus=room,
        object_store_memory=500_000_000,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        games = training.make_envs(settings.run)
        agent = registry.build("ftw", games.spaces, settings.config, 0, None)
        made: Any = actors.make_workers(agent, settings, lambda text: None)
        events = made.run(until=10**12, seed=0)
        for _ in range(_WARM):
            next(events)
        before = _now(made, agent)
        for _ in range(windows):
            next(events)
        found = _difference(_now(made, agent), before)
        made.close()
    finally:
        ray.shutdown()
    return found


def _settings(**options: Any) -> Any:
    from agents import training

    given: dict[str, Any] = {"env": "ctf:small", "population": POPULATION}
    return training.settings("ftw", "ctf", **given | options)


def _made(population: Any) -> int:
    return sum(member.updates for member in population.members)


def _now(cluster: Any, agent: Any) -> Costs:
    """What everything has cost so far; who is asked answers when it has done what it was to do."""
    used = cluster.usage()
    cpu = {"members": 0.0, "arenas": 0.0}
    peak = {"member": 0, "arena": 0, "driver": peak_bytes()}
    for name, usage in used.items():
        kind = name.split()[0]
        cpu[f"{kind}s"] += usage.cpu
        peak[kind] = max(peak[kind], usage.peak)
    cpu |= {"driver": time.process_time(), "ray": _ray_cpu()}
    learners = cluster._crew.learners
    return Costs(
        agent.env_steps,
        sum(learner.asked for learner in learners),
        cpu,
        peak,
        cluster.row_bytes,
        cluster.weight_bytes,
        cluster._crew.size,
        cluster.calls,
    )


def _difference(after: Costs, before: Costs) -> Costs:
    cpu = {key: value - before.cpu[key] for key, value in after.cpu.items()}
    counts = {
        key: getattr(after, key) - getattr(before, key)
        for key in ("steps", "updates", "rows", "weights", "calls")
    }
    return after._replace(cpu=cpu, **counts)


def _ray_cpu() -> float:
    """Processor seconds of Ray's own processes that this one has started; 0 where there is no /proc."""
    found = 0
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
        except OSError:  # it has ended
            continue
        fields = rest.split()
        if name in _OWN and int(fields[1]) == os.getpid():
            found += int(fields[11]) + int(fields[12])
    return found / os.sysconf("SC_CLK_TCK")
