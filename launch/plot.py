"""Draws learning curves: `python -m launch.plot --logdirs='runs/dreamerv2/*/*/seed*'`.

Runs of one environment share a panel, runs of one agent and preset a colour; both are read off the default folder
names runs/<agent>/<env>/<preset>/seed<N>. The line is the mean over seeds as far as all of them have come, thin lines
are the seeds, and the band reaches from the worst seed to the best, or, from five seeds on, shows the bootstrapped
95 % interval of the mean.
"""

import launch.origin  # noqa: F401

import glob
import math
import os
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import app, flags

from agents.logger import read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_X_LABELS = {"env_steps": "environment steps", "frames": "frames", "time": "hours"}
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
_INK, _GRID = "#333333", "#E3E3E3"
_POINTS = 60
_BOOTSTRAP_SEEDS = 5


class Curve(NamedTuple):
    """x [N] and y [N] of one seed."""

    x: np.ndarray
    y: np.ndarray


def plot_runs(
    logdirs: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    key: str = "return",
    x: str = "frames",
) -> Path:
    """Draws one panel per environment and one line per agent and preset.

    Args:
        logdirs: Run folders, each with a metrics.jsonl.
        output: Ends in .png or .svg.
        key: The scalar to draw.
        x: 'frames', 'env_steps' or 'time'.

    Returns:
        The path written.

    Raises:
        FileNotFoundError: If no folder has a metrics.jsonl.
        ValueError: If no record has the key, or `x` or the ending of `output` is unknown.
        ImportError: If matplotlib is missing.
    """
    panels = _group(logdirs, key, x)
    columns = 1 if len(panels) < 4 else 2
    rows = math.ceil(len(panels) / columns)
    figure = _figure(6.4 * columns, 4.2 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis, (env, groups) in zip(axes, sorted(panels.items()), strict=False):
        _style(axis, env, key, x)
        for (label, curves), colour in zip(
            sorted(groups.items()), _COLOURS * len(groups), strict=False
        ):
            _draw_group(axis, label, curves, colour)
        _legend(axis)
        axis.set_xlim(left=0)
    for axis in list(axes)[len(panels) :]:
        axis.remove()
    return _save(figure, output)


def plot_curve(
    metrics_path: str | os.PathLike,
    output: str | os.PathLike,
    title: str = "",
    reference_lines: Mapping[str, float] | None = None,
    key: str = "return",
    x: str = "env_steps",
) -> Path:
    """Draws one run against named levels.

    Args:
        metrics_path: A metrics.jsonl.
        output: Ends in .png or .svg.
        title: Over the picture.
        reference_lines: Name -> height of a dashed line ('random', 'bar').
        key: The scalar to draw.
        x: 'frames', 'env_steps' or 'time'.

    Returns:
        The path written.

    Raises:
        As `plot_runs`.
    """
    curve = _read(Path(metrics_path), key, x)
    if curve is None:
        raise ValueError(_no_key([Path(metrics_path)], key))
    figure = _figure(6.4, 4.2)
    axis = figure.subplots()
    _style(axis, title, key, x)
    axis.plot(*curve, color=_COLOURS[0], alpha=0.3, linewidth=1)
    smooth = _smooth(curve, 20)
    axis.plot(*smooth, color=_COLOURS[0], linewidth=2.5, marker=_marker(smooth))
    for name, height in (reference_lines or {}).items():
        axis.axhline(height, color=_INK, linewidth=1, linestyle=(0, (4, 3)))
        axis.annotate(
            f"{name} {height:g}",
            (1, height),
            xycoords=axis.get_yaxis_transform(),
            xytext=(-2, 3),
            textcoords="offset points",
            ha="right",
            color=_INK,
            fontsize=12,
        )
    axis.set_xlim(left=0)
    return _save(figure, output)


def cli() -> None:
    """Runs the command line."""
    # Defined here, not at import: other launchers import this module and have flags of their own.
    logdirs = flags.DEFINE_string(
        "logdirs",
        None,
        "Pattern of run folders, in quotes; several by comma.",
        required=True,
    )
    output = flags.DEFINE_string("output", "plot.png", "The picture: .png or .svg.")
    key = flags.DEFINE_string("key", "return", "The scalar of metrics.jsonl to draw.")
    x = flags.DEFINE_enum("x", "frames", list(_X_LABELS), "The horizontal axis.")

    def main(argv: Sequence[str]) -> None:
        if len(argv) > 1:
            sys.exit(
                f"Unexpected arguments {argv[1:]}: put the pattern in quotes, --logdirs='{logdirs.value}'."
            )
        patterns = [os.path.expanduser(part) for part in logdirs.value.split(",")]
        found = {path for pattern in patterns for path in glob.glob(pattern)}
        folders = [path for path in sorted(found) if os.path.isdir(path)]
        if not folders:
            sys.exit(f"No folder matches --logdirs='{logdirs.value}'.")
        try:
            path = plot_runs(folders, output.value, key.value, x.value)
        except (OSError, ValueError, ImportError) as error:
            sys.exit(str(error))
        print(f"Wrote {path}")

    app.run(main)


def _group(
    logdirs: Sequence[str | os.PathLike], key: str, x: str
) -> dict[str, dict[str, list[Curve]]]:
    """env -> 'agent preset' -> the curves of its seeds."""
    paths = [Path(logdir) / "metrics.jsonl" for logdir in logdirs]
    found = [path for path in paths if path.exists()]
    if not found:
        raise FileNotFoundError(
            f"None of the {len(paths)} folders has a metrics.jsonl, for example {paths[0].parent}."
            if paths
            else "No run folders were given."
        )
    panels: dict[str, dict[str, list[Curve]]] = defaultdict(lambda: defaultdict(list))
    for path in found:
        curve = _read(path, key, x)
        if curve is not None:
            env, label = _names(path.parent.resolve())
            panels[env][label].append(curve)
    if not panels:
        raise ValueError(_no_key(found, key))
    return panels


def _names(logdir: Path) -> tuple[str, str]:
    """(env, 'agent preset') of runs/<agent>/<env>/<preset>/seed<N>; ('', folder name) of other folders."""
    if logdir.name.startswith("seed") and len(logdir.parts) > 4:
        agent, env, preset = logdir.parts[-4:-1]
        return env, f"{agent} {preset}"
    return "", logdir.name


def _read(path: Path, key: str, x: str) -> Curve | None:
    if x not in _X_LABELS:
        raise ValueError(f"Unknown x {x!r}; expected one of {', '.join(_X_LABELS)}.")
    records = [r for r in read_metrics(path) if r.get(key) is not None]
    if not records:
        return None
    scale = 1 / 3600 if x == "time" else 1
    return Curve(
        np.array([record[x] * scale for record in records]),
        np.array([record[key] for record in records], float),
    )


def _no_key(paths: Sequence[Path], key: str) -> str:
    keys = sorted({key for path in paths for r in read_metrics(path) for key in r})
    there = ", ".join(keys) if keys else "nothing yet"
    return f"No record in {len(paths)} metrics.jsonl has a value of {key!r}; there is: {there}."


def _smooth(curve: Curve, points: int = _POINTS) -> Curve:
    """Means of neighbours, so that at most `points` points are left."""
    if len(curve.x) <= points:
        return curve
    pieces = [np.array_split(values, points) for values in curve]
    return Curve(*(np.array([piece.mean() for piece in part]) for part in pieces))


def _band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[seeds, N] -> low [N], high [N]."""
    seeds = len(values)
    if seeds < _BOOTSTRAP_SEEDS:
        return values.min(0), values.max(0)
    picks = np.random.default_rng(0).integers(seeds, size=(1000, seeds))
    low, high = np.percentile(values[picks].mean(1), [2.5, 97.5], axis=0)
    return low, high


def _draw_group(axis: "Axes", label: str, curves: list[Curve], colour: str) -> None:
    curves = [_smooth(curve) for curve in curves]
    seeds = f"{len(curves)} seeds" if len(curves) > 1 else "1 seed"
    start = max(curve.x[0] for curve in curves)
    end = min(curve.x[-1] for curve in curves)
    x = np.linspace(start, end, _POINTS) if end > start else np.array([])
    values = np.stack([np.interp(x, *curve) for curve in curves])
    if len(curves) == 1:
        (curve,) = curves
        x, values = curve.x, curve.y[None]
    else:
        for curve in curves:
            axis.plot(
                *curve, color=colour, alpha=0.3, linewidth=0.8, marker=_marker(curve)
            )
        axis.fill_between(x, *_band(values), color=colour, alpha=0.18, linewidth=0)
    mean = Curve(x, values.mean(0))
    axis.plot(
        *mean,
        color=colour,
        linewidth=2.5,
        label=f"{label} ({seeds})",
        marker=_marker(mean),
    )


def _marker(curve: Curve) -> str:
    return "o" if len(curve.x) == 1 else ""


def _figure(width: float, height: float) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib: pip install latent-agent-zoo[plots]"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def _style(axis: "Axes", title: str, key: str, x: str) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axis.set_title(title, fontsize=15, color=_INK, loc="left", fontweight="bold")
    axis.set_xlabel(_X_LABELS[x], fontsize=13, color=_INK)
    axis.set_ylabel(key.replace("_", " "), fontsize=13, color=_INK)
    axis.tick_params(labelsize=12, colors=_INK, length=0)
    axis.grid(color=_GRID, linewidth=1)
    axis.set_axisbelow(True)
    axis.spines[:].set_visible(False)
    axis.margins(x=0.02)
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    if x != "time":
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def _legend(axis: "Axes") -> None:
    axis.legend(
        fontsize=12, frameon=False, labelcolor=_INK, loc="best", handlelength=1.2
    )


def _save(figure: Any, output: str | os.PathLike) -> Path:
    path = Path(output)
    if path.suffix not in (".png", ".svg"):
        raise ValueError(f"The picture is called {path}; expected .png or .svg.")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, facecolor="white")
    return path


if __name__ == "__main__":
    cli()
