"""What lies in the folders of runs, of any agent or model: read once, for reports."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from agents.logger import read_metrics
from launch import curves

COUNTERS = ("env_steps", "frames", "updates", "time", "cpu_time")
_HEADLINES = ("return", "loss")
_TENTH = 0.9
_NUMBERED = re.compile(r"(?P<name>.+)-(?P<step>\d+)$")
_FREE = ("logdir", "seed")  # in which seeds of one experiment always differ


class Run(NamedTuple):
    """A run as its folder has it.

    Attributes:
        logdir: The folder.
        env: The environment, or the model's name.
        label: What is compared: agent, preset and ablations; the folder's name where it is no 'seedN'.
        saved: config.json; {} where it is missing or damaged.
        records: The lines of metrics.jsonl.
    """

    logdir: Path
    env: str
    label: str
    saved: dict[str, Any]
    records: list[dict[str, Any]]

    @property
    def seed(self) -> int | None:
        """The run's seed, where it is known."""
        return self.saved.get("run", {}).get("seed")

    @property
    def axis(self) -> str:
        """'frames', or 'updates' of a model on data."""
        return "frames" if any("frames" in r for r in self.records) else "updates"

    @property
    def counter(self) -> str:
        """What the budget counts: 'env_steps' or 'updates'."""
        return "env_steps" if self.axis == "frames" else "updates"

    @property
    def done(self) -> int:
        """Environment steps or updates made."""
        return self.records[-1].get(self.counter, 0) if self.records else 0

    @property
    def budget(self) -> int | None:
        """Environment steps or updates of the whole run, where they are known."""
        return self.saved.get("run", {}).get(self.counter)

    def settings(self) -> dict[str, Any]:
        """Returns every setting by its name, without those that differ between seeds."""
        flat = {**self.saved.get("run", {}), **self.saved.get("config", {})}
        return {key: value for key, value in flat.items() if key not in _FREE}


Groups = Mapping[tuple[str, str], Sequence[Run]]  # (env, label) -> seeds


def read(logdirs: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Returns the runs, and a sentence per folder that was left out.

    Raises:
        FileNotFoundError: If no folder is a run.
    """
    runs, left_out = [], []
    for logdir in logdirs:
        metrics = logdir / "metrics.jsonl"
        if not metrics.exists():
            left_out.append(f"{logdir} has no metrics.jsonl and was left out.")
            continue
        env, label = curves.names(logdir)
        records = read_metrics(metrics)
        runs.append(Run(logdir, env, label, curves.config(logdir), records))
    if not runs:
        raise FileNotFoundError(
            f"none of {len(logdirs)} folders is a run with a metrics.jsonl, for example {logdirs[0]}"
        )
    return runs, left_out


def group(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    """Returns (env, label) -> runs by seed, sorted."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.env, run.label, run.seed or 0)):
        found.setdefault((run.env, run.label), []).append(run)
    return found


def scalars(runs: Sequence[Run]) -> list[str]:
    """Returns the keys of what was logged, in order of appearance, without counters."""
    keys = dict.fromkeys(key for run in runs for r in run.records for key in r)
    return [key for key in keys if key not in COUNTERS]


def headline(runs: Sequence[Run]) -> str | None:
    """Returns what a run is judged by: 'return', else 'loss', else nothing."""
    keys = scalars(runs)
    return next((key for key in _HEADLINES if key in keys), None)


def late_mean(run: Run, key: str) -> float | None:
    """Returns the mean of a scalar over the last tenth of what the run has done; None without one."""
    curve = curves.of_records(run.records, key, run.counter)
    if curve is None:
        return None
    late = curve.y[curve.x >= _TENTH * run.done]
    return float(np.mean(late if len(late) else curve.y[-1:]))


def last(run: Run, key: str) -> tuple[int, float] | None:
    """Returns (steps, value) of the newest line with a finite scalar."""
    curve = curves.of_records(run.records, key, run.counter)
    return None if curve is None else (int(curve.x[-1]), float(curve.y[-1]))


def differing(groups: Groups) -> dict[str, dict[tuple[str, str], list[Any]]]:
    """Returns setting -> group -> its values, of the settings in which groups differ; [] where a group has none."""
    return {
        key: values
        for key, values in all_settings(groups).items()
        if len({json.dumps(value) for value in values.values()}) > 1
    }


def all_settings(groups: Groups) -> dict[str, dict[tuple[str, str], list[Any]]]:
    """Returns setting -> group -> the distinct values of its runs."""
    settings = {name: [run.settings() for run in runs] for name, runs in groups.items()}
    keys = dict.fromkeys(key for each in settings.values() for s in each for key in s)
    return {
        key: {name: _distinct(each, key) for name, each in settings.items()}
        for key in keys
    }


def mixed(groups: Groups) -> list[str]:
    """Returns a sentence per group whose runs differ in more than the seed."""
    found = []
    for (env, label), runs in groups.items():
        settings = [run.settings() for run in runs if run.saved]
        keys = dict.fromkeys(key for each in settings for key in each)
        names = [key for key in keys if len(_distinct(settings, key)) > 1]
        if names:
            found.append(
                f"The runs of {label} on {env} differ in {', '.join(names)}: they are no seeds of one experiment."
            )
    return found


def videos(run: Run) -> list[Path]:
    """Returns the newest video of each name in videos/, then those beside metrics.jsonl; dreams and episodes first."""
    newest = _newest(run.logdir / "videos", (".mp4", ".gif"))
    ordered = sorted(newest, key=lambda name: (name != "episode", name))
    return [newest[name] for name in ordered] + sorted(run.logdir.glob("*.gif"))


def pictures(run: Run) -> list[Path]:
    """Returns the newest picture of each name that a model drew."""
    newest = _newest(run.logdir / "pictures", (".png",))
    return [newest[name] for name in sorted(newest)]


def _newest(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """Returns the file of the latest step of each name."""
    found: dict[str, tuple[int, Path]] = {}
    for path in sorted(folder.glob("*")):
        if path.suffix in endings and not path.name.startswith("."):
            name, step = split(path)
            if step >= found.get(name, (-1, path))[0]:
                found[name] = step, path
    return {name: path for name, (_, path) in found.items()}


def split(path: Path) -> tuple[str, int]:
    """Returns ('dream_image', 3200) of 'dream_image-3200.mp4'; without a step it is 0."""
    found = _NUMBERED.match(path.stem)
    return (found["name"], int(found["step"])) if found else (path.stem, 0)


def is_dream(path: Path) -> bool:
    """Returns whether a video is of `agents.video.open_loop`: truth, model, error."""
    return split(path)[0].startswith(("dream", "open_loop"))


def json_files(run: Run) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yields the other JSON objects of the folder: results of evaluations, a score; damaged ones are passed over."""
    for path in sorted(run.logdir.glob("*.json")):
        if path.name != "config.json":
            try:
                content = json.loads(path.read_text())
            except (OSError, ValueError):
                continue
            if isinstance(content, dict):
                yield path, content


def _distinct(settings: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    found: list[Any] = []
    for each in settings:
        if key in each and each[key] not in found:
            found.append(each[key])
    return found
