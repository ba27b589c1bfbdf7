"""score.json: one result with everything needed to judge and to repeat it."""

import json
import os
import pathlib
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from agents.logger import read_metrics

_VERSIONS = (
    "tensorflow",
    "keras",
    "tensorflow-probability",
    "numpy",
    "gymnasium",
    "ale-py",
)


def seed_result(logdir: str | os.PathLike[str], final: float) -> dict[str, Any]:
    """Returns one seed's entry: its curve from metrics.jsonl, and the final score.

    Args:
        logdir: The run.
        final: Mean return of fresh evaluation episodes at the stated step.
    """
    path = pathlib.Path(logdir)
    run = json.loads((path / "config.json").read_text())["run"]
    rows = read_metrics(path / "metrics.jsonl")
    curve = [
        [row["env_steps"], row["return"]]
        for row in rows
        if row.get("return") is not None
    ]
    return {
        "seed": run["seed"],
        "env_steps": rows[-1]["env_steps"],
        "hours": round(rows[-1]["time"] / 3600, 3),
        "curve": curve,
        "final": final,
    }


def score(
    name: str,
    logdir: str | os.PathLike[str],
    command: str,
    seeds: Sequence[Mapping[str, Any]],
    *,
    random: float,
    bar: float,
    wall_hours: float,
    cpu_hours: float,
    notes: str = "",
) -> dict[str, Any]:
    """Returns the content of score.json.

    Args:
        name: The result's name.
        logdir: A run of it, for what was run.
        command: What produced it.
        seeds: `seed_result` of every seed started.
        random: Return of a random policy.
        bar: What was asked for.
        wall_hours: Over all seeds.
        cpu_hours: Over all seeds.
        notes: What a reader should know.
    """
    saved = json.loads((pathlib.Path(logdir) / "config.json").read_text())
    finals = [seed["final"] for seed in seeds]
    return {
        "name": name,
        "agent": saved["agent"],
        "env": saved["run"]["env"],
        "preset": saved["preset"],
        "config": saved["config"],
        "command": command,
        "commit": commit(),
        "versions": versions(),
        "hardware": hardware(),
        "wall_hours": round(wall_hours, 3),
        "cpu_hours": round(cpu_hours, 3),
        "seeds": list(seeds),
        "random": random,
        "bar": bar,
        "met": sum(finals) / len(finals) >= bar,
        "notes": notes,
    }


def commit() -> str:
    """Returns the commit of the source tree, with '+' if it has changes; '' without git."""
    folder = pathlib.Path(__file__).parent
    outputs = []
    for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"]):
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=folder, capture_output=True, text=True
            )
        except OSError:
            return ""
        if done.returncode:
            return ""
        outputs.append(done.stdout.strip())
    return outputs[0] + ("+" if outputs[1] else "")


def versions() -> dict[str, str]:
    """Returns the versions of Python and of what the result depends on."""
    found = {"python": platform.python_version()}
    for name in _VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> str:
    """Returns the processor's name, its units that matter, and the number of usable cores."""
    name, units = platform.processor() or platform.machine(), ""
    path = pathlib.Path("/proc/cpuinfo")
    if path.exists():
        lines = [line.partition(":") for line in path.read_text().splitlines()]
        fields = {key.strip(): value.strip() for key, _, value in lines}
        name = fields.get("model name", name)
        wanted = ("avx512f", "avx512_bf16", "amx_bf16")
        flags = fields.get("flags", "").split()
        units = "".join(f" {unit}" for unit in wanted if unit in flags)
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return f"{cores} cores, {name}{units}"
