"""A table of results beside published ones, as dots."""

import pathlib
from collections.abc import Mapping
from typing import Any

from launch.figures import COLOURS, GRID, INK, WIDTH, blank, save

_SHORT = {
    "score_function": "SF",
    "darn": "DARN",
    "muprop": "MuProp",
    "straight_through": "ST",
    "slope_annealed_straight_through": "annealed ST",
    "gumbel_softmax": "Gumbel-Softmax",
    "st_gumbel_softmax": "ST Gumbel-Softmax",
    "nvil": "NVIL",
    "rloo": "RLOO",
    "gumbel_rao": "Gumbel-Rao",
    "reinmax": "ReinMax",
    "rebar": "REBAR",
    "relax": "RELAX",
    "arm": "ARM",
    "disarm": "DisARM",
}


def draw(content: Mapping[str, Any], path: pathlib.Path) -> pathlib.Path:
    """Draws a panel per row: filled dots are ours, seeds as strokes, rings the published numbers."""
    rows = [row for row, values in content["table"].items() if values]
    columns = list(
        dict.fromkeys(name for row in rows for name in content["table"][row])
    )
    height = 0.9 + 0.22 * len(columns)
    figure = blank(WIDTH, max(height, 1.6) * max(len(rows), 1))
    panels = figure.subplots(max(len(rows), 1), 1, squeeze=False)[:, 0]
    for axis, row in zip(panels, rows, strict=False):
        ours, paper = content["table"][row], content["reference"][row]
        for y, name in enumerate(columns):
            runs = content["cells"][row].get(name, {}).get("runs", [])
            nats = [run["test_nll"] for run in runs if "test_nll" in run]
            if nats:
                axis.plot([min(nats), max(nats)], [y, y], color=COLOURS[0], lw=2)
            if name in ours:
                axis.plot(ours[name], y, "o", color=COLOURS[0], ms=5)
            if name in paper:
                axis.plot(
                    paper[name], y, "o", mfc="none", mec=COLOURS[1], ms=7, mew=1.4
                )
        axis.set_yticks(range(len(columns)), [_SHORT.get(c, c) for c in columns])
        axis.margins(y=0.12)
        axis.invert_yaxis()
        title = row.replace("-", ", ")
        axis.set_title(title, loc="left", fontsize=11, color=INK, fontweight="bold")
        axis.grid(color=GRID, axis="x")
        axis.tick_params(labelsize=9, colors=INK, length=0)
        axis.set_axisbelow(True)
        axis.spines[:].set_visible(False)
    if len(panels):
        panels[-1].set_xlabel(
            "test negative log-likelihood, nats (● here, ○ paper)",
            fontsize=8,
            color=INK,
        )
    return save(figure, path)
