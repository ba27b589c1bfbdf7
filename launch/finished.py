"""The runs that a result is made of: found, and refused where they do not belong together."""

import glob
import os
import pathlib
from typing import NamedTuple

from agents import command as command_lib
from agents import config as config_lib
from agents import policy, registry, settings
from agents.api import Tree
from agents.checkpoint import Checkpoints


class Run(NamedTuple):
    """A run: its folder, its config.json, and the step of its newest checkpoint."""

    logdir: pathlib.Path
    saved: Tree
    env_steps: int

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.saved["run"]["seed"]


def find(patterns: str, unfinished: bool = False) -> list[Run]:
    """Returns the runs that the patterns match, by seed.

    Args:
        patterns: Glob patterns of run folders, by comma.
        unfinished: Takes runs whose newest checkpoint is before their end, and runs with different ends.

    Raises:
        FileNotFoundError: If a pattern matches no folder, or a folder has no checkpoint.
        ValueError: If the runs differ in more than the seed, share a seed, or are not finished.
    """
    runs = sorted((_read(path) for path in match(patterns)), key=lambda run: run.seed)
    first = runs[0]
    for run in runs[1:]:
        if differing := config_lib.differing(identity(first), identity(run)):
            raise ValueError(
                f"{first.logdir} and {run.logdir} are not seeds of one experiment: {'; '.join(differing)}"
            )
    seeds = [run.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise ValueError(
            f"the runs have the seeds {seeds}, but each is to be there once: narrow --logdirs"
        )
    if not unfinished:
        _check_finished(runs)
    return runs


def match(patterns: str, files: bool = False) -> list[pathlib.Path]:
    """Returns the folders, or with `files` .json files too, that match; FileNotFoundError where a pattern matches none."""
    found: set[str] = set()
    for pattern in patterns.split(","):
        paths = [
            path
            for path in glob.glob(os.path.expanduser(pattern))
            if os.path.isdir(path) or (files and path.endswith(".json"))
        ]
        if not paths:
            raise FileNotFoundError(
                f"no folder{' or .json file' if files else ''} matches {pattern!r}"
            )
        found.update(paths)
    return [pathlib.Path(path) for path in sorted(found)]


def command(run: Run) -> str:
    """Returns what made the run, without --seed and --logdir."""
    return run.saved.get("command") or command_lib.of_run(run.saved)


def left_out(runs: list[Run]) -> list[str]:
    """Returns runs of the same experiment beside these that are not among them."""
    beside = {path for run in runs for path in run.logdir.resolve().parent.iterdir()}
    mine = {run.logdir.resolve() for run in runs}
    others = []
    for path in sorted(beside - mine):
        if (path / "config.json").is_file() and not policy.is_policy(path):
            saved = registry.read_config(path)
            if "run" in saved and identity(Run(path, saved, 0)) == identity(runs[0]):
                others.append(path.name)
    return others


def _read(logdir: pathlib.Path) -> Run:
    saved = registry.read_config(logdir)
    if "run" not in saved:
        raise ValueError(f"{logdir} was saved by `agent.save`: it is no training run")
    steps = Checkpoints(logdir / "checkpoints").steps()
    if not steps:
        raise FileNotFoundError(f"{logdir} has no checkpoint yet")
    return Run(logdir, saved, steps[-1])


def identity(run: Run) -> Tree:
    """Returns what all seeds of an experiment share."""
    free = settings.FREE_TO_CHANGE | {"seed"}
    shared = {key: value for key, value in run.saved["run"].items() if key not in free}
    names = ("agent", "preset", "ablate", "spaces")
    # The config comes last: its `agent`, where it has one, says more than the name.
    return shared | {name: run.saved[name] for name in names} | run.saved["config"]


def _check_finished(runs: list[Run]) -> None:
    ends = {run.saved["run"]["env_steps"] for run in runs}
    if len(ends) > 1:
        raise ValueError(
            f"the runs end at different steps ({', '.join(f'{end:,}' for end in sorted(ends))}): train all to one "
            "--env_steps, or give --unfinished"
        )
    (end,) = ends
    early = [
        f"{run.logdir} at {run.env_steps:,}" for run in runs if run.env_steps < end
    ]
    if early:
        raise ValueError(
            f"not finished, of {end:,} steps: {', '.join(early)}. Go on with the runs, or give --unfinished for a "
            "result that says how far they came"
        )
