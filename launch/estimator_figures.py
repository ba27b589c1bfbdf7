"""Pictures of gradient estimators: bias against variance, and samples on the simplex."""

import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from launch import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = ("one of four, quadratic", "one of four, exponential")
TEMPERATURES = (5.0, 1.0, 0.5, 0.1)
PROBABILITIES = (0.5, 0.3, 0.2)
_LINES = {
    "gumbel_softmax": ("Gumbel-Softmax", "o"),
    "st_gumbel_softmax": ("ST Gumbel-Softmax", "s"),
    "gumbel_rao": ("Gumbel-Rao, 10 samples", "^"),
    "reinmax": ("ReinMax", "D"),
    "straight_through": ("Straight-through", "v"),
}
_OTHERS = {"darn": "X", "slope_annealed_straight_through": "P", "nvil": "*"}
_CERTAIN = 4.0  # standard errors from which on a bias is no noise
_GAP = 0.052  # between names, in heights of the axes


def bias_variance(
    content: Mapping[str, Any], output: str | os.PathLike
) -> pathlib.Path:
    """Draws bias against variance, a panel per cost; those without a bias stand in a strip of their own.

    Args:
        content: What `launch.estimators` measured.
        output: Ends in .png or .svg.
    """
    figure = figures.blank(figures.WIDTH, 9.6)
    axes = figure.subplots(
        len(PANELS), 2, sharey="row", gridspec_kw={"width_ratios": [1.2, 1.7]}
    )
    for (strip, main), problem in zip(axes, PANELS, strict=True):
        points = [Point(row, problem) for row in content["rows"]]
        figures.dress(strip, f"{problem} cost", "no bias", "variance")
        figures.dress(main, "", "bias", "")
        for axis in (strip, main):
            axis.set_yscale("log")
        main.set_xscale("log")
        _draw_biased(main, [point for point in points if point.biased])
        low, high = strip.get_ylim()
        strip.set_ylim(low / 1.3, high * 1.3)
        _draw_unbiased(strip, [p for p in points if not p.biased and not p.sweep])
    handles, labels = axes[-1][1].get_legend_handles_labels()
    legend = figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=2,
        fontsize=10.5,
        frameon=False,
        labelcolor=figures.INK,
        handlelength=1.6,
        columnspacing=1.2,
        title="Lines: temperatures 4 to 1/8 (Straight-through: to 1/2,\n"
        "ReinMax: to 1). Bias in lengths of the gradient, variance\nin squared lengths.",
        title_fontsize=10.5,
        alignment="left",
    )
    legend.get_title().set_color(figures.INK)
    return figures.save(figure, output)


class Point:
    """An estimator on one problem.

    Args:
        row: Of estimators.json.
        problem: Its name there.
    """

    def __init__(self, row: Mapping[str, Any], problem: str):
        found = row["problems"][problem]
        self.label, self.estimator, self.sweep = (
            row["label"],
            row["estimator"],
            row["sweep"],
        )
        self.temperature = row["options"].get("temperature")
        self.bias, self.variance = found["relative_bias"], found["relative_variance"]
        self.biased = not row["unbiased"] and found["z"] > _CERTAIN


def _draw_biased(axis: "Axes", points: list[Point]) -> None:
    for number, (estimator, (label, marker)) in enumerate(_LINES.items()):
        chosen = [point for point in points if point.estimator == estimator]
        axis.plot(
            [point.bias for point in chosen],
            [point.variance for point in chosen],
            color=figures.COLOURS[number],
            marker=marker,
            markersize=5,
            linewidth=1.8,
            label=label,
        )
        if estimator == "gumbel_softmax":
            _name_temperatures(axis, chosen)
    for estimator, marker in _OTHERS.items():
        for point in points:
            if point.estimator == estimator:
                axis.plot(
                    point.bias,
                    point.variance,
                    marker,
                    color=figures.INK,
                    markersize=8,
                    label=point.label,
                )


def _name_temperatures(axis: "Axes", points: list[Point]) -> None:
    for point, above in ((points[0], False), (points[-1], True)):
        axis.annotate(
            f"T = {point.temperature:g}",
            (point.bias, point.variance),
            (-5, 6) if above else (-8, 0),
            textcoords="offset points",
            ha="center" if above else "right",
            va="bottom" if above else "center",
            fontsize=10.5,
            color=figures.COLOURS[0],
        )


def _draw_unbiased(axis: "Axes", points: list[Point]) -> None:
    """Points at the left, and their names, spread so that none covers another, beside them."""
    axis.set_xlim(0, 1)
    axis.set_xticks([])
    axis.grid(False)
    points = sorted(points, key=lambda point: point.variance)
    low, high = np.log(axis.get_ylim())
    heights = np.array(
        [(np.log(point.variance) - low) / (high - low) for point in points]
    )
    for point, height, place in zip(points, heights, _spread(heights), strict=True):
        axis.plot(0.05, point.variance, "o", color=figures.INK, markersize=4.5)
        name = axis.annotate(
            _short(point.label),
            (0.05, height),
            (0.2, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=9.5,
            color=figures.INK,
            arrowprops={
                "arrowstyle": "-",
                "color": figures.INK,
                "linewidth": 0.6,
                "shrinkA": 0,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )
        name.set_in_layout(False)


def _short(label: str) -> str:
    label = label.replace(", learned", "").replace(", baseline E f", ", b = E f")
    return label.replace(", 2 samples", " of 2").replace(", 4 samples", " of 4")


def _spread(heights: np.ndarray) -> np.ndarray:
    """Moves ascending heights in 0..1 as little as needed to be a name's height apart."""
    places = heights.copy()
    for _ in range(200):
        for i in range(len(places) - 1):
            lacking = _GAP - (places[i + 1] - places[i])
            if lacking > 0:
                places[i] -= lacking / 2
                places[i + 1] += lacking / 2
        places = np.clip(places, 0.015, 0.985)
    return places


def simplex(output: str | os.PathLike, count: int = 500) -> pathlib.Path:
    """Draws Gumbel-Softmax samples of three classes at four temperatures; the same noise in all."""
    import estimators

    logits = np.broadcast_to(np.log(np.array(PROBABILITIES, np.float32)), [count, 3])
    noise = estimators.gumbel_noise([count, 3], [0, 0])
    figure = figures.blank(figures.WIDTH, 4.9)
    for axis, temperature in zip(figure.subplots(2, 2).flat, TEMPERATURES, strict=True):
        y = estimators.gumbel_softmax(logits, noise, temperature).numpy()
        _draw_simplex(axis, y, f"T = {temperature:g}")
    return figures.save(figure, output)


_CORNERS = np.array([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]])


def _draw_simplex(axis: "Axes", samples: np.ndarray, title: str) -> None:
    axis.set_title(title, fontsize=13, color=figures.INK, loc="left", fontweight="bold")
    axis.fill(*_CORNERS.T, facecolor="#F6F6F6", edgecolor=figures.INK, linewidth=1)
    classes = samples.argmax(-1)
    for k, corner in enumerate(_CORNERS):
        x, y = (samples[classes == k] @ _CORNERS).T
        colour = figures.COLOURS[k]
        axis.scatter(x, y, s=9, color=colour, alpha=0.5, linewidths=0, clip_on=False)
        above = k == 2
        axis.annotate(
            f"{PROBABILITIES[k]:.0%}",
            corner,
            (0, 5 if above else -5),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            fontsize=12,
            color=colour,
        )
    axis.set_aspect("equal")
    axis.set_xlim(-0.1, 1.1)
    axis.set_ylim(-0.12, 0.98)
    axis.axis("off")
