"""Measures speed and memory: `python -m launch.benchmark --suite=NAME [--json=FILE]`; run.json beside FILE says with what.

Each case runs in a process of its own, so that its peak memory is its own. On a machine that others use, quote CPU
seconds and ratios from one run, not wall time.
"""

import launch.origin  # noqa: F401

import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Any

from absl import flags

from agents import process, score
from agents.status import duration
from launch import (
    app,
    benchmark_ctf,
    benchmark_dreamerv2,
    benchmark_estimators,
    benchmark_ftw,
    benchmark_merlin,
    benchmark_sac,
    benchmark_serving,
    benchmark_vqvae,
    tensorflow_log,
)

SUITES = {
    "ctf": benchmark_ctf.CASES,
    "dreamerv2": benchmark_dreamerv2.CASES,
    "estimators": benchmark_estimators.CASES,
    "ftw": benchmark_ftw.CASES,
    "merlin": benchmark_merlin.CASES,
    "sac": benchmark_sac.CASES,
    "serving": benchmark_serving.CASES,
    "vqvae": benchmark_vqvae.CASES,
}
_ENVIRONMENTS = {
    "ctf": benchmark_ctf.ENVIRONMENT,
    "estimators": process.ONE_THREAD,
    "merlin": process.ONE_THREAD,
}

_SUITE = flags.DEFINE_enum("suite", "dreamerv2", sorted(SUITES), "What to measure.")
_ONLY = flags.DEFINE_list(
    "only", [], "Only the cases whose name starts with one of these."
)
_JSON = flags.DEFINE_string(
    "json", "", "Write the measurements there, and run.json beside them."
)
_REPEATS = flags.DEFINE_integer(
    "repeats",
    10,
    "Updates (estimators: times 50; serving: calls, times 20) timed per case.",
    lower_bound=1,
)
_CASE = flags.DEFINE_string(
    "case", "", "Run this one case here and print JSON (used by the command itself)."
)


def main() -> None:
    """Runs the cases one after another and prints a table."""
    cases = SUITES[_SUITE.value]
    if _CASE.value:
        tensorflow_log.load()
        print(json.dumps(cases[_CASE.value](_REPEATS.value)))
        return
    chosen = [
        name
        for name in cases
        if not _ONLY.value or any(name.startswith(part) for part in _ONLY.value)
    ]
    if not chosen:
        raise ValueError(
            f"no case starts with {_ONLY.value}; there are {', '.join(cases)}"
        )
    if _JSON.value:  # a folder that cannot be made is said before all is measured
        pathlib.Path(_JSON.value).parent.mkdir(parents=True, exist_ok=True)
    rows, spent = [], 0.0
    for i, name in enumerate(chosen):
        left = f", {duration(spent / i * (len(chosen) - i))} left" if i else ""
        print(f"{i + 1}/{len(chosen)} {name}{left}", file=sys.stderr, flush=True)
        start = time.monotonic()
        rows += _measure(name)
        spent += time.monotonic() - start
    _print(rows)
    if _JSON.value:
        path = pathlib.Path(_JSON.value)
        path.write_text(json.dumps(rows, indent=2) + "\n")
        made = {"command": process.command()} | score.origin()
        path.with_name("run.json").write_text(json.dumps(made, indent=2) + "\n")


def _measure(name: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "launch.benchmark", f"--suite={_SUITE.value}"]
    command += [f"--case={name}", f"--repeats={_REPEATS.value}"]
    environment = os.environ | _ENVIRONMENTS.get(_SUITE.value, {})
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    where = score.hardware()
    return [{"suite": _SUITE.value, "machine": where} | row for row in found]


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{_SUITE.value} on {rows[0]['machine']}")
    for column in ("name", "value", "unit", "better", "reference"):
        table.add_column(column, justify="right" if column == "value" else "left")
    for row in rows:
        reference = "" if row["reference"] is None else f"{row['reference']:g}"
        table.add_row(
            row["name"], f"{row['value']:.4g}", row["unit"], row["better"], reference
        )
    Console().print(table)


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
