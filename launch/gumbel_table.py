"""Table 1 of the Gumbel-Softmax paper: trained by a plan's runs, and written beside the paper's."""

import csv
import itertools
import json
import pathlib
import statistics
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agents import process, score
from agents.gumbel_softmax.config import PAPER
from launch import gumbel_plan, jobs
from launch.gumbel_plan import Cell, Plan, Result
from launch.jobs import Job

# Test negative log-likelihood in nats, lower is better: Jang et al. 2017 (arXiv 1611.01144), table 1.
REFERENCE: Mapping[str, Mapping[str, float]] = {
    row: dict(zip(PAPER, numbers, strict=True))
    for row, numbers in {
        "sbn-bernoulli": (72.0, 59.7, 58.9, 58.9, 58.7, 58.5, 59.3),
        "sbn-categorical": (73.1, 67.9, 63.0, 61.8, 61.1, 59.0, 59.7),
        "vae-bernoulli": (112.2, 110.9, 109.7, 116.0, 111.5, 105.0, 111.5),
        "vae-categorical": (110.6, 128.8, 107.0, 110.9, 107.8, 101.5, 107.8),
    }.items()
}
APART = 3.0  # nats between two cells of the paper whose order is checked


def train(plan: Plan, output: pathlib.Path, workers: int) -> None:
    """Runs what is missing, and writes the table after every run.

    Raises:
        SystemExit: If a signal stopped it; the same command goes on.
    """
    console = Console(stderr=True)
    command = process.command()

    def finished(job: Job, status: int) -> None:
        found = plan.result(job)
        if found is None:
            last = (job.folder / "log.txt").read_text().rstrip().rsplit("\n", 1)[-1]
            console.print(f"[red]{escape(job.name)}: {escape(last)}")
            return
        nats = f"valid {found['valid_nll']:.2f}" if "valid_nll" in found else "diverged"
        console.print(f"{escape(job.name)}: {nats}", highlight=False)
        write(plan, output, command)

    stopped_by = jobs.run(plan.jobs, workers, finished, console)
    if stopped_by:
        console.print(f"resume    {command}", markup=False, soft_wrap=True)
        raise SystemExit(128 + stopped_by)
    show(write(plan, output, command), Console())
    print(
        f"\nwritten: {output}/score.json, results.jsonl, table.csv, table.md, table.png"
    )


def show(made: Mapping[str, Any], console: Console) -> None:
    """Prints the table, ours / the paper's, a line per estimator, and the pairs in order."""
    rows = list(made["table"])
    shown = Table(title="Test negative log-likelihood in nats: here / in the paper")
    shown.add_column("estimator")
    for row in rows:
        shown.add_column(row, justify="right")
    for name in dict.fromkeys(name for row in rows for name in made["table"][row]):
        cells = [
            (made["table"][row].get(name), REFERENCE[row].get(name)) for row in rows
        ]
        shown.add_row(name, *(f"{_number(a)} / {_number(b)}" for a, b in cells))
    console.print(shown)
    for row, pairs in made["order"].items():
        console.print(
            f"{row}: {pairs['kept']} of {pairs['of']} pairs that the paper has {APART:g} nats apart are in its order"
            + "".join(f"; not {better} < {worse}" for better, worse in pairs["broken"]),
            highlight=False,
        )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def table(plan: Plan) -> dict[str, dict[str, float]]:
    """Returns {row: {estimator: test nats, the mean over seeds}} of the cells that are done."""
    return {
        row: {
            estimator: round(statistics.fmean(values), 2)
            for estimator in plan.estimators
            if (values := _nats(plan.finals(Cell(row, estimator))))
        }
        for row in plan.rows
    }


