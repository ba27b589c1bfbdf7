"""Table 1 of the Gumbel-Softmax paper, trained cell by cell: what is still to do, and the table of what is done."""

import csv
import dataclasses
import itertools
import json
import math
import pathlib
import statistics
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agents import process, score
from agents.gumbel_softmax.config import LATENTS, NEWER, PAPER, TASKS
from launch import jobs
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
ROWS = tuple(f"{task}-{latent}" for task in TASKS for latent in LATENTS)
APART = 3.0  # nats between two cells of the paper whose order is checked
_RELAXED = ("gumbel_softmax", "st_gumbel_softmax")


@dataclasses.dataclass(frozen=True)
class Plan:
    """How the table is trained.

    Attributes:
        folder: Where the runs lie.
        updates: Of the runs whose test result counts.
        screen_updates: Of the runs that choose the learning rate.
        rates: Learning rates to choose from.
        anneal: Rates of the temperature's annealing to choose from, for the relaxed estimators of the vae.
        estimators: Columns.
        rows: Rows.
        headline: Estimators that get all seeds.
        seeds: Seeds; the first one chooses.
        flags: Passed on to every run.
    """

    folder: pathlib.Path
    updates: int = 100_000
    screen_updates: int = 20_000
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    anneal: tuple[float, ...] = (1e-5, 1e-4)
    estimators: tuple[str, ...] = PAPER + NEWER
    rows: tuple[str, ...] = ROWS
    headline: tuple[str, ...] = ("straight_through", "gumbel_softmax")
    seeds: tuple[int, ...] = (0, 1, 2)
    flags: tuple[str, ...] = ()

    def cells(self) -> Iterator[tuple[str, str]]:
        """Yields (row, estimator), the paper's columns first."""
        for block in (PAPER, NEWER):
            for row in self.rows:
                for estimator in self.estimators:
                    if estimator in block:
                        yield row, estimator

    def jobs(self) -> list[Job]:
        """Returns the runs that can be started now: of each cell screening, then the best rate, then more seeds."""
        return [job for cell in self.cells() for job in self._of_cell(*cell)]

    def best(self, row: str, estimator: str) -> tuple[float, str] | None:
        """Returns the learning rate and temperature of least validation loss; None before all are there."""
        rate = self._rate(row, estimator)
        if rate is None:
            return None
        chosen = _least(
            {
                heat: result(
                    self._final(row, estimator, rate, heat, self.seeds[0]).folder
                )
                for heat in self._temperatures(row, estimator)
            }
        )
        return None if chosen is None else (rate, chosen)

    def finals(self, row: str, estimator: str) -> dict[int, Mapping[str, Any]]:
        """Returns the results of a cell's chosen settings by seed."""
        best = self.best(row, estimator)
        if best is None:
            return {}
        found = {
            seed: result(self._final(row, estimator, *best, seed).folder)
            for seed in self._seeds(estimator)
        }
        return {seed: each for seed, each in found.items() if each}

    def _of_cell(self, row: str, estimator: str) -> Iterable[Job]:
        screening = [self._screening(row, estimator, rate) for rate in self.rates]
        if left := _undone(screening):
            return left
        rate = self._rate(row, estimator)
        if rate is None:
            return []  # all diverged
        heats = self._temperatures(row, estimator)
        first = [self._final(row, estimator, rate, h, self.seeds[0]) for h in heats]
        if left := _undone(first):
            return left
        best = self.best(row, estimator)
        if best is None:
            return []
        seeds = self._seeds(estimator)
        return _undone(self._final(row, estimator, *best, seed) for seed in seeds)

    def _rate(self, row: str, estimator: str) -> float | None:
        return _least(
            {
                rate: result(self._screening(row, estimator, rate).folder)
                for rate in self.rates
            }
        )

    def _seeds(self, estimator: str) -> tuple[int, ...]:
        return self.seeds if estimator in self.headline else self.seeds[:1]

    def _temperatures(self, row: str, estimator: str) -> list[str]:
        if row.startswith("vae") and estimator in _RELAXED:
            return [f"anneal({rate:g}, 0.5, 500)" for rate in self.anneal]
        return [""]

    def _screening(self, row: str, estimator: str, rate: float) -> Job:
        # The test images are of no use here, so they are seen through few samples.
        more = (f"--updates={self.screen_updates}", "--eval_samples=10")
        return self._job("screening", row, estimator, rate, "", self.seeds[0], more)

    def _final(
        self, row: str, estimator: str, rate: float, temperature: str, seed: int
    ) -> Job:
        more = (f"--updates={self.updates}",)
        return self._job("final", row, estimator, rate, temperature, seed, more)

    def _job(
        self,
        stage: str,
        row: str,
        estimator: str,
        rate: float,
        temperature: str,
        seed: int,
        more: tuple[str, ...],
    ) -> Job:
        task, latent = row.split("-")
        heat = f"-{temperature.split(',')[0][7:]}" if temperature else ""
        folder = self.folder / stage / row / estimator / f"lr{rate:g}{heat}"
        folder = folder / f"seed{seed}"
        arguments = (
            *("-m", "launch.gumbel_softmax", f"--task={task}", f"--latent={latent}"),
            *(f"--estimator={estimator}", f"--learning_rate={rate:g}"),
            *([f"--temperature={temperature}"] if temperature else []),
            *(*more, f"--seed={seed}", f"--logdir={folder}", *self.flags),
        )
        name = f"{stage} {row} {estimator} lr {rate:g}{heat} seed {seed}"
        updates = self.updates if stage == "final" else self.screen_updates
        return Job(name, arguments, folder, float(updates))


