"""What runs take on disk, and which of it may be deleted; nothing is deleted here."""

import fcntl
import json
import os
import pathlib
import shlex
import tempfile
import time
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape

PARTS = ("replay", "checkpoints", "videos")
DAMAGED, HALF_SAVED, HALF_CHUNK = "*.damaged", ".tmp-*", "*.rows.tmp"
TEMPORARY = (
    "zoo-replay-*",
    "zoo-check-*",
)  # left in the system's folder by killed processes
IDLE_DAYS = 1.0

IN_USE, FINISHED, STOPPED, UNKNOWN = "in use", "finished", "stopped", "unknown"


class Run(NamedTuple):
    """A run's folder.

    Attributes:
        path: The folder.
        state: 'in use', 'finished', 'stopped' or 'unknown'.
        env_steps: Of its newest checkpoint; 0 without one.
        until: The steps it was to make; 0 where that cannot be read.
        sizes: 'replay', 'checkpoints', 'videos' and 'other' -> bytes.
    """

    path: pathlib.Path
    state: str
    env_steps: int
    until: int
    sizes: dict[str, int]


class Spare(NamedTuple):
    """Something that may be deleted.

    Attributes:
        paths: Files and folders.
        bytes: Their size.
        why: What they are, and what is lost with them.
    """

    paths: list[pathlib.Path]
    bytes: int
    why: str

    @property
    def command(self) -> str:
        """The command that deletes them."""
        return shlex.join(["rm", "-r", *(str(path) for path in self.paths)])


def find_runs(root: pathlib.Path) -> list[Run]:
    """Returns the runs below a folder, by path.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    if not root.is_dir():
        raise FileNotFoundError(
            f"there is no folder {root} here; --runs names the one that holds the runs"
        )
    found = []
    for folder, names, files in os.walk(root):
        if "config.json" in files or {"replay", "checkpoints"} & set(names):
            found.append(_read(pathlib.Path(folder)))
            names.clear()
    return sorted(found)


def find_spares(runs: list[Run]) -> list[Spare]:
    """Returns what may be deleted: nothing of a run that is in use, and nothing that a stopped one needs."""
    spares = []
    for run in runs:
        if run.state == IN_USE:
            continue
        if run.state == FINISHED and run.sizes["replay"]:
            why = "replay of a finished run: it can still be evaluated and plotted, but not trained on"
            spares.append(_spare([run.path / "replay"], why))
        leftovers = [
            *_matches(run.path / "checkpoints", HALF_SAVED),
            *_matches(run.path / "replay", HALF_CHUNK),
        ]
        spares += [
            _spare(paths, why)
            for paths, why in (
                (
                    _matches(run.path / "checkpoints", DAMAGED),
                    "damaged checkpoints, set aside",
                ),
                (leftovers, "half-written files of a run that was killed"),
            )
            if paths
        ]
    return spares


def find_temporary(folder: pathlib.Path | None = None) -> list[Spare]:
    """Returns what killed processes left in the system's temporary folder and nobody wrote to for a day."""
    folder = folder or pathlib.Path(tempfile.gettempdir())
    old = [
        path
        for pattern in TEMPORARY
        for path in _matches(folder, pattern)
        if _idle_days(path) > IDLE_DAYS
    ]
    return [_spare(old, "temporary replays of processes that were killed")] * bool(old)


def examine(root: pathlib.Path) -> dict[str, Any]:
    """Returns all of it as JSON values."""
    runs = find_runs(root)
    spares = find_spares(runs) + find_temporary()
    return {
        "runs": [
            run._asdict() | {"path": str(run.path), "bytes": sum(run.sizes.values())}
            for run in runs
        ],
        "may_be_deleted": [
            {"command": spare.command, "bytes": spare.bytes, "why": spare.why}
            for spare in spares
        ],
        "bytes": sum(sum(run.sizes.values()) for run in runs),
        "bytes_that_may_be_deleted": sum(spare.bytes for spare in spares),
    }


