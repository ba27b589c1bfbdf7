"""Pictures of gamer-normalised Atari scores: aggregates with intervals, performance profiles, bars per game."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from launch.atari_scores import AGGREGATES, GAP, IQM, MEAN, MEDIAN
from launch.figures import COLOURS, INK, OTHERS, WIDTH, blank, dress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    MEDIAN: "Median over games",
    IQM: "Interquartile mean of runs",
    MEAN: "Mean over games",
    GAP: "Gap to a gamer (lower is better)",
}
_LETTERS = 46  # of a line under a picture
_INCHES_PER_LINE = 0.2
_FAR = 10.0  # bars that reach further are drawn on a logarithmic scale


def aggregates(
    rows: Mapping[str, Any], published: Mapping[str, Any] | None = None
) -> "Figure":
    """Draws a panel per aggregate and a line per row, its interval as a bar.

    Args:
        rows: Label -> `atari_scores.summary`.
        published: Row -> `normalized.published_table`; rings, where there is such a number.
    """
    everything = {**rows, **(published or {})}
    panels = {
        name: [label for label in everything if name in everything[label]]
        for name in AGGREGATES
    }
    panels = {name: labels for name, labels in panels.items() if labels}
    notes = [f"{label}: {row['note']}." for label, row in rows.items() if row["note"]]
    heights = [0.75 + 0.42 * len(labels) for labels in panels.values()]
    figure = blank(WIDTH, sum(heights) + _height(notes))
    axes = figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axis, (name, labels) in zip(axes, panels.items(), strict=True):
        dress(axis, TITLES[name], "", "")
        for y, label in enumerate(labels):
            colour = colour_of(label, rows)
            _draw_estimate(axis, y, label, everything[label], name, colour)
        axis.set_yticks([])
        axis.set_ylim(len(labels) - 0.3, -0.75)
        axis.margins(x=0.08)
    axes[-1].set_xlabel("gamer-normalised: 0 random, 1 a gamer", fontsize=12, color=INK)
    _write_notes(figure, notes)
    return figure


def profiles(found: Mapping[str, Any], counts: Mapping[str, int]) -> "Figure":
    """Draws the fraction of runs above each score; bands are intervals.

    Args:
        found: As `atari_scores.profiles` returns it.
        counts: Label -> runs, for the legend.
    """
    everything = found["rows"] | found["published"]
    figure = blank(WIDTH, 3.6 + 0.26 * len(everything))
    axis = figure.subplots()
    dress(axis, "Performance profile", "gamer-normalised score", "runs above it")
    x = found["thresholds"]
    style: Any
    for i, (label, row) in enumerate(everything.items()):
        colour = colour_of(label, everything)
        dash = 3 if i < len(COLOURS) else 1  # as colours come again
        if label in found["published"]:
            text, width, style = f"{label}, published means", 1.2, (0, (dash, 1.5))
        else:
            few = "" if row["low"] else ", too few for an interval"
            text, width, style = f"{label} ({counts[label]} runs{few})", 2.5, "-"
        fraction = row["fraction"]
        axis.plot(x, fraction, color=colour, lw=width, ls=style, label=_safe(text))
        if row["low"]:
            axis.fill_between(
                x, row["low"], row["high"], color=colour, alpha=0.18, lw=0
            )
    axis.axvline(1, color=INK, lw=1.2, ls=(0, (4, 3)))
    axis.annotate(
        "a gamer", (1, 1), xytext=(4, -2), textcoords="offset points", va="top",
        color=INK, fontsize=11,
    )  # fmt: skip
    axis.set_ylim(0, 1.03)
    axis.set_xlim(x[0], x[-1])
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    _legend_below(figure, axis)
    return figure


def games(
    scores: Mapping[str, Mapping[str, Sequence[float]]],
    published: Mapping[str, float] | None = None,
) -> "Figure":
    """Draws bars per game: the mean over runs, and each run as a dot.

    Args:
        scores: Game -> label -> gamer-normalised return of each run.
        published: Game -> gamer-normalised published return; diamonds.
    """
    labels = list(dict.fromkeys(label for row in scores.values() for label in row))
    bars = sum(len(row) for row in scores.values()) + 0.8 * len(scores)
    figure = blank(WIDTH, 1.5 + 0.24 * bars + 0.28 * (len(labels) + bool(published)))
    axis = figure.subplots()
    dress(axis, "Games", "gamer-normalised score", "")
    ticks, y = [], 0.0
    for game, row in scores.items():
        first = y
        for label, values in row.items():
            _draw_bar(axis, y, values, label, colour_of(label, labels))
            y += 1
        middle = (first + y - 1) / 2
        ticks.append((middle, game.removeprefix("atari:")))
        if published and game in published:
            name = "DreamerV2 as published, 200M frames"
            axis.plot(
                published[game], middle, "D", ms=5, mfc="none", mec=INK, label=name
            )
        y += 0.8
    axis.set_yticks(*zip(*ticks, strict=True))
    axis.set_ylim(y - 0.8, -1)
    axis.grid(False, axis="y")
    for level, style in ((0, "-"), (1, (0, (4, 3)))):
        axis.axvline(level, color=INK, lw=1.2, ls=style)
    reach = [
        value for row in scores.values() for runs in row.values() for value in runs
    ]
    if max(map(abs, [*reach, *(published or {}).values()])) > _FAR:
        axis.set_xscale("symlog", linthresh=1)
        axis.margins(x=0.08)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _legend_below(figure, axis)
    return figure


def colour_of(label: str, own: Sequence[str] | Mapping[str, Any]) -> str:
    """Returns the colour of a row: rows of our own in order, gray for others."""
    names = list(own)
    if label not in names:
        return OTHERS
    return COLOURS[names.index(label) % len(COLOURS)]


def _draw_estimate(
    axis: "Axes", y: int, label: str, row: Mapping[str, Any], name: str, colour: str
) -> None:
    """A point with its interval, and over it who it is and how much."""
    value = row[name]
    interval = row.get("intervals", {}).get(name)
    text = f"{value:.2f}"
    if interval:
        axis.plot(
            interval, [y, y], color=colour, lw=7, alpha=0.35, solid_capstyle="butt"
        )
        text += f"  ({interval[0]:.2f} to {interval[1]:.2f})"
    ours = "intervals" in row
    axis.plot(value, y, "o", color=colour, ms=6, mfc=colour if ours else "none")
    for x, content, side in ((0, _safe(_short(label)), "left"), (1, text, "right")):
        axis.annotate(
            content, (x, y), xycoords=axis.get_yaxis_transform(), xytext=(0, 5),
            textcoords="offset points", ha=side, va="bottom", color=INK, fontsize=10.5,
        )  # fmt: skip


def _draw_bar(
    axis: "Axes", y: float, values: Sequence[float], label: str, colour: str
) -> None:
    axis.barh(
        y, np.mean(values), height=0.86, color=colour, alpha=0.55, label=_safe(label)
    )
    if len(values) > 1:
        axis.plot(values, [y] * len(values), "o", color=colour, ms=3.5, mew=0)


def _legend_below(figure: "Figure", axis: "Axes") -> None:
    """One entry per name, under everything else."""
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        list(unique.values()),
        [textwrap.fill(label, _LETTERS) for label in unique],
        fontsize=10.5,
        frameon=False,
        labelcolor=INK,
        handlelength=1.6,
        loc="outside lower left",
    )


def _height(notes: Sequence[str]) -> float:
    lines = sum(len(textwrap.wrap(note, _LETTERS + 10)) for note in notes)
    return _INCHES_PER_LINE * lines + 0.2


def _write_notes(figure: "Figure", notes: Sequence[str]) -> None:
    text = "\n".join(textwrap.fill(note, _LETTERS + 10) for note in notes)
    if text:
        figure.supxlabel(_safe(text), x=0.02, ha="left", fontsize=10, color=INK)


def _short(label: str, letters: int = 34) -> str:
    return label if len(label) <= letters else label[: letters - 1] + "…"


def _safe(text: str) -> str:
    """A dollar would begin a formula."""
    return text.replace("$", r"\$")