def train(plan: Plan, output: pathlib.Path, workers: int) -> None:
    """Runs what is missing, and writes the table after every run.

    Raises:
        SystemExit: If a signal stopped it; the same command goes on.
    """
    console = Console(stderr=True)
    command = process.command()

    def finished(job: Job, status: int) -> None:
        found = result(job.folder)
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
    print(f"\nwritten: {output}/score.json, table.csv, table.png")


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


def result(folder: pathlib.Path) -> dict[str, Any] | None:
    """Returns a run's results.json, None if it has none yet."""
    path = folder / "results.json"
    return json.loads(path.read_text()) if path.exists() else None


def table(plan: Plan) -> dict[str, dict[str, float]]:
    """Returns {row: {estimator: test nats, the mean over seeds}} of the cells that are done."""
    return {
        row: {
            estimator: round(statistics.fmean(values), 2)
            for estimator in plan.estimators
            if (values := _nats(plan.finals(row, estimator)))
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
        row: {estimator: _cell(plan, row, estimator) for estimator in columns}
        for row, columns in ours.items()
    }
    runs = [
        run
        for columns in cells.values()
        for cell in columns.values()
        for run in cell["runs"]
    ]
    pairs = {row: order(ours[row], REFERENCE[row]) for row in plan.rows}
    return {
        "name": "table1",
        "agent": "gumbel_softmax",
        "env": "MNIST, " + ", ".join(sorted({run["data"] for run in runs})),
        "preset": "small",
        "command": command,
        **score.origin(),
        "cpu_hours": round(sum(_hours(plan)), 3),
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
    """Writes score.json, table.csv and table.png; returns the content of the first."""
    from launch import table_figure

    output.mkdir(parents=True, exist_ok=True)
    made = content(plan, command)
    (output / "score.json").write_text(json.dumps(made, indent=2) + "\n")
    with open(output / "table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "source", *plan.estimators])
        for row in plan.rows:
            for source, values in (("here", made["table"]), ("paper", REFERENCE)):
                numbers = [values[row].get(name, "") for name in plan.estimators]
                writer.writerow([row, source, *numbers])
    table_figure.draw(made, output / "table.png")
    return made


def _cell(plan: Plan, row: str, estimator: str) -> dict[str, Any]:
    best = plan.best(row, estimator)
    assert best is not None
    return {
        "learning_rate": best[0],
        "temperature": best[1],
        "screening": {
            f"{rate:g}": _valid(result(plan._screening(row, estimator, rate).folder))
            for rate in plan.rates
        },
        "runs": [
            {"seed": seed}
            | {k: round(v, 4) if isinstance(v, float) else v for k, v in run.items()}
            for seed, run in plan.finals(row, estimator).items()
        ],
    }


def _hours(plan: Plan) -> Iterator[float]:
    """Processor hours of every run of the plan, those that chose included."""
    for path in plan.folder.glob("*/*/*/*/seed*/results.json"):
        yield json.loads(path.read_text()).get("cpu_hours", 0.0)


def _undone(jobs: Iterable[Job]) -> list[Job]:
    return [job for job in jobs if result(job.folder) is None]


def _valid(found: Mapping[str, Any] | None) -> float | None:
    """Validation nats; None of a run that diverged."""
    return round(found["valid_nll"], 4) if found and "valid_nll" in found else None


def _nats(finals: Mapping[int, Mapping[str, Any]]) -> list[float]:
    return [run["test_nll"] for run in finals.values() if "test_nll" in run]


def _least(results: Mapping[Any, Mapping[str, Any] | None]) -> Any:
    """The key of least validation nats; None before all are there, or where all diverged."""
    if None in results.values():
        return None
    nats = {key: _valid(found) for key, found in results.items()}
    finite = {key: v for key, v in nats.items() if v is not None and math.isfinite(v)}
    return min(finite, key=finite.__getitem__) if finite else None
