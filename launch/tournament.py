"""Everybody plays everybody: `python -m launch.tournament --players=ftw=RUN,plain=OTHER_RUN,random,attacker --output=FOLDER`.

Players are folders of runs or policies, named by NAME=, and scripted teams; of a population its best member plays. FOLDER@STEP
is an earlier save of a run (--keep=20 keeps more than three). Half of the games of a pair are played with sides changed, and a
draw is no win. FOLDER gets score.json (how often each won against each, with 95 % intervals, and Elo ratings), table.md,
table.csv and ratings.png, and is renewed after every pair; the same command, or one with more players, goes on where it stopped.
"""

import launch.origin  # noqa: F401

import contextlib
import functools
import itertools
import json
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

from absl import flags

from agents import evaluation, matches, process, registry, score, video
from agents import settings as settings_lib
from agents.matches import Tally
from envs import ctf_teams
from launch import app, sides, tensorflow_log, tournament_table

_PLAYERS = flags.DEFINE_list(
    "players",
    [],
    f"Who plays: NAME=FOLDER of runs or policies, and scripted teams ({', '.join(ctf_teams.TEAMS)}).",
)
_OUTPUT = flags.DEFINE_string("output", "", "Folder of the results.")
_GAMES = flags.DEFINE_integer("games", 400, "Games of each pair.", lower_bound=2)
_TOGETHER = flags.DEFINE_integer(
    "together", 50, "Games that are played at the same time.", lower_bound=1
)
_ENV = flags.DEFINE_string("env", "", "Another environment with the same spaces.")
_OPTIONS = flags.DEFINE_string(
    "env_options", "", "Options of the environment that replace the first run's."
)
_MODE = flags.DEFINE_enum("mode", "sample", ["greedy", "sample"], "How runs act.")
_SEED = flags.DEFINE_integer(
    "seed", evaluation.SEED, "Seeds games and noise.", lower_bound=0
)
_ANCHOR = flags.DEFINE_string(
    "anchor", "random=500", "A player and its rating; without it the mean is 1000."
)
_VIDEO = flags.DEFINE_string(
    "video", "", "Write a game of each pair into this folder, as .mp4."
)
_NOTES = flags.DEFINE_string("notes", "", "What a reader should know.")
_SHIP = flags.DEFINE_string(
    "ship",
    "",
    "A player whose policy is saved into FOLDER/policy, with bfloat16 weights.",
)
_FRESH = flags.DEFINE_bool("fresh", False, "Forget the games that FOLDER knows.")
_RECORD = "games.jsonl"


def main() -> None:
    """Plays what was not played yet, prints, writes."""
    if len(_PLAYERS.value) < 2 or not _OUTPUT.value:
        raise ValueError(
            "--players and --output are both needed: at least two players, as NAME=FOLDER or a scripted team, and a folder"
        )
    players = _parse(_PLAYERS.value)
    anchor = _anchor(_ANCHOR.value, players)
    places = {name: sides.locate(given) for name, given in players.items()}
    shipped = places.get(_SHIP.value)
    if _SHIP.value and (shipped is None or shipped.step is not None):
        raise ValueError(
            f"--ship={_SHIP.value} came; expected the name of a run that plays with its newest save"
        )
    learned = {name: place.folder for name, place in places.items() if place is not None}  # fmt: skip
    if not learned:
        raise ValueError(
            "only scripted teams came: name at least one run, whose environment is played"
        )
    run = evaluation.run_settings(
        next(iter(learned.values())), _ENV.value, _OPTIONS.value
    )
    tensorflow_log.load()
    playing = {name: sides.load(given) for name, given in players.items()}
    content = {
        "name": pathlib.Path(_OUTPUT.value).name,
        "agent": ", ".join(
            sorted({registry.read_config(p)["agent"] for p in learned.values()})
        ),
        "env": run.env,
        "env_options": run.env_options,
        "command": process.command(),
        "mode": _MODE.value,
        "seed": _SEED.value,
        "players": {
            name: _told(players[name], learned.get(name), player.env_steps)
            for name, player in playing.items()
        },
        "notes": _NOTES.value,
    }
    output = pathlib.Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    played = _Record(output / _RECORD, content)
    pairs = list(itertools.combinations(players, 2))

    def write() -> dict[str, Any]:
        results = {pair: played.results[pair] for pair in pairs if pair in played.results}  # fmt: skip
        made = content | score.origin() | tournament_table.content(results, anchor)
        tournament_table.write(output, made)
        return made

    missing = [pair for pair in pairs if pair not in played.results]
    for first, second, tally in _play(missing, playing, run):
        played.add(first, second, tally)
        write()
    tournament_table.show(write())
    if shipped is not None:
        shutil.rmtree(output / "policy", ignore_errors=True)
        registry.save_policy(shipped.folder, output / "policy")
    print(f"\nwritten: {output}/score.json, table.md, table.csv, ratings.png")


