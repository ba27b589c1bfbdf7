"""The videos and pictures of a report: the newest of each run, as long as there is room."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from launch import html_page as page
from launch import run_files
from launch.atari_scores import Result
from launch.html_page import Html
from launch.run_files import Groups, Run

_ROWS = {
    "truth": "upper row: what the environment showed",
    "model": "middle row: what the world model drew; for the first frames it sees the truth and only repeats it, then it "
    "imagines and knows nothing but the actions; the line over the picture says which",
    "error": "lower row: model minus truth; plain gray where the two agree",
    "one colour": "in all three rows: that episode has ended",
}
_NAMED = 4


def build(groups: Groups, results: Sequence[Result], megabytes: float) -> Html | None:
    """Returns videos by group, seeds in turn, until `megabytes` are full; None where there are none."""
    chosen, left_out = _choose(groups, results, int(megabytes * 1e6))
    if not chosen and not left_out:
        return None
    parts = []
    if any(run_files.is_dream(path) for path in chosen):
        intro = page.tag(
            "p",
            "Open-loop dreams have up to six sequences side by side, in three rows:",
        )
        parts += [intro, page.definitions(_ROWS)]
    for (env, label), runs in groups.items():
        there = [(path, run) for run in runs for path in _paths(run) if path in chosen]
        there.sort(key=lambda each: _order(each[0]))
        if there:
            shown = [_figure(path, run) for path, run in there]
            parts += [page.tag("h3", f"{label}, {env}"), page.grid(shown)]
    for result in results:
        shown = [_of_result(path, result) for path in _beside(result) if path in chosen]
        if shown:
            parts += [page.tag("h3", result.content["name"]), page.grid(shown)]
    if left_out:
        parts.append(page.notes([_left_out(left_out, megabytes)]))
    return page.join(parts)


def _choose(
    groups: Groups, results: Sequence[Result], room: int
) -> tuple[set[Path], list[Path]]:
    """The first seeds of all groups come before the second ones."""
    turns = zip_longest(*groups.values())
    runs = [run for turn in turns for run in turn if run is not None]
    paths = [path for run in runs for path in _paths(run)]
    paths += [path for result in results for path in _beside(result)]
    chosen, left_out = set(), []
    for path in dict.fromkeys(paths):
        size = path.stat().st_size
        if size <= room:
            chosen.add(path)
            room -= size
        else:
            left_out.append(path)
    return chosen, left_out


def _order(path: Path) -> tuple[bool, str]:
    """Episodes first; what is alike side by side."""
    name, _ = run_files.split(path)
    return name != "episode", name


def _paths(run: Run) -> list[Path]:
    return run_files.videos(run) + run_files.pictures(run)


def _beside(result: Result) -> list[Path]:
    folder = result.path.parent
    return sorted([*folder.glob("*.gif"), *folder.glob("*.mp4")])


def _figure(path: Path, run: Run) -> Html:
    name, step = run_files.split(path)
    what = name.replace("_", " ")
    if run_files.is_dream(path):
        key = name.partition("_")[2]
        what = f"Open-loop dream{f' of {key!r}' if key and name.startswith('dream') else ''}"
    what = what[:1].upper() + what[1:]
    who = "" if run.seed is None else f", seed {run.seed}"
    text = f"{what} at step {step:,}{who}" if step else f"{path.name}{who}"
    # Controls hide the lowest row of what stands still; a dream takes two seconds.
    playing = run_files.is_dream(path)
    return page.media(path, f"{text}, {run.label} on {run.env}", text, playing=playing)


def _of_result(path: Path, result: Result) -> Html:
    text = f"{path.stem.replace('_', ' ').capitalize()} of {result.content['name']}"
    return page.media(path, text, text)


def _left_out(paths: Sequence[Path], megabytes: float) -> str:
    size = sum(path.stat().st_size for path in paths) / 1e6
    names = ", ".join(map(str, paths[:_NAMED]))
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return (
        f"Left out for their size, {size:,.1f} MB together: {names}{more}. The limit is --media_mb={megabytes:g} for "
        "the whole page."
    )
