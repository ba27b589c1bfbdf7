"""Evaluations of several runs: which of them can be played, what came of each, and the means over runs."""

import math
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

import envs
from agents import evaluation, policy, registry, score, settings
from agents.api import Tree
from agents.checkpoint import DamagedError
from envs.errors import EnvError
from launch import curves, finished

# What is wrong with one run, and no reason not to play the others.
OF_ONE_RUN = (DamagedError, EnvError, ImportError, OSError, ValueError)


class Target(NamedTuple):
    """What is to be played.

    Attributes:
        folder: A run's logdir, or a policy's folder.
        label: Agent, preset and ablations; a policy's name.
        group: The number of its experiment: runs that differ in their seed alone share one.
        seed: That of its training.
    """

    folder: pathlib.Path
    label: str
    group: int
    seed: int


class LeftOut(NamedTuple):
    """A run that was not played, and why."""

    folder: pathlib.Path
    why: Exception


def plan(
    folders: Sequence[pathlib.Path],
    env: str = "",
    env_options: str = "",
    agent_options: str = "",
) -> tuple[list[Target], list[LeftOut]]:
    """Sees which of the folders hold something to play; loads no TensorFlow.

    Args:
        folders: Runs and policies.
        env: Another environment for all of them.
        env_options: Options that replace those of the runs.
        agent_options: Settings that replace those of the agents.

    Raises:
        ValueError: On an unknown environment or option: none is to be played then.
    """
    if env:
        envs.check_name(env)
    targets, left_out = [], []
    experiments: list[Tree] = []
    for folder in folders:
        try:
            saved = registry.read_config(folder)
            _check_saved(folder)
            run = evaluation.run_settings(folder, env)
        except OF_ONE_RUN as error:
            left_out.append(LeftOut(folder, error))
            continue
        try:
            settings.with_env_options(run, env_options)
            registry.changed_config(saved, agent_options)
        except ValueError as error:
            raise ValueError(f"{folder}, {run.env}: {error}") from None
        identity = _identity(folder, saved)
        if identity not in experiments:
            experiments.append(identity)
        seed = saved.get("run", saved)["seed"]
        group = experiments.index(identity)
        targets.append(Target(folder, _label(folder), group, seed))
    return targets, left_out


def entry(target: Target, result: Tree) -> Tree:
    """Returns a result of `Evaluator.play` with the run that it is of."""
    run = {"logdir": str(target.folder), "label": target.label}
    return run | {"run_seed": target.seed, "group": target.group} | result


def group_entries(entries: Sequence[Tree]) -> list[Tree]:
    """Returns the mean over runs of each experiment, with Student's t interval; a run counts once, whatever its seeds.

    `interval` is None of one run; `env_steps` are the least and the most at which its runs stand.
    """
    found: dict[int, list[Tree]] = {}
    for each in entries:
        found.setdefault(each["group"], []).append(each)
    summaries = [_summary(members) for members in found.values()]
    named = [(each["env"], each["label"]) for each in summaries]
    for each, members in zip(summaries, found.values(), strict=True):
        if named.count((each["env"], each["label"])) > 1:
            each["label"] += f", {pathlib.Path(members[0]['logdir']).parent}"
    return summaries


def report(
    entries: Sequence[Tree], left_out: Sequence[LeftOut], protocol: Tree
) -> Tree:
    """Returns what is written as JSON: the protocol, an entry per run and seed, the experiments, who made it."""
    return {
        "protocol": protocol | {"human_starts": False},
        "results": list(entries),
        "groups": group_entries(entries),
        "left_out": [
            {"logdir": str(each.folder), "why": str(each.why)} for each in left_out
        ],
        **score.origin(),
    }


def line(result: Tree) -> str:
    """Returns the mean of a result in words."""
    return f"{result['mean']:.2f} ± {result['standard_error']:.2f} (standard error)"


def show(entries: Sequence[Tree], console: Console) -> None:
    """Prints a table of the runs, and one of the experiments where one has several runs or seeds."""
    above, names = _shorten([each["logdir"] for each in entries])
    place = f" in {above}" if above else ""
    first = entries[0]
    table = _table(f"Runs{place}: {first['episodes']:,} episodes each, {first['mode']}")
    for column in ("seed", "step", "mean", "s.e.", "lengths"):
        table.add_column(column, justify="right", no_wrap=True)
    last = ""
    for name, each in zip(names, entries, strict=True):
        table.add_row(
            "" if name == last else name,
            str(each["seed"]),
            f"{each['env_steps']:,}",
            _number(each["mean"]),
            _number(each["standard_error"]),
            _range([min(each["lengths"]), max(each["lengths"])], str),
        )
        last = name
    console.print(table)
    _show_groups(group_entries(entries), console)


