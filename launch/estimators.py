"""Measures every gradient estimator on small problems: `python -m launch.estimators [--draws=100000] [--output=DIR]`.

Bias against the enumerated gradient, variance of one estimate, evaluations of the cost and of its gradient, and the CPU
time on this machine; two pictures: bias against variance, and samples on the simplex. A minute or two.
"""

import launch.origin  # noqa: F401

import json
import pathlib
import shlex
import statistics
import sys
from typing import Any

from absl import flags

from agents import score
from agents.status import Status
from launch import app, tensorflow_log

_DRAWS = flags.DEFINE_integer(
    "draws",
    100_000,
    "Estimates per problem, for bias and variance.",
    lower_bound=1_000,
)
_OUTPUT = flags.DEFINE_string(
    "output",
    "runs/estimators",
    "The folder of estimators.json and of the pictures.",
)

_WIDTH = 110  # where the output is no terminal


def main() -> None:
    """Runs what the flags say."""
    output = pathlib.Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    tensorflow_log.load()
    with Status(0, frames_per_step=0) as status:
        content = measure(_DRAWS.value, status)
        status.phase("drawing")
        _draw(content, output)
    command = ["python", "-m", "launch.estimators", *sys.argv[1:]]
    content = {"command": shlex.join(command), **score.origin(), **content}
    path = output / "estimators.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    _print(content)
    print(
        f"\nWrote estimators.json, bias_variance and simplex (.png, .svg) to {output}"
    )


def measure(draws: int, status: Status) -> dict[str, Any]:
    """Returns what estimators.json holds, but for where it is from."""
    from launch import estimator_cases as lib

    problems = {f"{toy}, {cost}": lib.problem(toy, cost) for toy, cost in lib.PROBLEMS}
    status.phase("measuring", len(lib.CASES) * len(problems))
    rows: list[dict[str, Any]] = []
    for case in lib.CASES:
        row: dict[str, Any] = case._asdict() | {"problems": {}, "cpu_us": {}}
        del row["made"]
        for name, problem in problems.items():
            status.update(0, 0, done=len(rows) * len(problems) + len(row["problems"]))
            options = case.options_for(problem)
            found = lib.measure(case, problem, options, draws)
            row["problems"][name] = {k: float(f"{v:.4g}") for k, v in found.items()}
            if not case.sweep:
                row["evaluations"] = lib.evaluations(case, problem, options)
            if not case.sweep and name.endswith(lib.TIMED_COST):
                took = lib.cpu_microseconds(case, problem, options)
                row["cpu_us"][name] = round(took, 3)
        rows.append(row)
    return {"draws": draws, "batch_timed": lib.TIMED_BATCH, "rows": rows}


def _draw(content: dict[str, Any], output: pathlib.Path) -> None:
    from launch import estimator_figures

    for suffix in ("png", "svg"):
        estimator_figures.bias_variance(content, output / f"bias_variance.{suffix}")
        estimator_figures.simplex(output / f"simplex.{suffix}")


def _print(content: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"In lengths of the exact gradient: |bias|, variance. {content['draws']:,} draws each"
    table = Table(title=title, title_justify="left")
    table.add_column("estimator", no_wrap=True)
    names = list(content["rows"][0]["problems"])
    for name in [*names, "f, f'", "CPU µs"]:
        table.add_column(name.replace(", ", "\n"), justify="right", no_wrap=True)
    for row in content["rows"]:
        if row["sweep"]:
            continue
        cells = [
            f"{row['problems'][name]['relative_bias']:.2f}, {row['problems'][name]['relative_variance']:.2g}"
            for name in names
        ]
        calls = f"{row['evaluations']['values']:g}, {row['evaluations']['gradients']:g}"
        times = f"{statistics.mean(row['cpu_us'].values()):.2f}"
        table.add_row(row["label"], *cells, calls, times)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    console.print(table)
    console.print(
        f"f, f': evaluations of the cost and of its gradient. CPU µs: per estimate of {content['batch_timed']:,} at "
        f"a time, on this machine ({content['hardware']})."
    )


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
