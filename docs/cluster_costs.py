"""What a population on a cluster takes: measures unit costs on this machine, and computes the tables of docs/cluster.md from them.

    python docs/cluster_costs.py measure [FILE]     # in ten minutes on two cores; writes scores/cluster/costs.json
    python docs/cluster_costs.py table [FILE]       # prints the tables

Measured are a population of four on Ray, an arena and a member's update (`launch.benchmark --suite=ftw --only=league`), the update at
other numbers of rows, and the memory of arenas and of the run's own process for each population of the table.
"""

import json
import math
import pathlib
import subprocess
import sys
from typing import Any

POPULATIONS = (4, 8, 30)
ROWS = 16  # of a window, for each member: arenas have as many players
GAMES = 450_000  # the paper's, of which the table tells the hours
GAME_STEPS = 600  # agent steps of a game of ctf:small: 150 steps of 4 players
WINDOWS = 30
FILE = pathlib.Path(__file__).parents[1] / "scores" / "cluster" / "costs.json"


def measure() -> dict[str, Any]:
    """Returns the unit costs; each is measured in a process of its own."""
    from agents import score

    found = {"hardware": score.hardware(), "commit": score.commit(), "preset": "ctf"}
    found |= _in_another_process("league", 0)
    found["update_cpu"] = {
        str(rows): _in_another_process("update", rows) for rows in (2, 8, 16, 64)
    }
    for part in ("arena", "driver"):
        found[f"{part}_gb"] = {
            str(each): _in_another_process(part, each) for each in POPULATIONS
        }
    return found


def league(_: int) -> dict[str, Any]:
    """A population of four on Ray with one arena, per thousand agent steps and per update."""
    from launch.benchmark_league import on_ray

    costs = on_ray(WINDOWS)
    thousands = costs.steps / 1e3
    return {
        "arena_cpu": costs.cpu["arenas"] / thousands,
        "driver_cpu": costs.cpu["driver"] / thousands,
        "ray_cpu": costs.cpu["ray"] / thousands,
        "member_cpu": costs.cpu["members"] / thousands,
        "rows_bytes": costs.rows / costs.steps,
        "acting_bytes": costs.acting,
        "calls": costs.calls / costs.steps,
        "member_gb": costs.peak["member"] / 1e9,
    }


def update(rows: int) -> float:
    """CPU seconds of a member's update on so many rows, publishing included."""
    from launch.measures import times
    from launch.random_rows import batch_of

    member = _population(2).members[0]
    batch = batch_of(member, rows)
    return times(lambda: member.study(batch), WINDOWS)[0]


def arena(members: int) -> float:
    """GB of an arena in which so many members have played."""
    from agents.ftw.arena_actor import ArenaActor
    from agents.process import peak_bytes

    settings = _settings(members)
    made = ArenaActor(settings, 0)
    made.start(0)
    population: Any = made._agent
    for _ in range(3):
        made.play(population.league.ratings, *[None] * members)
    return peak_bytes() / 1e9


def driver(members: int) -> float:
    """GB of the process that holds a league of so many, and their states."""
    from agents.process import peak_bytes

    population = _population(members)
    population.get_state()
    return peak_bytes() / 1e9


def units(costs: dict[str, Any]) -> str:
    """Returns a table of what was measured."""
    per = {
        "an arena": costs["arena_cpu"],
        "a member": costs["member_cpu"],
        "the league": costs["driver_cpu"],
        "Ray itself": costs["ray_cpu"],
    }
    lines = [f"| {who} | {cpu:.3f} |" for who, cpu in per.items()]
    lines = ["| CPU seconds per 1,000 agent steps of | |", "|---|---:|", *lines]
    update = ", ".join(
        f"{1e3 * cpu:.0f} ms on {rows}" for rows, cpu in costs["update_cpu"].items()
    )
    arenas = ", ".join(f"{gb:.2f} for {n}" for n, gb in costs["arena_gb"].items())
    lines += [
        f"| a member's update of 25 steps, by rows | {update} |",
        f"| bytes of rows per agent step | {costs['rows_bytes']:,.0f} |",
        f"| bytes of weights, per member and window | {costs['acting_bytes']:,} |",
        f"| calls per agent step | {costs['calls']:.4f} |",
        f"| GB of a member | {costs['member_gb']:.2f} |",
        f"| GB of an arena, by members | {arenas} |",
    ]
    return "\n".join(lines)


def table(costs: dict[str, Any]) -> str:
    """Returns the table: a line for each population, every member learning all the time on a core of its own."""
    lines = [
        "| population | arenas of players | processes | memory GB | agent steps/s | bandwidth MB/s | cores' work | hours for 450,000 games |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for members in POPULATIONS:
        found = needs(costs, members)
        lines.append(
            f"| {members} | {found['arenas']} of {ROWS * members} | {found['processes']} | {found['memory_gb']:.1f} "
            f"| {found['rate']:,.0f} | {found['megabytes']:.1f} | {found['cores']:.1f} | {found['hours']:,.1f} |"
        )
    return "\n".join(lines)


def needs(costs: dict[str, Any], members: int) -> dict[str, float]:
    """What a population needs where no member waits for rows.

    With b processor seconds for a member's thousand agent steps, a for an arena's, and c of the league's one process: the members make
    1000 members / b steps a second, but no more than 1000 / c, and a of an arena's seconds go into each thousand of them.
    """
    rate = min(1000 * members / costs["member_cpu"], 1000 / costs["driver_cpu"])
    arenas = math.ceil(rate / 1000 * costs["arena_cpu"])
    window = 25 * ROWS * members
    weights = rate / window * members * costs["acting_bytes"]
    gb = members * costs["member_gb"] + arenas * costs["arena_gb"][str(members)]
    own = rate / 1000 * (costs["driver_cpu"] + costs["ray_cpu"])
    return {
        "arenas": arenas,
        "processes": members + arenas + 1,
        "memory_gb": gb + costs["driver_gb"][str(members)],
        "rate": rate,
        "megabytes": (rate * costs["rows_bytes"] + weights) / 1e6,
        "cores": rate / 1000 * (costs["member_cpu"] + costs["arena_cpu"]) + own,
        "hours": GAMES * GAME_STEPS / rate / 3600,
    }


def _settings(members: int) -> Any:
    from agents import training

    rows = {"population": members, "num_envs": ROWS * members}
    return training.settings("ftw", "ctf", env="ctf:small", **rows)


def _population(members: int) -> Any:
    from agents import registry, training

    settings = _settings(members)
    spaces = training.make_envs(settings.run).spaces
    return registry.build("ftw", spaces, settings.config, 0, None)


def _in_another_process(part: str, number: int) -> Any:
    done = subprocess.run(
        [sys.executable, __file__, part, str(number)],
        capture_output=True,
        text=True,
        cwd=FILE.parents[2],
    )
    if done.returncode:
        raise RuntimeError(f"{part} {number} failed:\n{done.stderr[-2000:]}")
    print(part, number, done.stdout.splitlines()[-1], flush=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures, prints, or does one part of it."""
    parts = {each.__name__: each for each in (league, update, arena, driver)}
    command, *rest = sys.argv[1:] or [""]
    if command in parts:
        print(json.dumps(parts[command](int(rest[0]))))
        return
    if command not in ("measure", "table"):
        raise SystemExit(__doc__)
    file = pathlib.Path(rest[0]) if rest else FILE
    if command == "measure":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(measure(), indent=2) + "\n")
    costs = json.loads(file.read_text())
    print(units(costs), table(costs), sep="\n\n")


if __name__ == "__main__":
    main()
