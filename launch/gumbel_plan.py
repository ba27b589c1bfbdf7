"""Which runs make Table 1 of the Gumbel-Softmax paper: those still to do, and what those that are done found."""

import dataclasses
import json
import math
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from agents.gumbel_softmax.config import LATENTS, NEWER, PAPER, TASKS
from launch.jobs import Job

ROWS = tuple(f"{task}-{latent}" for task in TASKS for latent in LATENTS)
RECORD = "results.jsonl"  # every run of a table, a line each
_RELAXED = ("gumbel_softmax", "st_gumbel_softmax")

Result = Mapping[str, Any]


class Cell(NamedTuple):
    """A row and a column of the table."""

    row: str
    estimator: str


class Setting(NamedTuple):
    """What is chosen by validation: the learning rate, and the schedule of the temperature ('': the default)."""

    rate: float
    temperature: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """How the table is trained.

    Of each cell, learning rates are tried with few updates, from the largest down, until one is worse than the one
    above it; the best goes on to all updates. Cells of the paper come first, further seeds of the headline next, the
    newer estimators last, one after another.

    Attributes:
        folder: Where the runs lie.
        updates: Of the runs whose test result counts.
        screen_updates: Of the runs that choose the learning rate.
        rates: Learning rates to choose from.
        anneal: Rates of the temperature's annealing to choose from, for the relaxed estimators of the vae; the last
            one is screened with.
        estimators: Columns.
        rows: Rows.
        headline: Estimators that get all seeds.
        seeds: Seeds; the first one chooses.
        preset: Of every run.
        flags: Passed on to every run.
        record: Results of runs whose folders are gone, by `run`; see `read_record`.
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
    preset: str = "small"
    flags: tuple[str, ...] = ()
    record: Mapping[str, Result] = dataclasses.field(default_factory=dict)

    def cells(self) -> Iterator[Cell]:
        """Yields the cells, the paper's columns first."""
        for block in (PAPER, NEWER):
            yield from self._block(block)

    def jobs(self) -> list[Job]:
        """Returns the runs that can be started now, the most urgent first."""
        found: list[Job] = []
        for block in (PAPER, NEWER):
            for stage in (self._choosing, self._repeating):
                found += [job for cell in self._block(block) for job in stage(cell)]
        return found

    def best(self, cell: Cell) -> Setting | None:
        """Returns the setting of least validation loss; None before all are there."""
        candidates = self._candidates(cell)
        return self._least({s: self._final(cell, s, self.seeds[0]) for s in candidates})

    def finals(self, cell: Cell) -> dict[int, Result]:
        """Returns the results of a cell's chosen setting by seed."""
        best = self.best(cell)
        if best is None:
            return {}
        found = {s: self.result(self._final(cell, best, s)) for s in self._seeds(cell)}
        return {seed: each for seed, each in found.items() if each}

    def screened(self, cell: Cell) -> dict[float, float | None]:
        """Returns the validation nats of the rates that were tried; None of those that diverged."""
        found = {r: self.result(self._screening(cell, r)) for r in self.rates}
        return {rate: _valid(each) for rate, each in found.items() if each}

    def result(self, job: Job) -> Result | None:
        """Returns what a run found; None before it has made its updates."""
        found = in_folder(job.folder) or self.record.get(self._name(job.folder))
        whole = found and (found.get("diverged") or found["updates"] >= job.weight)
        return found if whole else None

    def results(self) -> dict[str, Result]:
        """Returns the results of every run that is done, by `run`, with the command and commit that made it."""
        found = dict(self.record)
        for path in sorted(self.folder.glob("*/*/*/*/seed*")):
            results = in_folder(path)
            if results:
                origin = json.loads((path / "config.json").read_text())
                origin = {key: origin.get(key, "") for key in ("command", "commit")}
                found[self._name(path)] = {**results, **origin}
        return dict(sorted(found.items()))

    def _block(self, block: tuple[str, ...]) -> Iterator[Cell]:
        for estimator in block:
            if estimator in self.estimators:
                for row in self.rows:
                    yield Cell(row, estimator)

    def _choosing(self, cell: Cell) -> Iterable[Job]:
        if pending := self._to_screen(cell):
            return [self._screening(cell, rate) for rate in pending]
        candidates = self._candidates(cell)
        return self._undone(self._final(cell, s, self.seeds[0]) for s in candidates)

    def _repeating(self, cell: Cell) -> Iterable[Job]:
        best = self.best(cell)
        if best is None:
            return []
        return self._undone(self._final(cell, best, seed) for seed in self._seeds(cell))

    def _to_screen(self, cell: Cell) -> list[float]:
        """The rates that must be tried next; none when it is known which is best."""
        rates = sorted(self.rates, reverse=True)
        least = math.inf
        for i, rate in enumerate(rates):
            found = self.result(self._screening(cell, rate))
            if found is None:
                return rates[i : max(i + 1, 2)]  # the second is always wanted
            nats = _valid(found)
            if nats is not None and nats > least:
                return []
            least = min(least, math.inf if nats is None else nats)
        return []

    def _candidates(self, cell: Cell) -> list[Setting]:
        """The settings that go on to all updates; none before the learning rate is known, or if all diverged."""
        if self._to_screen(cell):
            return []
        rate = self._least({r: self._screening(cell, r) for r in self.screened(cell)})
        return [] if rate is None else [Setting(rate, t) for t in _heats(self, cell)]

    def _seeds(self, cell: Cell) -> tuple[int, ...]:
        return self.seeds if cell.estimator in self.headline else self.seeds[:1]

    def _screening(self, cell: Cell, rate: float) -> Job:
        # The test images are of no use here, so they are seen through few samples.
        more = (f"--updates={self.screen_updates}", "--eval_samples=10")
        setting = Setting(rate, _heats(self, cell)[-1])
        return self._job("screening", cell, setting, self.seeds[0], more)

    def _final(self, cell: Cell, setting: Setting, seed: int) -> Job:
        job = self._job("final", cell, setting, seed, (f"--updates={self.updates}",))
        screening = self._screening(cell, setting.rate)
        same = setting.temperature == _heats(self, cell)[-1] and seed == self.seeds[0]
        # Screening was the beginning of this run.
        return job._replace(begun=screening.folder) if same else job

    def _job(
        self,
        stage: str,
        cell: Cell,
        setting: Setting,
        seed: int,
        more: tuple[str, ...],
    ) -> Job:
        task, latent = cell.row.split("-")
        heat = setting.temperature
        label = f"lr{setting.rate:g}" + (f"-{heat.split(',')[0][7:]}" if heat else "")
        folder = self.folder / stage / cell.row / cell.estimator / label / f"seed{seed}"
        arguments = (
            *("-m", "launch.gumbel_softmax", f"--task={task}", f"--latent={latent}"),
            f"--estimator={cell.estimator}",
            f"--learning_rate={setting.rate:g}",
            *([f"--temperature={heat}"] if heat else []),
            *(*more, f"--seed={seed}", f"--logdir={folder}"),
            *(*self.flags, f"--preset={self.preset}"),
        )
        name = f"{stage} {cell.row} {cell.estimator} {label} seed {seed}"
        updates = self.updates if stage == "final" else self.screen_updates
        return Job(name, arguments, folder, float(updates))

    def _name(self, folder: pathlib.Path) -> str:
        return folder.relative_to(self.folder).as_posix()

    def _undone(self, jobs: Iterable[Job]) -> list[Job]:
        return [job for job in jobs if self.result(job) is None]

    def _least(self, jobs: Mapping[Any, Job]) -> Any:
        """The key of least validation nats; None before all are there, or where all diverged."""
        results = {key: self.result(job) for key, job in jobs.items()}
        if None in results.values():
            return None
        nats = {key: _valid(found) for key, found in results.items()}
        finite = {k: v for k, v in nats.items() if v is not None and math.isfinite(v)}
        return min(finite, key=finite.__getitem__) if finite else None


def in_folder(folder: pathlib.Path) -> dict[str, Any] | None:
    """Returns a run's results.json, None if it has none yet."""
    path = folder / "results.json"
    return json.loads(path.read_text()) if path.exists() else None


def read_record(output: pathlib.Path) -> dict[str, Result]:
    """Returns the results that a table's `results.jsonl` holds, by `run`; nothing where there is none."""
    path = output / RECORD
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    return {each.pop("run"): each for each in found}


def write_record(results: Mapping[str, Result], output: pathlib.Path) -> None:
    """Writes `results.jsonl`, from which `read_record` reads the results."""
    lines = [json.dumps({"run": run, **each}) for run, each in results.items()]
    (output / RECORD).write_text("".join(line + "\n" for line in lines))


def _heats(plan: Plan, cell: Cell) -> list[str]:
    if cell.row.startswith("vae") and cell.estimator in _RELAXED:
        return [f"anneal({rate:g}, 0.5, 500)" for rate in plan.anneal]
    return [""]


def _valid(found: Result | None) -> float | None:
    """Validation nats; None of a run that diverged."""
    return round(found["valid_nll"], 4) if found and "valid_nll" in found else None
