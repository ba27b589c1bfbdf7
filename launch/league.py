"""Shows a population of FTW while it trains: `python -m launch.league --logdir=RUN`.

One screen: ratings, what evolved in each member, and who copied whom; `--follow=10` renews it every ten seconds. `--html=FILE` writes the
same as a page with curves over games, the internal rewards and the tree of copies. `--ship=FOLDER` keeps a population for others: what is
shown here, and the policy of every member, which `launch.match` and `agents.load` take as FOLDER/member0.
"""

import launch.origin  # noqa: F401

import json
import pathlib
import re
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import flags

from agents import registry
from agents.api import Tree
from agents.checkpoint import Checkpoints
from agents.logger import read_metrics
from envs.ctf_rules import EVENTS
from launch import app, curves, figures
from launch import html_page as page
from launch.curves import Panel
from launch.html_page import Html, Section

if TYPE_CHECKING:
    from rich.console import Group

_LOGDIR = flags.DEFINE_string(
    "logdir", None, "Folder of a run of launch.ftw with --population=2 or more."
)
_HTML = flags.DEFINE_string("html", "", "Write a page there.")
_FOLLOW = flags.DEFINE_float(
    "follow",
    0.0,
    "Seconds after which the screen is renewed, until Ctrl-C; 0: it is shown once.",
    lower_bound=0.0,
)

_SHIP = flags.DEFINE_string(
    "ship", "", "Keep the population there: league.json, and a policy of every member."
)
SHIPPED = "league.json"
_POINTS = 200  # lines of metrics.jsonl that a shipped league has

# Scalars that evolve, in the order of the screen: a short name, and whether they are drawn on a logarithmic axis.
NUMBERS = {
    "learning_rate": ("rate", True),
    "entropy_scale": ("entr", True),
    "kl_scale": ("KL", True),
    "prior_scale": ("prior", True),
    "slow_gradient": ("slow", False),
    "period": ("tau", False),
    "pixel_scale": ("pixel", True),
    "prediction_scale": ("pred", True),
}
_BARS = "▁▂▃▄▅▆▇█"
_TREND, _COPIES = 10, 8  # letters of a trend, copies on the screen


class Shown(NamedTuple):
    """What a run's folder says of its population.

    Attributes:
        logdir: The folder.
        saved: config.json.
        records: The lines of metrics.jsonl.
        league: The league of the newest checkpoint; empty before the first.
    """

    logdir: pathlib.Path
    saved: Tree
    records: list[dict[str, Any]]
    league: Tree

    @property
    def members(self) -> int:
        """How many there are."""
        return int(self.saved["config"]["population"])

    def latest(self, key: str) -> float | None:
        """Returns the newest value of a metric, None where there is none yet."""
        there = (r[key] for r in reversed(self.records) if r.get(key) is not None)
        return next(there, None)

    def of_member(self, member: int, key: str) -> str:
        """Returns the name of a member's metric."""
        return f"member{member}/{key}"

    def ranking(self) -> list[int]:
        """Returns the members, the highest rating first."""
        elo = [
            self.latest(self.of_member(m, "elo")) or 0.0 for m in range(self.members)
        ]
        return sorted(range(self.members), key=lambda m: -elo[m])


def main() -> None:
    """Shows, and writes."""
    if not _LOGDIR.value:
        raise ValueError("--logdir is needed: the folder of a run with a population")
    from rich.console import Console
    from rich.live import Live

    logdir = pathlib.Path(_LOGDIR.value)
    console = Console()
    if not _FOLLOW.value:
        shown = read(logdir)
        console.print(screen(shown))
        write(shown)
        if _SHIP.value:
            ship(shown, pathlib.Path(_SHIP.value))
        return
    if _SHIP.value:
        raise ValueError("--ship keeps what there is now: leave --follow out")
    with Live(screen(read(logdir)), console=console, auto_refresh=False) as live:
        while True:
            shown = read(logdir)
            live.update(screen(shown), refresh=True)
            write(shown)
            time.sleep(_FOLLOW.value)


def read(logdir: pathlib.Path) -> Shown:
    """Reads a run's folder, or that of a shipped league.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If the run has no population.
    """
    if (logdir / SHIPPED).exists():
        kept = json.loads((logdir / SHIPPED).read_text())
        return Shown(logdir, kept["saved"], kept["records"], kept["league"])
    saved = registry.read_config(logdir)
    if saved["config"].get("population", 1) < 2:
        raise ValueError(
            f"{logdir} holds a single agent ({saved['agent']}), no population: python -m launch.ftw --population=4 trains one"
        )
    path = logdir / "metrics.jsonl"
    records = read_metrics(path) if path.exists() else []
    found: list[Tree] = []
    if (logdir / "checkpoints").is_dir():
        Checkpoints(logdir / "checkpoints").restore(found.append)
    league = found[-1]["agent"]["league"] if found else {}
    return Shown(logdir, saved, records, league)