def video_path(path: str, target: Target, targets: Sequence[Target]) -> str:
    """Returns where a run's video goes: the path itself of one, else with what tells its folder from the others'."""
    if not path or len(targets) == 1:
        return path
    folders = [each.folder.resolve() for each in targets]
    above = os.path.commonpath(folders)
    own = target.folder.resolve().relative_to(above)
    file = pathlib.Path(path)
    return str(file.with_name("-".join([file.stem, *own.parts]) + file.suffix))


def refuse(left_out: Sequence[LeftOut], played: int) -> None:
    """Raises what says of every run that was left out why; nothing where there is none."""
    if not left_out:
        return
    if len(left_out) == 1 and not played:
        raise left_out[0].why
    many = len(left_out) + played
    lines = "".join(f"\n  {why(each)}" for each in left_out)
    raise ValueError(f"{len(left_out)} of {many} runs could not be evaluated:{lines}")


def why(left_out: LeftOut) -> str:
    """Returns in words why a run was left out."""
    text = str(left_out.why)
    return text if str(left_out.folder) in text else f"{left_out.folder}: {text}"


def _check_saved(folder: pathlib.Path) -> None:
    if not (policy.is_policy(folder) or any((folder / "checkpoints").glob("[0-9]*"))):
        raise FileNotFoundError(
            f"{folder} has no checkpoint yet: its first save is still to come"
        )


def _identity(folder: pathlib.Path, saved: Tree) -> Tree:
    if "run" not in saved:
        return {"folder": str(folder)}
    return finished.identity(finished.Run(folder, saved, 0))


def _label(folder: pathlib.Path) -> str:
    folder = folder.resolve()
    return folder.parent.name if policy.is_policy(folder) else curves.names(folder)[1]


def _summary(members: Sequence[Tree]) -> Tree:
    by_run: dict[str, list[float]] = {}
    for each in members:
        by_run.setdefault(each["logdir"], []).append(each["mean"])
    means = [math.fsum(values) / len(values) for values in by_run.values()]
    steps = [each["env_steps"] for each in members]
    return {
        "env": members[0]["env"],
        "label": members[0]["label"],
        "runs": len(means),
        "seeds": len({each["seed"] for each in members}),
        "episodes": sum(each["episodes"] for each in members),
        "env_steps": [min(steps), max(steps)],
        "mean": round(math.fsum(means) / len(means), 4),
        "interval": score.interval(means),
        "lowest": min(means),
        "highest": max(means),
    }


def _show_groups(groups: Sequence[Tree], console: Console) -> None:
    if all(each["runs"] == each["seeds"] == 1 for each in groups):
        return
    table = _table("Means over runs, with Student's t interval")
    table.add_column("runs", justify="right")
    table.add_column("step", justify="right")
    for column in ("mean", "95 % interval", "range of runs"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in groups:
        interval = each["interval"]
        table.add_row(
            f"{each['env']} {each['label']}",
            str(each["runs"]),
            _range(each["env_steps"], lambda steps: f"{steps:,}"),
            _number(each["mean"]),
            _range(interval, _number) if interval else "one run: none",
            _range([each["lowest"], each["highest"]], _number),
        )
    console.print(table)


def _table(title: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("", overflow="fold", min_width=16)
    return table


def _shorten(folders: Sequence[str]) -> tuple[str, list[str]]:
    """Returns what folders have in common, and the rest of each; ('', folders) where that is nothing."""
    if len(set(folders)) == 1 or len({os.path.isabs(each) for each in folders}) > 1:
        return "", list(folders)
    above = os.path.commonpath(folders)
    return above, [os.path.relpath(each, above or ".") for each in folders]


def _range(ends: Sequence[float], form: Callable[[float], str]) -> str:
    low, high = map(form, ends)
    return low if low == high else f"{low} to {high}"


def _number(value: float) -> str:
    """About five digits."""
    decimals = 2 if abs(value) < 100 else 1 if abs(value) < 1000 else 0
    return f"{value:,.{decimals}f}"
