"""Pictures of learning curves, made to be read at the width of a phone."""

import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from launch import curves as curves_lib
from launch.curves import X_LABELS, Curve, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
INK, GRID, OTHERS = "#333333", "#E3E3E3", "#7A7A7A"
WIDTH, _HEIGHT, _DPI = 4.8, 3.4, 200
_LEGEND_LETTERS = 34
_POINTS = 60
_BOOTSTRAP_SEEDS = 5


def plot_results(
    logdirs: Sequence[str | os.PathLike],
    scores: Sequence[str | os.PathLike],
    output: str | os.PathLike,
    *,
    key: str = "return",
    x: str = "frames",
    published: bool = True,
    columns: int = 1,
) -> Path:
    """Draws one panel per environment, one line per agent and preset or score file.

    Args:
        logdirs: Run folders.
        scores: score.json files, or folders with one.
        output: Ends in .png or .svg.
        key: The scalar to draw.
        x: 'frames', 'env_steps', 'updates' or 'time'.
        published: Whether to draw published curves of the same environments.
        columns: Panels side by side.

    Returns:
        The path written.

    Raises:
        FileNotFoundError, DamagedError, ValueError: See `launch.curves.panels`; ValueError also on another
            ending of `output`.
        ImportError: If matplotlib is missing.
    """
    panels = curves_lib.panels(logdirs, scores, key, x, published)
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    lines = max(_legend_lines(panel) for panel in panels)
    height = _HEIGHT + 0.24 * max(0, lines - 2)  # inches, for more lines than two
    figure = blank(WIDTH * columns, height * rows)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis, panel in zip(axes, panels, strict=False):
        draw_panel(axis, panel, key, x)
    for axis in axes[len(panels) :]:
        axis.remove()
    return save(figure, output)


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
        x: 'frames', 'env_steps', 'updates' or 'time'.

    Returns:
        The path written.

    Raises:
        As `plot_results`.
    """
    curve = curves_lib.read_run(Path(metrics_path), key, x)
    if curve is None:
        raise ValueError(curves_lib.no_key([Path(metrics_path)], key, x))
    figure = blank(WIDTH, _HEIGHT)
    axis = figure.subplots()
    _style(axis, title, key, x)
    axis.plot(*curve, color=COLOURS[0], alpha=0.3, linewidth=1)
    smooth = _smooth(curve, 20)
    axis.plot(*smooth, color=COLOURS[0], linewidth=2.5, marker=_marker(smooth))
    levels = reference_lines or {}
    _draw_levels(axis, {f"{name} {y:g}": y for name, y in levels.items()})
    axis.set_xlim(left=0)
    return save(figure, output)


def draw_panel(axis: "Axes", panel: Panel, key: str, x: str) -> None:
    """Draws a panel's curves, levels and legend."""
    from matplotlib import transforms

    _style(axis, panel.env, key, x)
    groups = sorted(panel.groups.items())
    for i, (label, curves) in enumerate(groups):
        _draw_group(axis, label, curves, COLOURS[i % len(COLOURS)])
    for label, curve in panel.published.items():
        axis.plot(
            *curve,
            color=OTHERS,
            linewidth=2,
            linestyle=(0, (2, 1.5)),
            marker="o",
            markersize=5,
            label=label,
        )
    _draw_levels(axis, panel.levels)
    axis.set_xlim(left=0)
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(
        handles,
        [_wrapped(label) for label in labels],
        fontsize=12,
        frameon=False,
        labelcolor=INK,
        handlelength=1.4,
        loc="upper left",
        bbox_to_anchor=(-0.06, 0),
        bbox_transform=axis.transAxes
        + transforms.ScaledTranslation(0, -0.62, axis.figure.dpi_scale_trans),
        borderaxespad=0,
    )


def _wrapped(label: str) -> str:
    return textwrap.fill(label, _LEGEND_LETTERS)


def _legend_lines(panel: Panel) -> int:
    seeds = [f"{label} ({len(curves)} seeds)" for label, curves in panel.groups.items()]
    labels = [*seeds, *panel.published]
    return sum(_wrapped(label).count("\n") + 1 for label in labels)


def _draw_group(axis: "Axes", label: str, curves: list[Curve], colour: str) -> None:
    if not curves:
        return  # score files of runs without an episode that ended
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


def _draw_levels(axis: "Axes", levels: Mapping[str, float]) -> None:
    """Dashed lines with their names where curves are not: the lowest at the end, below it, others at the start."""
    for name, height in levels.items():
        lowest = height == min(levels.values())
        axis.axhline(height, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
        axis.annotate(
            name,
            (1 if lowest else 0, height),
            xycoords=axis.get_yaxis_transform(),
            xytext=(-2, -3) if lowest else (4, 3),
            textcoords="offset points",
            ha="right" if lowest else "left",
            va="top" if lowest else "bottom",
            color=INK,
            fontsize=12,
        )
    if levels:
        axis.margins(y=0.14)


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


def _marker(curve: Curve) -> str:
    return "o" if len(curve.x) == 1 else ""


def blank(width: float, height: float) -> "Figure":
    """Returns an empty figure, sizes in inches; ImportError says which extra brings matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib: pip install latent-agent-zoo[plots]"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def dress(axis: "Axes", title: str, x_label: str, y_label: str) -> None:
    """Gives axes our style."""
    axis.set_title(title, fontsize=14, color=INK, loc="left", fontweight="bold")
    axis.set_xlabel(x_label, fontsize=13, color=INK)
    axis.set_ylabel(y_label, fontsize=13, color=INK)
    axis.tick_params(which="both", labelsize=12, colors=INK, length=0)
    axis.grid(color=GRID, linewidth=1)
    axis.set_axisbelow(True)
    axis.spines[:].set_visible(False)


def _style(axis: "Axes", title: str, key: str, x: str) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    dress(axis, title, X_LABELS[x], key.replace("_", " "))
    axis.margins(x=0.02)
    axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    if x != "time":
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def save(figure: Any, output: str | os.PathLike) -> Path:
    """Writes a .png or .svg, and its folder; the same figure gives the same bytes."""
    import matplotlib

    path = Path(output)
    if path.suffix not in (".png", ".svg"):
        raise ValueError(f"The picture is called {path}; expected .png or .svg.")
    path.parent.mkdir(parents=True, exist_ok=True)
    undated = {"Date": None} if path.suffix == ".svg" else None
    with matplotlib.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, dpi=_DPI, facecolor="white", metadata=undated)
    return path
