"""Prints and runs the commands of a result: `python -m launch.reproduce scores/dreamerv2/minatar-breakout`.

Every seed trains as it did, the score is made as it was, and a table compares both. It all goes to a folder of its own;
the same command goes on after an interruption. What was trained under another commit or on another machine differs by
chance: compare with the interval over seeds.
"""

import launch.origin  # noqa: F401

import json
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from absl import flags

from agents import policy, score
from launch import app, card

_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Only print the commands.")
_OUTPUT = flags.DEFINE_string(
    "output", "runs/reproduced", "Runs and score go to OUTPUT/AGENT/NAME."
)


def main(operands: list[str]) -> None:
    """Runs what the command line says."""
    if len(operands) != 1:
        raise ValueError(
            f"{len(operands)} results came, but one is expected: "
            "python -m launch.reproduce scores/dreamerv2/minatar-breakout"
        )
    content = _read(_folder(operands[0]))
    folder = pathlib.Path(_OUTPUT.value) / content["agent"] / content["name"]
    commands = command_lines(content, folder)
    print(
        f"Commit {content['commit'] or 'unknown'}; here {score.commit() or 'unknown'}."
    )
    print(f"It took {content['wall_hours']} hours on {content['hardware']}.\n")
    for command in commands:
        print(_line(command))
    if _DRY_RUN.value:
        return
    for number, command in enumerate(commands, 1):
        print(f"\n[{number}/{len(commands)}] {_line(command)}", flush=True)
        _run(command)
    again = score.read(folder / content["agent"] / content["name"])
    print(f"\n{table(content, again)}")


def command_lines(content: Mapping[str, Any], folder: pathlib.Path) -> list[list[str]]:
    """Returns the arguments of Python that train every seed and make the score, in a folder."""
    train = [
        [*shlex.split(line)[1:], f"--logdir={folder}/seed{seed['seed']}"]
        for line, seed in zip(
            card.train_commands(content), content["seeds"], strict=True
        )
    ]
    scored = shlex.split(content["score_command"])[1:]
    kept = [part for part in scored if not part.startswith("--logdirs")]
    return [*train, [*kept, f"--logdirs={folder}/seed*", f"--output={folder}"]]


def table(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Returns the finals of both, seed by seed."""
    lines = [f"{'seed':>6} {'shipped':>10} {'here':>10}"]
    for old, new in zip(before["seeds"], now["seeds"], strict=True):
        lines.append(f"{old['seed']:>6} {old['final']:>10.2f} {new['final']:>10.2f}")
    lines.append(f"{'mean':>6} {before['mean']:>10.2f} {now['mean']:>10.2f}")
    if before.get("interval"):
        low, high = before["interval"]
        lines.append(f"95 % interval of the shipped mean: {low:.2f} to {high:.2f}")
    return "\n".join(lines)


def _read(folder: pathlib.Path) -> Mapping[str, Any]:
    """Returns the score; ValueError, with the command, of a result that is no set of training runs."""
    there = folder if folder.is_file() else folder / "score.json"
    others = [] if there.exists() else sorted(folder.glob("*.json"))
    contents = [score.read(there)] if not others else [_json(path) for path in others]
    for content in contents:
        if "score_command" in content:
            return content
        if "command" in content:
            raise ValueError(
                f"{folder} is no set of training runs; run this and compare by hand: {content['command']}"
            )
    raise FileNotFoundError(f"there is no score file {there}")


def _json(path: pathlib.Path) -> Mapping[str, Any]:
    """Returns the object of a file, or an empty one where it holds something else."""
    try:
        content = json.loads(path.read_text())
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _run(command: list[str]) -> None:
    """Runs to the end, also after Ctrl-C, which the command gets too and answers with a save."""
    process = subprocess.Popen([sys.executable, *command])
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise
    if status:
        raise ValueError(f"the command ended with status {status}: {_line(command)}")


def _line(command: list[str]) -> str:
    return shlex.join(["python", *command])


def cli() -> None:
    """The console script."""
    app.run(main, operands=True)


def _folder(name: str) -> pathlib.Path:
    """A folder, or, where scores/ is not at hand, the one that was installed."""
    path = pathlib.Path(name)
    if not path.exists() and path.parts[:1] == ("scores",):
        installed = policy.SCORES.joinpath(*path.parts[1:])
        return installed if installed.exists() else path
    return path


if __name__ == "__main__":
    cli()
