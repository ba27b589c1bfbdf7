"""Two models with the same grids and codebooks, VQ-VAE and dVAE, trained and written into one table."""

import csv
import dataclasses
import json
import pathlib
import statistics
from collections.abc import Mapping
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agents import process, score
from agents.dvae.config import DVAEConfig
from agents.vqvae.config import MNIST, CodesConfig, ImagesFitConfig
from launch import jobs
from launch.jobs import Job

MODELS = ("vqvae", "dvae")


class Measure(NamedTuple):
    """A row: what it is called, digits that are shown, and which end is better ('' where neither is)."""

    text: str
    digits: int
    better: str


MEASURES: Mapping[str, Measure] = {
    "mse": Measure("mean squared error of reconstructions", 5, "lower"),
    "pixel_bits": Measure("bits per image, pixels given codes", 1, "lower"),
    "code_bits": Measure("bits per image, codes by the prior", 1, ""),
    "bits_per_dim": Measure("bits per dimension, both", 4, "lower"),
    "nll": Measure("nats per image, both", 2, "lower"),
    "perplexity": Measure("perplexity of the codes", 1, "higher"),
    "used": Measure("share of codes that are used", 3, "higher"),
}
_HOURS = "cpu_hours"


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which runs the table needs.

    Attributes:
        folder: Where they lie.
        run: Their settings, but for seed and logdir; frames are kept in its data_dir, else in `folder`.
        config: The settings of the dVAE; the VQ-VAE shares its sizes.
        seeds: Of each model.
    """

    folder: pathlib.Path
    run: ImagesFitConfig
    config: DVAEConfig
    seeds: tuple[int, ...] = (0,)

    def jobs(self) -> list[Job]:
        """Returns the runs that are not done."""
        every = [self.job(model, seed) for seed in self.seeds for model in MODELS]
        return [job for job in every if self.result(job) is None]

    def job(self, model: str, seed: int) -> Job:
        """Returns one run; all its settings stand in its command."""
        folder = self.folder / model / f"seed{seed}"
        cls = DVAEConfig if model == "dvae" else CodesConfig
        given = _flags(self.config, cls) + _flags(self.run, ImagesFitConfig)
        own = {"logdir": folder, "seed": seed, "data_dir": self._data_dir()}
        given += [f"--{name}={value}" for name, value in own.items()]
        arguments = ("-m", f"launch.{model}", *given)
        return Job(f"{model} seed {seed}", arguments, folder, float(self.run.updates))

    def result(self, job: Job) -> dict[str, Any] | None:
        """Returns what a run found; None before it has made its updates."""
        path = job.folder / "results.json"
        found = json.loads(path.read_text()) if path.exists() else None
        whole = found and (found.get("diverged") or found["updates"] >= job.weight)
        return found if whole else None

    def results(self, model: str) -> dict[int, dict[str, Any]]:
        """Returns the results of a model's runs that are done and did not diverge, by seed."""
        found = {seed: self.result(self.job(model, seed)) for seed in self.seeds}
        return {s: each for s, each in found.items() if each and "test_mse" in each}

    def _data_dir(self) -> str:
        shared = self.run.data_dir or ("" if self.run.data == MNIST else self.folder)
        return str(shared)


def _flags(config: Any, cls: type) -> list[str]:
    """Every field of `cls` as flags with the values of `config`, but for what each run has of its own."""
    own = {"logdir", "seed", "data_dir"}
    names = [f.name for f in dataclasses.fields(cls) if f.name not in own]
    return [f"--{name}={getattr(config, name)}" for name in names]


def train(plan: Plan, output: pathlib.Path, workers: int) -> None:
    """Runs what is missing, and writes the table after every run.

    Raises:
        SystemExit: If a signal stopped it; the same command goes on.
    """
    console = Console(stderr=True)
    command = process.command()

    def finished(job: Job, status: int) -> None:
        found = plan.result(job)
        if found is None or "test_mse" not in found:
            last = (job.folder / "log.txt").read_text().rstrip().rsplit("\n", 1)[-1]
            console.print(f"[red]{escape(job.name)}: {escape(last)}")
            return
        bits = f"{found['test_bits_per_dim']:.4f} bits per dimension"
        console.print(f"{escape(job.name)}: {bits}", highlight=False)
        write(plan, output, command)

    stopped_by = jobs.run(plan.jobs, workers, finished, console)
    if stopped_by:
        console.print(f"resume    {command}", markup=False, soft_wrap=True)
        raise SystemExit(128 + stopped_by)
    made = write(plan, output, command)
    show(made, Console())
    print(f"\nwritten: {output}/score.json, table.csv, table.md, table.png")