class _Record:
    """The games so far, a line per pair."""

    def __init__(self, path: pathlib.Path, content: dict[str, Any]) -> None:
        self._path = path
        self._how = {
            key: content[key] for key in ("env", "env_options", "mode", "seed")
        } | {"games": _GAMES.value}
        self._players = content["players"]
        self.results: dict[tuple[str, str], Tally] = {}
        if _FRESH.value:
            path.unlink(missing_ok=True)
        if path.exists():
            for line in path.read_text().splitlines():
                self._take(json.loads(line))

    def add(self, first: str, second: str, tally: Tally) -> None:
        """Notes a pair's games."""
        self.results[first, second] = tally
        who = {name: self._players[name] for name in (first, second)}
        line = {"first": first, "second": second, **tally._asdict(), "players": who}
        with self._path.open("a") as file:
            file.write(json.dumps(line | {"how": self._how}) + "\n")

    def _take(self, line: dict[str, Any]) -> None:
        first, second = line["first"], line["second"]
        if not {first, second} <= self._players.keys():
            return  # somebody who does not play this time
        same = line["how"] == self._how
        if not same or any(self._players[n] != line["players"][n] for n in (first, second)):  # fmt: skip
            raise ValueError(
                f"{self._path} holds games of {first} and {second} that were played otherwise or with other weights: "
                "give another --output, or --fresh to play all of them again"
            )
        tally = Tally(line["won"], line["drawn"], line["lost"])
        order = list(self._players)
        if order.index(first) > order.index(second):
            first, second, tally = second, first, Tally(*reversed(tally))
        self.results[first, second] = tally


def _parse(given: list[str]) -> dict[str, str]:
    """{name: folder or scripted team}."""
    found: dict[str, str] = {}
    for each in given:
        name, equals, folder = each.partition("=")
        if not equals:
            name, folder = pathlib.Path(each).name, each
        if not name or not folder or name in found:
            raise ValueError(
                f"--players={each} came; expected NAME=FOLDER or a scripted team, every name once"
            )
        found[name] = folder
    return found


def _anchor(given: str, players: dict[str, str]) -> dict[str, float]:
    name, _, rating = given.partition("=")
    if name not in players:
        if flags.FLAGS["anchor"].present and given:
            raise ValueError(f"--anchor={given} came; expected one of {', '.join(players)}")  # fmt: skip
        return {}
    try:
        return {name: float(rating)}
    except ValueError:
        raise ValueError(f"--anchor={given} came; expected PLAYER=NUMBER") from None


def _told(given: str, folder: pathlib.Path | None, env_steps: int) -> dict[str, Any]:
    """What is known of a player; if it changes, it is another one."""
    if folder is None:
        return {"scripted": given}
    saved = registry.read_config(folder)
    told = {key: saved.get(key) for key in ("agent", "preset", "command", "commit")}
    return told | {"ablate": saved.get("ablate", []), "env_steps": env_steps}


def _play(
    pairs: list[tuple[str, str]],
    players: dict[str, sides.Player],
    run: settings_lib.RunConfig,
) -> Iterator[tuple[str, str, Tally]]:
    """Plays the pairs' games, with a progress bar."""
    from rich.console import Console
    from rich.progress import Progress, TimeElapsedColumn

    if not pairs:
        return
    games = matches.make_games(run, min(_TOGETHER.value, -(-_GAMES.value // 2)))
    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    with (
        contextlib.closing(games),
        Progress(*columns, console=Console(stderr=True)) as bar,
    ):
        task = bar.add_task("games", total=_GAMES.value * len(pairs))
        for i, (first, second) in enumerate(pairs):
            bar.update(task, description=f"{first} – {second}")
            before = i * _GAMES.value
            tally = matches.play(
                players[first].side,
                players[second].side,
                games,
                _GAMES.value,
                seed=_SEED.value,
                mode="greedy" if _MODE.value == "greedy" else "sample",
                progress=functools.partial(_advance, bar, task, before),
                **_recording(first, second),
            )
            yield first, second, tally


def _advance(bar: Any, task: Any, before: int, done: int) -> None:
    bar.update(task, completed=before + done)


def _recording(first: str, second: str) -> dict[str, Any]:
    if not _VIDEO.value:
        return {}
    path = pathlib.Path(_VIDEO.value) / f"{first}-{second}.mp4"
    return {
        "recorder": video.EpisodeRecorder(),
        "on_video": lambda frames: video.write_video(path, frames),
    }


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