def show(report: dict[str, Any], console: Console) -> None:
    """Prints the runs, then the commands that free something."""
    if not report["runs"]:
        console.print("There are no runs here.")
    else:
        _show_runs(report, console)
    if any(run["state"] == STOPPED for run in report["runs"]):
        console.print("\nA stopped run needs its replay and a checkpoint to resume.")
    spares = report["may_be_deleted"]
    if not spares:
        console.print("\nNothing is to be deleted.")
        return
    console.print("\nMay be deleted (nothing was; these are the commands):")
    for spare in spares:
        console.print(f"\n{size_text(spare['bytes'])}, {escape(spare['why'])}")
        console.print(f"  {spare['command']}", markup=False, soft_wrap=True)
    total = size_text(report["bytes_that_may_be_deleted"])
    console.print(f"\n{total} together.")


def _show_runs(report: dict[str, Any], console: Console) -> None:
    """Prints two lines per run, so that paths stay in one piece, and the sums."""
    for run in report["runs"]:
        line = f"[bold]{escape(run['path'])}[/bold]  {_state_text(run)}"
        console.print(line, highlight=False, soft_wrap=True)
        console.print(_sizes_text(run["sizes"]), highlight=False, soft_wrap=True)
    sums = {
        part: sum(run["sizes"][part] for run in report["runs"])
        for part in (*PARTS, "other")
    }
    console.print(f"\n[bold]together {size_text(report['bytes'])}[/bold]")
    console.print(_sizes_text(sums), highlight=False, soft_wrap=True)


def size_text(size: float) -> str:
    """Returns bytes as '1.2 GB', '34.5 MB' or '0.1 MB'."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _sizes_text(sizes: dict[str, int]) -> str:
    parts = [f"{part} {size_text(sizes[part]):>8}" for part in (*PARTS, "other")]
    return "  " + "   ".join(parts)


def _state_text(run: dict[str, Any]) -> str:
    if run["state"] == UNKNOWN:
        return "no settings that can be read"
    text = f"at {run['env_steps']:,} of {run['until']:,} steps"
    return f"{run['state']} {text}" if run["until"] else run["state"]


def _read(path: pathlib.Path) -> Run:
    steps = _newest_step(path / "checkpoints")
    until = _wanted_steps(path / "config.json")
    if _in_use(path / "lock"):
        state = IN_USE
    elif until is None:
        state = UNKNOWN
    else:
        state = FINISHED if steps >= until else STOPPED
    sizes = {part: _size(path / part) for part in PARTS}
    sizes["other"] = _size(path) - sum(sizes.values())
    return Run(path, state, steps, until or 0, sizes)


def _wanted_steps(path: pathlib.Path) -> int | None:
    """Returns the steps of the run; None where config.json has none, as in what `agent.save` left."""
    try:
        return int(json.loads(path.read_text())["run"]["env_steps"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _newest_step(folder: pathlib.Path) -> int:
    names = [path.name.partition(".") for path in _matches(folder, "[0-9]*")]
    return max(
        (int(step) for step, _, rest in names if rest != "damaged" and step.isdigit()),
        default=0,
    )


def _in_use(path: pathlib.Path) -> bool:
    """Returns whether a process holds the run's lock."""
    try:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def _size(path: pathlib.Path) -> int:
    """Returns the bytes of a file or of all files in a folder; files that go meanwhile count nothing."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue
    return total


def _spare(paths: list[pathlib.Path], why: str) -> Spare:
    return Spare(paths, sum(map(_size, paths)), why)


def _matches(folder: pathlib.Path, pattern: str) -> list[pathlib.Path]:
    return sorted(folder.glob(pattern))


def _idle_days(path: pathlib.Path) -> float:
    """Returns the days since anything in a folder was written."""
    times = [path.stat().st_mtime]
    times += [each.stat().st_mtime for each in path.rglob("*")]
    return (time.time() - max(times)) / 86_400