def table(plan: Plan) -> dict[str, dict[str, float]]:
    """Returns {measure: {model: its mean over seeds}} on test images, of the runs that are done."""
    found: dict[str, dict[str, float]] = {}
    for name in (*MEASURES, _HOURS):
        key = name if name == _HOURS else f"test_{name}"
        values = {model: [r[key] for r in plan.results(model).values()] for model in MODELS}  # fmt: skip
        found[name] = {m: statistics.fmean(v) for m, v in values.items() if v}
    return found


def content(plan: Plan, command: str, name: str) -> dict[str, Any]:
    """Returns the table as the content of a score.json of this name."""
    runs = {model: plan.results(model) for model in MODELS}
    every = [each for of_model in runs.values() for each in of_model.values()]
    return {
        "name": name,
        "agent": "dvae",
        "env": ", ".join(sorted({each["data"] for each in every})) or plan.run.data,
        "preset": "",
        "command": command,
        **score.origin(""),
        "cpu_hours": round(sum(each[_HOURS] for each in every), 3),
        "updates": plan.run.updates,
        "budget": {
            name: getattr(plan.config, name) for name in ("codes", "downsample", "levels")
        },
        "table": table(plan),
        "reference": {},
        "runs": {
            model: [{"seed": seed} | each for seed, each in of_model.items()]
            for model, of_model in runs.items()
        },
    }  # fmt: skip


def write(plan: Plan, output: pathlib.Path, command: str) -> dict[str, Any]:
    """Writes score.json, table.csv, table.md and table.png; returns the content of the first."""
    output.mkdir(parents=True, exist_ok=True)
    made = content(plan, command, output.resolve().name)
    (output / "score.json").write_text(json.dumps(made, indent=2) + "\n")
    with open(output / "table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["measure", *MODELS])
        for name, row in made["table"].items():
            writer.writerow([name, *(row.get(model, "") for model in MODELS)])
    (output / "table.md").write_text(markdown(made))
    _draw(made, output / "table.png")
    return made


def markdown(made: Mapping[str, Any]) -> str:
    """Returns the table as a page."""
    budget = made["budget"]
    counts = " and ".join(f"{len(made['runs'][m])} of `{m}`" for m in MODELS)
    lines = [
        f"Test images of {made['env']}; a codebook of {budget['codes']}, a code per {budget['downsample']} x "
        f"{budget['downsample']} pixels, {budget['levels']} level(s), {made['updates']:,} updates. Means over seeds: {counts}.",
        "",
        f"| | {' | '.join(f'`{m}`' for m in MODELS)} |",
        f"|---|{'---:|' * len(MODELS)}",
    ]
    for label, *cells in _rows(made):
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def show(made: Mapping[str, Any], console: Console) -> None:
    """Prints the table."""
    shown = Table(title=f"Test images of {made['env']}")
    shown.add_column("")
    for model in MODELS:
        shown.add_column(model, justify="right")
    for row in _rows(made):
        shown.add_row(*row)
    console.print(shown)


def _rows(made: Mapping[str, Any]) -> list[list[str]]:
    """The table in words: measure, then a cell per model."""
    rows = []
    for name, row in made["table"].items():
        text, digits, better = MEASURES.get(name, Measure("CPU hours", 2, ""))
        label = f"{text} ({better} is better)" if better else text
        numbers = (row.get(model) for model in MODELS)
        cells = ["–" if n is None else f"{n:,.{digits}f}" for n in numbers]
        rows.append([label, *cells])
    return rows


def _draw(made: Mapping[str, Any], path: pathlib.Path) -> None:
    """Draws a panel per measure: the mean of each model as a bar from 0, seeds as dots."""
    from launch.figures import COLOURS, INK, WIDTH, blank, save

    figure = blank(WIDTH, 0.85 * len(MEASURES))
    panels = figure.subplots(len(MEASURES), 1)
    for axis, (name, measure) in zip(panels, MEASURES.items(), strict=True):
        row = made["table"][name]
        for y, model in enumerate(MODELS):
            if model not in row:
                continue
            axis.barh(y, row[model], 0.7, color=COLOURS[y])
            seeds = [run[f"test_{name}"] for run in made["runs"][model]]
            axis.plot(seeds, [y] * len(seeds), "o", color=INK, ms=3)
            label = f" {row[model]:,.{measure.digits}f}"
            axis.annotate(label, (max(seeds), y), va="center", fontsize=9, color=INK)
        title = measure.text + (f" ({measure.better} is better)" if measure.better else "")  # fmt: skip
        axis.set_title(title, loc="left", fontsize=9, color=INK)
        axis.set_yticks(range(len(MODELS)), MODELS)
        axis.set_xticks([])
        axis.margins(x=0.2)
        axis.set_xlim(left=0)
        axis.invert_yaxis()
        axis.tick_params(labelsize=9, colors=INK, length=0)
        axis.spines[:].set_visible(False)
    save(figure, path)
