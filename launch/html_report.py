"""A report on runs and results as one page that needs nothing else; for every agent and model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from agents.version import VERSION
from launch import html_curves, html_media, html_runs, html_scores, run_files
from launch import html_page as page
from launch.atari_scores import Result, has_seeds
from launch.evaluation_files import Evaluations
from launch.html_page import Html, Section
from launch.run_files import Run


class Content(NamedTuple):
    """What a page is made of.

    Attributes:
        runs: The runs.
        results: The score files.
        evaluations: Files of evaluations besides those in the folders of runs.
        atari: What `launch.report` says of Atari games.
        left_out: A sentence per folder that is no run.
        megabytes: Of videos at most.
    """

    runs: Sequence[Run]
    results: Sequence[Result]
    evaluations: Sequence[Evaluations]
    atari: Mapping[str, Any]
    left_out: Sequence[str]
    megabytes: float


def build(content: Content, advance: Callable[[], None] = lambda: None) -> str:
    """Returns the page; `advance` is called after each of `html_curves.count` drawings."""
    runs, results = content.runs, content.results
    groups = run_files.group(runs)
    drawable = [result for result in results if has_seeds(result.content)]
    made: list[tuple[str, str, Html | None]] = [
        ("runs", "Runs", html_runs.overview(groups) if runs else None),
        ("atari", "Atari, summed up over games", html_scores.atari(content.atari)),
        ("results", "Results", html_scores.results(results)),
        ("curves", "Learning curves", html_curves.main(runs, results) if runs or drawable else None),
        ("videos", "Videos", html_media.build(groups, results, content.megabytes)),
        ("evaluations", "Evaluations", html_runs.evaluations(runs, content.evaluations)),
        ("settings", "Settings", html_runs.settings(groups) if runs else None),
        ("scalars", "Everything logged", html_curves.scalars(runs, advance) if runs else None),
        ("origins", "How the runs were made", html_runs.origins(groups) if runs else None),
    ]  # fmt: skip
    sections = [Section(name, title, body) for name, title, body in made if body]
    return page.page(_title(groups, results), _lead(content), sections)


def _title(groups: run_files.Groups, results: Sequence[Result]) -> str:
    names = [f"{label} on {env}" if env else label for env, label in groups]
    names += [result.content["name"] for result in results]
    if not names:
        return "Published Atari scores"
    if len(names) <= 2:
        return " and ".join(names)
    return f"Comparison of {len(names)} experiments"


def _lead(content: Content) -> list[str]:
    counts = []
    if content.runs:
        counts.append(f"{len(content.runs)} run{'s'[: len(content.runs) > 1]}")
    if content.results:
        counts.append(f"{len(content.results)} result{'s'[: len(content.results) > 1]}")
    of = f" on {' and '.join(counts)}" if counts else ""
    return [f"A report{of} by latent-agent-zoo {VERSION}.", *content.left_out]
