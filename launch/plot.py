"""Draws learning curves: `python -m launch.plot --logdirs='runs/dreamerv2/*/*/seed*'`.

Runs and score files (`--scores='scores/dreamerv2/*'`) of one environment share a panel; runs of one agent and preset
share a colour, and each score file has its own. The line is the mean over seeds as far as all of them have come, thin
lines are the seeds, and the band reaches from the worst seed to the best, or, from five seeds on, shows the bootstrapped
95 % interval of the mean. Score files bring the level of random play and their bar. Gray dots are what the authors
published for that environment, evaluation returns, as far as the first one past our curves.
"""

import launch.origin  # noqa: F401

import pathlib

from absl import flags

from launch import app, figures, finished
from launch.curves import X_LABELS

_LOGDIRS = flags.DEFINE_string(
    "logdirs", "", "Pattern of run folders, in quotes; several by comma."
)
_SCORES = flags.DEFINE_string(
    "scores", "", "Pattern of results, score.json or folders of it; several by comma."
)
_OUTPUT = flags.DEFINE_string("output", "plot.png", "The picture: .png or .svg.")
_KEY = flags.DEFINE_string("key", "return", "The scalar of metrics.jsonl to draw.")
_X = flags.DEFINE_enum("x", "frames", list(X_LABELS), "The horizontal axis.")
_PUBLISHED = flags.DEFINE_bool(
    "published", True, "Draw published curves of the same environments."
)
_COLUMNS = flags.DEFINE_integer(
    "columns", 1, "Panels side by side; 1 suits a phone.", lower_bound=1
)


def main() -> None:
    """Runs what the flags say."""
    if not _LOGDIRS.value and not _SCORES.value:
        raise ValueError("--logdirs or --scores is needed: what is to be drawn?")
    path = figures.plot_results(
        finished.match(_LOGDIRS.value) if _LOGDIRS.value else [],
        _results(_SCORES.value) if _SCORES.value else [],
        _OUTPUT.value,
        key=_KEY.value,
        x=_X.value,
        published=_PUBLISHED.value,
        columns=_COLUMNS.value,
    )
    print(f"Wrote {path}")


def cli() -> None:
    """The console script."""
    app.run(main)


def _results(patterns: str) -> list[pathlib.Path]:
    """Returns the score files; folders without one, as of benchmarks, are passed over."""
    paths = finished.match(patterns, files=True)
    found = [path for path in paths if path.is_file() or (path / "score.json").exists()]
    if not found:
        raise FileNotFoundError(f"no folder that matches {patterns!r} has a score.json")
    return found


if __name__ == "__main__":
    cli()
