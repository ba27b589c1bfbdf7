"""Shows what an agent knows of capture the flag: `python -m launch.knowledge --logdir=RUN`.

For every save kept (a run with --keep=20 keeps more than three), and for a new net of the same kind: how well facts such as 'I have the
flag' or 'our flag is away' are told apart by a line through the recurrent state, as balanced accuracy on games that the line
has not seen; chance is 50 %. Prints a table, and writes knowledge.json and knowledge.png into --output.
"""

import launch.origin  # noqa: F401

import json
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from absl import flags

from agents import evaluation, policy, registry
from agents.checkpoint import Checkpoints
from launch import app, tensorflow_log
from launch.figures import COLOURS, INK, WIDTH, blank, dress, save

if TYPE_CHECKING:
    from agents.api import Agent

_LOGDIR = flags.DEFINE_string("logdir", None, "Folder of the run, or of a policy.")
_GAMES = flags.DEFINE_integer("games", 50, "Games that are looked at.", lower_bound=2)
_ENV = flags.DEFINE_string("env", "", "Another environment with the same spaces.")
_OPTIONS = flags.DEFINE_string(
    "env_options", "", "Options of the environment that replace the run's."
)
_SEED = flags.DEFINE_integer(
    "seed", evaluation.SEED, "Seeds games and noise.", lower_bound=0
)
_OUTPUT = flags.DEFINE_string(
    "output", "", "Folder of the results; RUN/knowledge when not given."
)

Known = dict[str, float | None]


def main() -> None:
    """Plays, probes, prints, writes."""
    if not _LOGDIR.value:
        raise ValueError("--logdir is needed: whose knowledge?")
    path = policy.locate(_LOGDIR.value)
    run = evaluation.run_settings(path, _ENV.value, _OPTIONS.value)
    if policy.is_policy(path) and not _OUTPUT.value:
        raise ValueError("--output is needed: a policy's folder takes no results")
    output = pathlib.Path(_OUTPUT.value or path / "knowledge")
    tensorflow_log.load()
    found = _probe(path, run)
    output.mkdir(parents=True, exist_ok=True)
    content = {
        "logdir": str(path),
        "env": run.env,
        "games": _GAMES.value,
        "seed": _SEED.value,
        "chance": 0.5,
        "knowledge": {str(step): known for step, known in found.items()},
    }
    (output / "knowledge.json").write_text(json.dumps(content, indent=2) + "\n")
    draw(found, output / "knowledge.png")
    show(found)
    print(f"\nwritten: {output}/knowledge.json, knowledge.png")


def _probe(path: pathlib.Path, run: Any) -> dict[int, Known]:
    """{environment steps: fact -> balanced accuracy}; step 0 is a net that has learned nothing."""
    from rich.console import Console
    from rich.progress import Progress

    from agents import matches
    from agents.ftw import knowledge

    steps: list[int | None] = [None]
    if not policy.is_policy(path):
        steps = list(Checkpoints(path / "checkpoints").steps()) or [None]
    envs, found = matches.make_games(run, _GAMES.value), {}
    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            for step in bar.track([0, *steps], description="games"):
                agent = _new(path) if step == 0 else registry.load(path, step=step)
                seen = knowledge.collect(agent, envs, _SEED.value)
                found[agent.env_steps] = knowledge.knowledge(seen)
    finally:
        envs.close()
    return found


def _new(path: pathlib.Path) -> "Agent":
    """An agent as this one was before it learned."""
    from agents.api import Spaces

    saved = registry.read_config(path)
    config = registry.changed_config(saved)
    spaces = Spaces.from_json(saved["spaces"])
    agent = registry.build(saved["agent"], spaces, config, saved["seed"], None)
    return agent.player()


def show(found: Mapping[int, Known]) -> None:
    """Prints a row per fact, a column per save, at most five of them."""
    from rich.console import Console
    from rich.table import Table

    steps = list(found)
    some = [steps[round(i * (len(steps) - 1) / 4)] for i in range(5)]
    chosen = list(dict.fromkeys(some if len(steps) > 5 else steps))
    table = Table(title="Told right from the recurrent state, %; chance is 50")
    table.add_column("after so many steps")
    for step in chosen:
        table.add_column(f"{step:,}", justify="right")
    for fact in found[steps[0]]:
        table.add_row(fact, *(_percent(found[step][fact]) for step in chosen))
    Console().print(table)


def draw(found: Mapping[int, Known], path: pathlib.Path) -> pathlib.Path:
    """Draws a panel per fact: how well it is known over training, and chance."""
    steps = list(found)
    # A fact that no save had examples enough of has no panel.
    names = [name for name in found[steps[0]] if any(found[s][name] for s in steps)]
    rows = max(1, -(-len(names) // 2))
    figure = blank(2 * WIDTH, 1.9 * rows)
    panels = figure.subplots(rows, 2, squeeze=False, sharex=True, sharey=True)
    for axis, name in zip(panels.flat, names, strict=False):
        dress(axis, name, "", "")
        points = [(step, found[step][name]) for step in steps if found[step][name]]
        x, y = zip(*points, strict=True)
        axis.plot(x, y, "o-", color=COLOURS[0], lw=2, ms=4)
        axis.axhline(0.5, color=INK, lw=1.2, ls=(0, (4, 3)))
        axis.set_ylim(0.45, 1.02)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axis.xaxis.set_major_formatter(_short)
    for axis in list(panels.flat)[len(names) :]:
        axis.remove()
    figure.supxlabel("environment steps", fontsize=12, color=INK)
    return save(figure, path)


def _short(value: float, _: Any = None) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value else "0"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}"


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