def screen(shown: Shown) -> "Group":
    """Returns what the terminal shows."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    keys = _evolving(shown)
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for name, justify in (("who", "left"), ("Elo", "right"), ("over time", "left")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for key in keys:
        table.add_column(NUMBERS[key][0], justify="right", no_wrap=True)
    for member in shown.ranking():
        elo = shown.of_member(member, "elo")
        numbers = (shown.latest(shown.of_member(member, key)) for key in keys)
        table.add_row(
            str(member),
            _number(shown.latest(elo), 0),
            trend(_values(shown, elo)),
            *map(_number, numbers),
        )
    copies = [Text(sentence) for sentence in list(sentences(shown))[-_COPIES:]]
    none = [Text("No member has copied another yet.")]
    return Group(Text(_title(shown)), table, *(copies or none))


def write(shown: Shown) -> None:
    """Writes the page where --html says."""
    if _HTML.value:
        path = pathlib.Path(_HTML.value)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document(shown))
        print(f"written: {path}")


def ship(shown: Shown, folder: pathlib.Path) -> None:
    """Writes league.json, what `read` reads, and the policies of the members with weights in bfloat16.

    Raises:
        ValueError: If the run has no checkpoint yet, or is a shipped league itself.
    """
    if not shown.league or (shown.logdir / SHIPPED).exists():
        raise ValueError(
            f"{shown.logdir} has no checkpoint to ship members of: give the folder of a run that has saved once"
        )
    run = shown.saved.get("run", {}) | {"logdir": ""}
    population: Any = registry.load(shown.logdir, learn=True)
    try:
        for number, member in enumerate(population.members):
            about = shown.saved | registry.describe(member, run=run)
            registry.save_policy(member, folder / f"member{number}", about)
    finally:
        population.close()
    keys = {"env_steps", "games", "exploits", "time", "cpu_time"}
    own = ("elo", *NUMBERS, "rewards_")
    lines = [
        {
            key: float(f"{value:.4g}") if key not in keys else value
            for key, value in record.items()
            if key in keys or key.partition("/")[2].startswith(own)
        }
        for record in shown.records
        if record.get("games") is not None
    ]
    some = np.unique(np.linspace(0, len(lines) - 1, _POINTS).round().astype(int))
    league = {key: shown.league[key] for key in ("lineage", "games")}
    content = {
        "saved": shown.saved | {"run": run},
        "league": league,
        "records": [lines[i] for i in some],
    }
    text = json.dumps(content, default=lambda value: np.asarray(value).tolist())
    (folder / SHIPPED).write_text(text + "\n")
    print(f"written: {folder}/{SHIPPED}, and {shown.members} policies")


def document(shown: Shown) -> str:
    """Returns the page."""
    sections = [
        Section("ratings", "Ratings", _ratings(shown)),
        Section("evolved", "What evolved", _evolved(shown)),
        Section("rewards", "Internal rewards", _rewards(shown)),
        Section("lineage", "Who copied whom", _lineage(shown)),
    ]
    lead = [
        _title(shown),
        f"Command: {shown.saved.get('command', 'unknown')}. Commit: {shown.saved.get('commit') or 'unknown'}.",
    ]
    return page.page("A population", lead, sections)


def sentences(shown: Shown) -> Iterator[str]:
    """Yields a sentence for each copy, the oldest first."""
    for each in shown.league.get("lineage", []):
        changed = ", ".join(name.replace("_", " ") for name in each["mutated"])
        yield (
            f"game {each['games']:,}: member {each['member']} copied member {each['parent']}, against which it won "
            f"{each['win_probability']:.0%}; changed: {changed or 'nothing'}"
        )


def trend(values: Sequence[float], letters: int = _TREND) -> str:
    """Returns values as bars, so many letters at most, from the least to the largest."""
    if not values:
        return ""
    parts = np.array_split(np.asarray(values, float), min(letters, len(values)))
    means = np.array([part.mean() for part in parts])
    span = means.max() - means.min()
    level = (means - means.min()) / span if span else np.full(len(means), 0.5)
    return "".join(_BARS[round(each * (len(_BARS) - 1))] for each in level)


def _title(shown: Shown) -> str:
    run = shown.saved.get("run", {})
    games, steps = shown.latest("games"), shown.latest("env_steps")
    if games is None or steps is None:
        return f"{shown.members} members on {run.get('env')}: nothing logged yet"
    total, copies = run.get("env_steps", 0), shown.latest("exploits") or 0
    return (
        f"{shown.members} members on {run.get('env')}: {games:,.0f} games, {steps:,.0f} of {total:,} steps, "
        f"{copies:.0f} cop{'y' if copies == 1 else 'ies'}"
    )


def _evolving(shown: Shown) -> list[str]:
    """The scalars that this population evolves."""
    return [key for key in NUMBERS if shown.latest(shown.of_member(0, key)) is not None]


def _values(shown: Shown, key: str) -> list[float]:
    return [r[key] for r in shown.records if r.get(key) is not None]


def _number(value: float | None, digits: int | None = None) -> str:
    """So many digits behind the point, else two that count; a short exponent below a hundredth."""
    if value is None:
        return "–"
    if digits is not None:
        return f"{value:.{digits}f}"
    small = 0 < abs(value) < 0.01
    return re.sub(r"e-0*", "e-", f"{value:.1e}") if small else f"{value:.2g}"


def _ratings(shown: Shown) -> Html:
    rows = []
    for member in shown.ranking():
        cells = [
            _number(shown.latest(shown.of_member(member, k))) for k in _evolving(shown)
        ]
        elo = shown.latest(shown.of_member(member, "elo"))
        games = shown.league.get("games")
        played = "–" if games is None else f"{int(games[member]):,}"
        rows.append(
            [f"member {member}", "–" if elo is None else f"{elo:.0f}", played, *cells]
        )
    columns = ["", "Elo", "games", *(key.replace("_", " ") for key in _evolving(shown))]
    table = page.table("Now, the strongest first", columns, rows)
    drawing = _draw(shown, "elo", "Elo", (figures.WIDTH, 3.4))
    return page.join([_legend(shown), drawing, table])


def _evolved(shown: Shown) -> Html:
    drawn = [
        _draw(shown, key, key.replace("_", " "), (3.6, 2.3), NUMBERS[key][1])
        for key in _evolving(shown)
    ]
    return page.join([_legend(shown), page.grid(drawn, small=True)])


def _rewards(shown: Shown) -> Html:
    names = [*EVENTS]
    drawn, number = [], 0
    while shown.latest(shown.of_member(0, f"rewards_{number}")) is not None:
        name = names[number] if number < len(names) else f"event {number}"
        title = name.replace("_", " ")
        drawn.append(_draw(shown, f"rewards_{number}", title, (3.6, 2.3)))
        number += 1
    if not drawn:
        return page.paragraphs(
            ["This population learns from the environment's own reward."]
        )
    return page.join([_legend(shown), page.grid(drawn, small=True)])


def _draw(
    shown: Shown, key: str, title: str, size: tuple[float, float], log: bool = False
) -> Html:
    groups = {}
    for member in range(shown.members):
        curve = curves.of_records(shown.records, shown.of_member(member, key), "games")
        groups[f"member {member}"] = [] if curve is None else [curve]
    if not any(groups.values()):
        return page.paragraphs([f"{title}: nothing logged yet."])
    figure = figures.blank(*size)
    axis = figure.subplots()
    figures.draw_panel(axis, Panel(title, groups), key, "games")
    axis.set_ylabel("")
    values = np.concatenate([each[0].y for each in groups.values() if each])
    if log and values.min() > 0 and values.max() >= 10 * values.min():
        axis.set_yscale("log")
        axis.yaxis.set_minor_formatter("")
    if legend := axis.get_legend():
        legend.remove()
    ends = {label: each[0].y[-1] for label, each in groups.items() if each}
    text = "; ".join(f"{label} at {_number(end)}" for label, end in ends.items())
    name = key.replace("_", "")
    return page.drawing(figure, name, f"{title} over games: {text}")


def _legend(shown: Shown) -> Html:
    """The members' colours, in the order in which `draw_panel` takes them."""
    entries = []
    for i, label in enumerate(sorted(f"member {m}" for m in range(shown.members))):
        style = f"background: var(--c{i % len(figures.COLOURS)})"
        swatch = page.tag("span", class_="swatch", style=style)
        entries.append(page.tag("li", swatch, label))
    return page.tag("ul", *entries, class_="legend")


def _lineage(shown: Shown) -> Html:
    copies = shown.league.get("lineage", [])
    if not copies:
        return page.paragraphs(["No member has copied another yet."])
    figure = figures.blank(2 * figures.WIDTH, 0.5 * shown.members + 1.2)
    axis = figure.subplots()
    figures.dress(axis, "", "games", "member")
    end = max(shown.latest("games") or 0, copies[-1]["games"])
    for member in range(shown.members):
        colour = figures.COLOURS[member % len(figures.COLOURS)]
        axis.plot([0, end], [member, member], color=colour, linewidth=3)
    for each in copies:
        colour = figures.COLOURS[each["parent"] % len(figures.COLOURS)]
        axis.annotate(
            "",
            (each["games"], each["member"]),
            (each["games"], each["parent"]),
            arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.5},
        )
    axis.set_yticks(range(shown.members))
    axis.set_ylim(shown.members - 0.5, -0.5)
    told = list(sentences(shown))
    caption = (
        "An arrow leads from the member that was copied to the one that copied it."
    )
    drawing = page.drawing(figure, "lineage", "; ".join(told), caption)
    return page.join([drawing, page.folded("In words", page.paragraphs(told))])


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
