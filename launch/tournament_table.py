"""The results of a tournament: who won how often against whom, ratings, and their picture."""

import csv
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from agents import matches, ratings
from agents.matches import Tally
from launch.figures import COLOURS, INK, WIDTH, blank, dress, save


def content(
    results: Mapping[tuple[str, str], Tally], anchor: Mapping[str, float]
) -> dict[str, Any]:
    """Returns what score.json holds of the games: `table` {player: {other: share of games won}}, `matches`, `ratings`."""
    table: dict[str, dict[str, float]] = {}
    told = []
    for (first, second), tally in results.items():
        told.append({"first": first, "second": second} | matches.content(tally))
        for one, other, won in ((first, second, tally.won), (second, first, tally.lost)):  # fmt: skip
            table.setdefault(one, {})[other] = round(won / tally.games, 4)
    whose = anchor if anchor.keys() <= table.keys() else {}
    elo = ratings.fit(results, whose)
    ends = ratings.intervals(results, whose)
    strongest = sorted(elo, key=lambda name: -elo[name])
    return {
        "table": {name: table[name] for name in strongest},
        "reference": {},
        "anchor": dict(whose),
        "ratings": {
            name: {
                "elo": round(elo[name], 1),
                "interval": [round(end, 1) for end in ends[name]],
            }
            for name in strongest
        },
        "matches": told,
    }


def show(made: Mapping[str, Any]) -> None:
    """Prints the ratings and the table."""
    from rich.console import Console
    from rich.table import Table

    names = list(made["table"])
    shown = Table(title=f"{made['env']}: games won by the row's player, %")
    shown.add_column("")
    shown.add_column("Elo", justify="right")
    for number in range(len(names)):
        shown.add_column(str(number + 1), justify="right")
    for number, name in enumerate(names):
        cells = (_percent(made["table"][name].get(other)) for other in names)
        elo = f"{made['ratings'][name]['elo']:.0f}"
        shown.add_row(f"{number + 1} {name}", elo, *cells)
    Console().print(shown)


def write(output: pathlib.Path, made: Mapping[str, Any]) -> None:
    """Writes score.json, table.md, table.csv and ratings.png."""
    text = json.dumps(made, indent=2, allow_nan=False)
    (output / "score.json").write_text(text + "\n")
    (output / "table.md").write_text(markdown(made))
    with open(output / "table.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, [*made["matches"][0]])
        writer.writeheader()
        writer.writerows(made["matches"])
    draw(made, output / "ratings.png")


def markdown(made: Mapping[str, Any]) -> str:
    """Returns the ratings and every pair's games as a page."""
    lines = [
        f"# {made['name']}",
        "",
        f"Games of `{made['env']}`, {made['matches'][0]['games']} of each pair, half with sides changed; actions by '{made['mode']}'. "
        "A draw is no win, and half a point in Elo; in brackets 95 % intervals, over games of these policies.",
        "",
        "| player | Elo | agent | steps |",
        "|---|---:|---|---:|",
    ]
    for name, each in made["ratings"].items():
        low, high = each["interval"]
        who = made["players"][name]
        agent = " ".join([who.get("agent", "scripted"), *who.get("ablate", [])])
        steps = f"{who['env_steps']:,}" if "env_steps" in who else "–"
        lines.append(
            f"| {name} | {each['elo']:.0f} ({low:.0f} to {high:.0f}) | {agent} | {steps} |"
        )
    lines += [
        "",
        "| first | second | first won | drawn | second won |",
        "|---|---|---:|---:|---:|",
    ]
    for each in made["matches"]:
        low, high = each["interval"]
        lines.append(
            f"| {each['first']} | {each['second']} | {each['win_rate']:.1%} ({low:.1%} to {high:.1%}) | "
            f"{each['drawn'] / each['games']:.1%} | {each['lost'] / each['games']:.1%} |"
        )
    commands = {who["command"]: None for who in made["players"].values() if "command" in who}  # fmt: skip
    lines += ["", "Made with:", "", "```", *commands, made["command"], "```", ""]
    lines += [f"Commit {made['commit']}; {made['hardware']}.", ""]
    return "\n".join([*lines, *([made["notes"], ""] if made["notes"] else [])])


def draw(made: Mapping[str, Any], path: pathlib.Path) -> pathlib.Path:
    """Draws the ratings with their intervals, and under them who won how often against whom."""
    names = list(made["ratings"])
    figure = blank(WIDTH, 2.0 + 0.62 * len(names))
    upper, lower = figure.subplots(2, 1, height_ratios=[1, 1.5])
    dress(upper, "Elo ratings", "", "")
    for y, name in enumerate(names):
        each = made["ratings"][name]
        upper.plot(each["interval"], [y, y], color=COLOURS[0], lw=3, alpha=0.4)
        upper.plot(each["elo"], y, "o", color=COLOURS[0], ms=6)
        upper.annotate(
            f"{each['elo']:.0f}", (each["elo"], y), xytext=(0, 5),
            textcoords="offset points", ha="center", fontsize=9, color=INK,
        )  # fmt: skip
    upper.set_yticks(range(len(names)), names)
    upper.set_ylim(len(names) - 0.5, -0.7)
    upper.margins(x=0.08)
    dress(lower, "Won by the row, %", "", "")
    shares = [
        [made["table"][one].get(other, float("nan")) for other in names]
        for one in names
    ]
    lower.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    lower.grid(False)
    for y, one in enumerate(names):
        for x, other in enumerate(names):
            share = made["table"][one].get(other)
            colour = "white" if share is not None and share > 0.55 else INK
            lower.text(x, y, _percent(share), ha="center", va="center", fontsize=9, color=colour)  # fmt: skip
    lower.set_xticks(range(len(names)), names, rotation=30, ha="right")
    lower.set_yticks(range(len(names)), names)
    return save(figure, path)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f}"
