"""Sums up results: `python -m launch.report --scores='scores/dreamerv2/*' [--published] [--output=DIR] [--html=FILE]`.

Of Atari games: gamer median and mean, record mean and clipped record mean, and the interquartile mean with a bootstrap
interval over runs (rliable), on the terminal or as JSON; `--output` adds pictures, performance profiles among them.
`--published` is the comparison table of the DreamerV2 paper, recomputed from the returns that were published.
`--html` writes one page that needs nothing else, of results and of runs (`--logdirs`) of any agent and environment:
curves, tables, settings that differ, videos, dreams, and what made them.
"""

import launch.origin  # noqa: F401

import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags
from rich.console import Console
from rich.table import Table

from launch import (
    app,
    atari_scores,
    evaluation_files,
    figures,
    finished,
    html_curves,
    html_report,
    html_scores,
    normalized,
    run_files,
)
from launch.atari_scores import IQM, Result, summary
from launch.html_report import Content
from launch.normalized import COLUMNS, Runs

_SCORES = flags.DEFINE_string(
    "scores", "", "Pattern of results, score.json or folders of it; several by comma."
)
_LOGDIRS = flags.DEFINE_string(
    "logdirs", "", "With --html: pattern of run folders, in quotes; several by comma."
)
_EVALUATIONS = flags.DEFINE_string(
    "evaluations",
    "",
    "With --html: pattern of JSON files of launch.evaluate, besides those in the run folders.",
)
_PUBLISHED = flags.DEFINE_bool(
    "published", False, "Add the rows of the paper's table, from published returns."
)
_COMMON = flags.DEFINE_bool(
    "common_games", False, "Sum up over the games that all rows have, and no others."
)
_FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "How to print.")
_OUTPUT = flags.DEFINE_string(
    "output", "", "A folder for the pictures of Atari scores, and report.json."
)
_HTML = flags.DEFINE_string("html", "", "The page to write, a .html file.")
_MEDIA_MB = flags.DEFINE_float(
    "media_mb", 20.0, "With --html: megabytes of videos at most.", lower_bound=0
)
_REPS = flags.DEFINE_integer("reps", 2_000, "Bootstrap samples.", lower_bound=100)


def main() -> None:
    """Reads, sums up, prints, draws."""
    _check_flags()
    results = atari_scores.find(_SCORES.value) if _SCORES.value else []
    logdirs = finished.match(_LOGDIRS.value) if _LOGDIRS.value else []
    runs, left_out = run_files.read(logdirs) if logdirs else ([], [])
    more = evaluation_files.find(_EVALUATIONS.value) if _EVALUATIONS.value else []
    report = atari(results if _sums_up(results) else [])
    if _FORMAT.value == "json":
        print(json.dumps(report, indent=2, allow_nan=False))
    elif report:
        show(report, Console(width=None if sys.stdout.isatty() else 110))
    if _OUTPUT.value:
        _write_pictures(report, pathlib.Path(_OUTPUT.value))
    if _HTML.value:
        content = Content(runs, results, more, report, left_out, _MEDIA_MB.value)
        _write_page(content, pathlib.Path(_HTML.value))


def atari(results: Sequence[Result]) -> dict[str, Any]:
    """Returns what is said of Atari games, of the results and of published rows as the flags say; {} of neither."""
    runs: dict[str, Runs] = {**atari_scores.runs_by_label(results)} if results else {}
    others: dict[str, Runs] = {}
    if _PUBLISHED.value:
        others |= normalized.published_runs()
    if not runs and not others:
        return {}
    report: dict[str, Any] = {}
    games = None
    if _COMMON.value:
        games = atari_scores.common_games(runs | others)
        runs, others = _of_games(runs, games), _of_games(others, games)
    elif notes := atari_scores.missing_games(runs | others):
        report["notes"] = notes
    if runs:
        report |= {
            "rows": {label: summary(row, _REPS.value) for label, row in runs.items()},
            "games": atari_scores.games_table(runs),
            "normalised": atari_scores.normalised_table(runs),
        }
    if others:
        report["published"] = normalized.published_table(games)
    if _OUTPUT.value or _HTML.value:
        report["profiles"] = atari_scores.profiles(runs, others, _REPS.value)
    return report


def _of_games(rows: Mapping[str, Runs], games: Sequence[str]) -> dict[str, Runs]:
    return {label: {game: row[game] for game in games} for label, row in rows.items()}


def _sums_up(results: Sequence[Result]) -> bool:
    """A page alone shows results of other environments too."""
    games = any(atari_scores.is_atari(result.content) for result in results)
    return games or bool(_OUTPUT.value) or not _HTML.value


def _check_flags() -> None:
    if not (_SCORES.value or _PUBLISHED.value or _LOGDIRS.value):
        raise ValueError(
            "--scores, --published, or --logdirs with --html is needed: what is to be summed up?"
        )
    for flag in (_LOGDIRS, _EVALUATIONS):
        if flag.value and not _HTML.value:
            raise ValueError(
                f"--{flag.name} goes with --html=FILE: runs are reported as a page (python -m launch.plot draws them)"
            )
    if _HTML.value and not _HTML.value.endswith(".html"):
        raise ValueError(f"--html={_HTML.value}: the page is to end in .html")
    if _OUTPUT.value and not (_SCORES.value or _PUBLISHED.value):
        raise ValueError("--output is for Atari scores: give --scores or --published")


def _write_pictures(report: Mapping[str, Any], folder: pathlib.Path) -> None:
    for name, figure, _ in html_scores.pictures(report):
        _tell(figures.save(figure, folder / f"{name}.png"))
    path = folder / "report.json"
    path.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n")
    _tell(path)


def _write_page(content: Content, path: pathlib.Path) -> None:
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("drawing", total=html_curves.count(content.runs))
        text = html_report.build(content, lambda: progress.advance(task))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    _tell(path)


def _tell(path: pathlib.Path) -> None:
    """On the other stream: JSON on this one stays JSON."""
    size = path.stat().st_size
    shown = f"{size / 1e6:.1f} MB" if size > 1e5 else f"{size / 1e3:.1f} kB"
    print(f"Wrote {path} ({shown})", file=sys.stderr)


def show(report: Mapping[str, Any], console: Console) -> None:
    """Prints the sums and the games as tables, then what is to be known about them."""
    ours = {
        label: row | {"IQM interval": row["intervals"].get(IQM)}
        for label, row in report.get("rows", {}).items()
    }
    rows = ours | report.get("published", {})
    table = Table(title="Atari, normalised", title_justify="left")
    _print(table, [*COLUMNS, IQM, "IQM interval", "games"], rows, console)
    if "games" in report:
        _show_games(report, console)
    notes = [
        f"{label}: {row['note']}." for label, row in rows.items() if row.get("note")
    ]
    for note in [*report.get("notes", []), *notes]:
        console.print(note, highlight=False, markup=False)


def _show_games(report: Mapping[str, Any], console: Console) -> None:
    labels = dict.fromkeys(key for row in report["games"].values() for key in row)
    table = Table(title="Mean return over seeds", title_justify="left")
    _print(table, list(labels), report["games"], console)
    means = {
        game: {label: sum(values) / len(values) for label, values in row.items()}
        for game, row in report["normalised"].items()
    }
    labels = dict.fromkeys(label for row in means.values() for label in row)
    title = "Gamer-normalised: 0 random, 1 a gamer"
    _print(Table(title=title, title_justify="left"), list(labels), means, console)


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


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
