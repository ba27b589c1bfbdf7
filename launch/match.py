"""Plays matches in team games: `python -m launch.match --logdir=RUN --against=random,attacker,OTHER_RUN`.

One side is the run, the other a scripted team or another run, FOLDER@STEP for an earlier save of it; half of the games are
played with sides changed. A draw is no win. Prints how often the run won, with 95 % intervals; --json writes it, --video keeps
a game of each match.
"""

import launch.origin  # noqa: F401

import json
import pathlib
from typing import Any

import numpy as np
from absl import flags

from agents import evaluation, matches, policy, video
from agents.api import VectorEnv
from envs import ctf_teams
from launch import app, sides, tensorflow_log

_LOGDIR = flags.DEFINE_string("logdir", None, "Folder of the run, or of a policy.")
_AGAINST = flags.DEFINE_list(
    "against",
    list(ctf_teams.TEAMS),
    f"Whom it plays: scripted teams ({', '.join(ctf_teams.TEAMS)}) or folders of runs.",
)
_GAMES = flags.DEFINE_integer("games", 400, "Games of each match.", lower_bound=2)
_TOGETHER = flags.DEFINE_integer(
    "together", 50, "Games that are played at the same time.", lower_bound=1
)
_ENV = flags.DEFINE_string("env", "", "Another environment with the same spaces.")
_OPTIONS = flags.DEFINE_string(
    "env_options", "", "Options of the environment that replace the run's."
)
_MODE = flags.DEFINE_enum("mode", "sample", ["greedy", "sample"], "How runs act.")
_SEED = flags.DEFINE_integer(
    "seed", evaluation.SEED, "Seeds games and noise.", lower_bound=0
)
_JSON = flags.DEFINE_string("json", "", "Write the results there.")
_VIDEO = flags.DEFINE_string(
    "video", "", "Write a game of each match into this folder, as .mp4."
)


def main() -> None:
    """Plays, prints, writes."""
    if not _LOGDIR.value:
        raise ValueError("--logdir is needed: who plays?")
    path = policy.locate(_LOGDIR.value)  # before TensorFlow takes its time
    run = evaluation.run_settings(path, _ENV.value, _OPTIONS.value)
    for name in _AGAINST.value:
        sides.locate(name)
    tensorflow_log.load()
    envs = matches.make_games(run, min(_TOGETHER.value, -(-_GAMES.value // 2)))
    try:
        found = {name: _match(path, name, envs) for name in _AGAINST.value}
    finally:
        envs.close()
    _show(found, run.env)
    if _JSON.value:
        what = {
            "logdir": _LOGDIR.value,
            "env": run.env,
            "mode": _MODE.value,
            "seed": _SEED.value,
            "matches": found,
        }
        pathlib.Path(_JSON.value).write_text(json.dumps(what, indent=2) + "\n")


def _match(path: pathlib.Path, name: str, envs: VectorEnv) -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import Progress

    written: list[str] = []

    def write(frames: np.ndarray) -> None:
        if not written:
            target = pathlib.Path(_VIDEO.value) / f"{pathlib.Path(name).name}.mp4"
            written.append(str(video.write_video(target, frames)))

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"against {name}", total=_GAMES.value)
        tally = matches.play(
            sides.load(str(path)).side,
            sides.load(name).side,
            envs,
            _GAMES.value,
            seed=_SEED.value,
            mode="greedy" if _MODE.value == "greedy" else "sample",
            progress=lambda done: bar.update(task, completed=done),
            recorder=video.EpisodeRecorder() if _VIDEO.value else None,
            on_video=write,
        )
    return matches.content(tally) | ({"video": written} if written else {})


def _show(found: dict[str, dict[str, Any]], env: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{env}: games of {_LOGDIR.value}")
    for column in ("against", "won", "drawn", "lost", "won, 95 % interval"):
        table.add_column(column, justify="left" if column == "against" else "right")
    for name, each in found.items():
        low, high = each["interval"]
        share = f"{each['win_rate']:.1%}  ({low:.1%} to {high:.1%})"
        table.add_row(
            name, *(str(each[key]) for key in ("won", "drawn", "lost")), share
        )
    Console().print(table)


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