def order(
    ours: Mapping[str, float], paper: Mapping[str, float], apart: float = APART
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Returns the pairs (better, worse) that the paper has `apart` or more: those in its order here, those not."""
    pairs = [
        (better, worse)
        for better, worse in itertools.permutations(ours.keys() & paper.keys(), 2)
        if paper[worse] - paper[better] >= apart
    ]
    kept = sorted(pair for pair in pairs if ours[pair[0]] < ours[pair[1]])
    return kept, sorted(set(pairs) - set(kept))


def content(plan: Plan, command: str) -> dict[str, Any]:
    """Returns the table as the content of a score.json."""
    ours = table(plan)
    cells = {
        row: {estimator: _cell(plan, Cell(row, estimator)) for estimator in columns}
        for row, columns in ours.items()
    }
    runs = [
        run
        for columns in cells.values()
        for cell in columns.values()
        for run in cell["runs"]
    ]
    pairs = {row: order(ours[row], REFERENCE[row]) for row in plan.rows}
    done = plan.results()
    return {
        "name": "table1",
        "agent": "gumbel_softmax",
        "env": "MNIST, " + ", ".join(sorted({run["data"] for run in runs})),
        "preset": plan.preset,
        "command": command,
        **score.origin(", ".join(_commits(done))),
        "cpu_hours": round(_hours(done), 3),
        "updates": plan.updates,
        "table": ours,
        "reference": {row: dict(REFERENCE[row]) for row in plan.rows},
        "order": {
            row: {"kept": len(kept), "of": len(kept) + len(broken), "broken": broken}
            for row, (kept, broken) in pairs.items()
        },
        "cells": cells,
    }


def write(plan: Plan, output: pathlib.Path, command: str) -> dict[str, Any]:
    """Writes score.json, results.jsonl, table.csv, table.md and table.png; returns the content of the first."""
    from launch import table_figure

    output.mkdir(parents=True, exist_ok=True)
    made = content(plan, command)
    (output / "score.json").write_text(json.dumps(made, indent=2) + "\n")
    gumbel_plan.write_record(plan.results(), output)
    with open(output / "table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "source", *plan.estimators])
        for row in plan.rows:
            for source, values in (("here", made["table"]), ("paper", REFERENCE)):
                numbers = [values[row].get(name, "") for name in plan.estimators]
                writer.writerow([row, source, *numbers])
    (output / "table.md").write_text(markdown(made))
    table_figure.draw(made, output / "table.png")
    return made


def _cell(plan: Plan, cell: Cell) -> dict[str, Any]:
    best = plan.best(cell)
    assert best is not None
    return {
        "learning_rate": best.rate,
        "temperature": best.temperature,
        "screening": {f"{rate:g}": n for rate, n in plan.screened(cell).items()},
        "runs": [
            {"seed": seed}
            | {k: round(v, 4) if isinstance(v, float) else v for k, v in run.items()}
            for seed, run in plan.finals(cell).items()
        ],
    }


def markdown(made: Mapping[str, Any]) -> str:
    """Returns the table and the count of pairs as a page."""
    rows = list(made["table"])
    lines = [
        "Test negative log-likelihood in nats, here / in the paper; the mean over seeds where there are several (their number "
        "behind it).",
        "",
        f"| estimator | {' | '.join(rows)} |",
        f"|---|{'---:|' * len(rows)}",
    ]
    for name in dict.fromkeys(name for row in rows for name in made["table"][row]):
        cells = []
        for row in rows:
            ours = made["table"][row].get(name)
            seeds = len(made["cells"][row].get(name, {}).get("runs", []))
            several = f" ({seeds})" if seeds > 1 else ""
            cells.append(
                f"{_number(ours)} / {_number(REFERENCE[row].get(name))}{several}"
            )
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    lines += ["", "Pairs of estimators that the paper has 3 nats or more apart:", ""]
    for row, pairs in made["order"].items():
        broken = "; not ".join(f"{a} < {b}" for a, b in pairs["broken"])
        text = f"- {row}: {pairs['kept']} of {pairs['of']} in the paper's order"
        lines.append(text + (f"; not {broken}" if broken else ""))
    return "\n".join(lines) + "\n"


def _commits(results: Mapping[str, Result]) -> list[str]:
    """The commits that the runs were made with; one that was resumed may have several."""
    lists = (each["commit"].split(", ") for each in results.values())
    return sorted({commit for commits in lists for commit in commits if commit})


def _hours(results: Mapping[str, Result]) -> float:
    """Processor hours of all runs; those of screening are in the final run's where it went on from there."""
    stages = {run: run.split("/", 1) for run in results}
    finals = {cell for stage, cell in stages.values() if stage == "final"}
    return sum(
        results[run].get("cpu_hours", 0.0)
        for run, (stage, cell) in stages.items()
        if stage == "final" or cell not in finals
    )


def _nats(finals: Mapping[int, Result]) -> list[float]:
    return [run["test_nll"] for run in finals.values() if "test_nll" in run]
