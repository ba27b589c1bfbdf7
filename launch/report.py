"""Sums up Atari scores as the papers do: `python -m launch.report --scores='scores/dreamerv2/*' [--published]`.

Gamer median and mean, record mean and clipped record mean, and the interquartile mean with a bootstrap interval over runs
(rliable). `--published` is the comparison table of the DreamerV2 paper, recomputed from the returns that were published.
"""

import launch.origin  # noqa: F401

import glob
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags
from rich.console import Console
from rich.table import Table

from agents import score
from launch import app, normalized
from launch.normalized import COLUMNS, Runs

_SCORES = flags.DEFINE_string(
    "scores", "", "Pattern of results, score.json or folders of it; several by comma."
)
_PUBLISHED = flags.DEFINE_bool(
    "published", False, "Add the rows of the paper's table, from published returns."
)
_FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "How to print.")
_REPS = flags.DEFINE_integer("reps", 2_000, "Bootstrap samples.", lower_bound=100)

IQM = "gamer IQM"


def main() -> None:
    """Reads, sums up, prints."""
    if not (_SCORES.value or _PUBLISHED.value):
        raise ValueError("--scores or --published is needed: what is to be summed up?")
    report: dict[str, Any] = {}
    if _SCORES.value:
        results = read(_SCORES.value)
        report["rows"] = {
            label: summary(runs, _REPS.value) for label, runs in results.items()
        }
        report["games"] = games(results)
    if _PUBLISHED.value:
        report["published"] = normalized.published_table()
    if _FORMAT.value == "json":
        print(json.dumps(report, indent=2, allow_nan=False))
    else:
        show(report, Console(width=None if sys.stdout.isatty() else 110))


def read(patterns: str) -> dict[str, dict[str, list[float]]]:
    """Returns label -> game -> the final return of each seed, of the score files of Atari games that match.

    The label is the agent, its preset and its ablations.

    Raises:
        FileNotFoundError: If a pattern matches nothing.
        ValueError: If no file is of an Atari game, or a game comes twice under one label.
    """
    found: dict[str, dict[str, list[float]]] = {}
    paths = [path for part in patterns.split(",") for path in _match(part)]
    for path in paths:
        content = score.read(path)
        if "seeds" not in content or not content["env"].startswith("atari:"):
            continue
        label = " ".join(
            [content["agent"], content["preset"], *content.get("ablate", [])]
        )
        runs = found.setdefault(label, {})
        if content["env"] in runs:
            raise ValueError(
                f"{content['env']} comes twice for {label}: narrow --scores"
            )
        runs[content["env"]] = [seed["final"] for seed in content["seeds"]]
    if not found:
        raise ValueError(f"none of {len(paths)} results is of an Atari game")
    return found


def summary(runs: Runs, reps: int) -> dict[str, Any]:
    """Returns the four columns, the interquartile mean with its interval, games and runs.

    The interval is the bootstrap's over runs, stratified by game; None where a game has one run, or games have
    different numbers of them.
    """
    known = normalized.levels()
    row: dict[str, Any] = dict(normalized.aggregate(runs, known))
    gamer = normalized.normalise(runs, known)
    counts = {len(values) for values in gamer.values()}
    row |= {"games": len(gamer), "runs": sum(len(each) for each in gamer.values())}
    row[IQM] = _iqm(np.concatenate(list(gamer.values())))
    row["interval"] = None
    if len(counts) == 1 and counts != {1}:
        row["interval"] = _interval(np.stack(list(gamer.values()), 1), reps)
    return row


def games(results: Mapping[str, Runs]) -> dict[str, dict[str, Any]]:
    """Returns game -> levels, the published return, and the mean of each label."""
    known = normalized.levels()
    ends = {r["env"]: r["curve"][-1][1] for r in normalized.published()["results"]}
    names = sorted({game for runs in results.values() for game in runs})
    return {
        game: {key: known[game][key] for key in ("random", "gamer", "record")}
        | {"published, 200M frames": ends[game]}
        | {
            label: float(np.mean(runs[game]))
            for label, runs in results.items()
            if game in runs
        }
        for game in names
    }


def show(report: Mapping[str, Any], console: Console) -> None:
    """Prints the sums and the games as tables."""
    rows = report.get("rows", {}) | report.get("published", {})
    table = Table(title="Atari, normalised", title_justify="left")
    names = [*COLUMNS, IQM, "interval", "games"]
    _print(table, names, rows, console)
    if "games" in report:
        labels = dict.fromkeys(key for row in report["games"].values() for key in row)
        games_ = Table(title="Mean return over seeds", title_justify="left")
        _print(games_, list(labels), report["games"], console)


def _print(
    table: Table, names: Sequence[str], rows: Mapping[str, Any], console: Console
) -> None:
    names = [n for n in names if any(row.get(n) is not None for row in rows.values())]
    for name in ("", *names):
        table.add_column(name, justify="right" if name else "left")
    for label, row in rows.items():
        table.add_row(label, *(_cell(row.get(name)) for name in names))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return f"{value[0]:.2f} to {value[1]:.2f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _match(pattern: str) -> list[str]:
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise FileNotFoundError(f"nothing matches {pattern!r}")
    # Folders of other results (benchmarks, plots) lie beside.
    return [
        path
        for path in paths
        if path.endswith(".json") or glob.glob(f"{path}/score.json")
    ]


def _iqm(values: np.ndarray) -> float:
    from rliable import metrics

    return float(metrics.aggregate_iqm(values[None]))


def _interval(values: np.ndarray, reps: int) -> list[float]:
    """The 95 % interval of the interquartile mean of [runs, games]."""
    from rliable import library, metrics

    _, found = library.get_interval_estimates(
        {"": values},
        lambda scores: np.array([metrics.aggregate_iqm(scores)]),
        reps=reps,
        random_state=np.random.RandomState(0),
    )
    return [float(found[""][0, 0]), float(found[""][1, 0])]


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
