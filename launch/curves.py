"""Learning curves as they lie on disk: of runs, of score files, and as published."""

import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents import policy, score
from agents.checkpoint import DamagedError
from agents.logger import read_metrics

X_LABELS = {
    "env_steps": "environment steps",
    "frames": "frames",
    "updates": "updates",
    "time": "hours",
    "games": "games",
}
_STEPS = ("env_steps", "frames")


class Curve(NamedTuple):
    """x [N] and y [N] of one seed."""

    x: np.ndarray
    y: np.ndarray


@dataclasses.dataclass
class Panel:
    """What one picture shows.

    Attributes:
        env: The environment, the picture's title.
        groups: Label -> the curves of its seeds.
        levels: Name -> height of a dashed line.
        published: Label -> the curve that others published.
    """

    env: str
    groups: dict[str, list[Curve]] = dataclasses.field(default_factory=dict)
    levels: dict[str, float] = dataclasses.field(default_factory=dict)
    published: dict[str, Curve] = dataclasses.field(default_factory=dict)


def panels(
    logdirs: Sequence[str | os.PathLike],
    scores: Sequence[str | os.PathLike],
    key: str,
    x: str,
    published: bool,
) -> list[Panel]:
    """Reads runs and score files; returns a panel per environment, sorted by its name.

    Args:
        logdirs: Run folders, each with a metrics.jsonl.
        scores: score.json files, or folders with one.
        key: The scalar to draw; score files hold only 'return'.
        x: 'frames', 'env_steps', 'updates' or 'time'; score files have steps only.
        published: Whether to add published curves of the same environments.

    Raises:
        FileNotFoundError: If no folder has a metrics.jsonl, or there is no such score file.
        DamagedError: If a score file is damaged, naming file and key.
        ValueError: If no record has the key, or `key` or `x` cannot be drawn.
    """
    if x not in X_LABELS:
        raise ValueError(f"Unknown x {x!r}; expected one of {', '.join(X_LABELS)}.")
    if not logdirs and not scores:
        raise FileNotFoundError("No run folders and no score files were given.")
    found: dict[str, Panel] = {}
    if logdirs:
        _add_runs(found, logdirs, key, x)
    for path in scores:
        _add_score(found, path, key, x)
    if published and key == "return" and x in _STEPS:
        for panel in found.values():
            panel.published = read_published(panel.env, x, _furthest(panel))
    return [found[plain] for plain in sorted(found, key=lambda name: found[name].env)]


def read_run(path: Path, key: str, x: str) -> Curve | None:
    """Returns the curve of a metrics.jsonl; None where no record has the key."""
    if x not in X_LABELS:
        raise ValueError(f"Unknown x {x!r}; expected one of {', '.join(X_LABELS)}.")
    return of_records(read_metrics(path), key, x)


def of_records(records: Sequence[Mapping], key: str, x: str) -> Curve | None:
    """Returns the curve of the records that have `key` and `x`; None where there are none."""
    scale = 1 / 3600 if x == "time" else 1
    there = [r for r in records if r.get(key) is not None and r.get(x) is not None]
    if not there:
        return None
    return Curve(
        np.array([record[x] * scale for record in there]),
        np.array([record[key] for record in there], float),
    )


def no_key(paths: Sequence[Path], key: str, x: str) -> str:
    """Says that no record has a key, or none over `x`, and which there are."""
    keys = sorted({key for path in paths for r in read_metrics(path) for key in r})
    there = ", ".join(keys) if keys else "nothing yet"
    wanted = f"both {key!r} and {x!r}" if key in keys else f"a value of {key!r}"
    return f"No record in {len(paths)} metrics.jsonl has {wanted}; there is: {there}."


def read_published(env: str, x: str, until: float) -> dict[str, Curve]:
    """Returns label -> published curve of an environment, up to the first point past `until`; often empty."""
    path = policy.SCORES / "published.json"
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        raise DamagedError(f"{path} is missing or damaged: install again") from None
    found = {}
    for result in content["results"]:
        if _plain(result["env"]) == _plain(env):
            curve = _published_curve(result, x)
            last = int(np.searchsorted(curve.x, until))
            label = f"{content['label']} ({result['seeds']} seeds)"
            found[label] = Curve(curve.x[: last + 1], curve.y[: last + 1])
    return found


def _published_curve(result: dict, x: str) -> Curve:
    frames, returns = np.array(result["curve"], float).T
    return Curve(
        frames / (result["frames_per_step"] if x == "env_steps" else 1), returns
    )


def _add_runs(
    found: dict[str, Panel], logdirs: Sequence[str | os.PathLike], key: str, x: str
) -> None:
    paths = [Path(logdir) / "metrics.jsonl" for logdir in logdirs]
    there = [path for path in paths if path.exists()]
    if not there:
        raise FileNotFoundError(
            f"None of the {len(paths)} folders has a metrics.jsonl, for example {paths[0].parent}."
        )
    for path in there:
        curve = read_run(path, key, x)
        if curve is not None:
            env, label = names(path.parent)
            _panel(found, env).groups.setdefault(label, []).append(curve)
    if not found:
        raise ValueError(no_key(there, key, x))


def _add_score(
    found: dict[str, Panel], path: str | os.PathLike, key: str, x: str
) -> None:
    if key != "return" or x not in _STEPS:
        raise ValueError(
            f"score files hold the return over steps, not {key!r} over {x!r}: draw the runs with --logdirs"
        )
    content = score.read(path)
    if "table" in content:
        raise ValueError(
            f"{path} holds a table, which has no curves; its picture lies beside it"
        )
    panel = _panel(found, content["env"])
    scale = content["frames_per_step"] if x == "frames" else 1
    curves = [_score_curve(seed["curve"], scale) for seed in content["seeds"]]
    label = content["name"]
    panel.groups.setdefault(label, []).extend(curve for curve in curves if len(curve.x))
    for name in ("random", "bar"):
        if content[name] is not None:
            panel.levels[f"{name} {content[name]:g}"] = content[name]


def _score_curve(points: list[list[float]], scale: float) -> Curve:
    steps, returns = np.array(points, float).reshape(-1, 2).T
    return Curve(steps * scale, returns)


def _panel(found: dict[str, Panel], env: str) -> Panel:
    return found.setdefault(_plain(env), Panel(env))


def names(logdir: Path) -> tuple[str, str]:
    """Returns (env, label) of a run: from config.json, else from runs/<agent>/<env>/<preset>/seed<N>, else ('', folder name).

    Models on data have no environment; the folders between the model's and the seed's are their label.
    """
    logdir = logdir.resolve()
    is_seed = logdir.name.startswith("seed")
    saved = config(logdir)
    if "model" in saved:
        return saved["model"], _between(logdir, saved["model"]) or logdir.name
    if "env" in saved.get("run", {}):
        variants = saved.get("variants", saved.get("ablate", []))
        variant = " ".join([saved["preset"] or "default", *variants])
        label = f"{saved['agent']} {variant}" if is_seed else logdir.name
        return saved["run"]["env"], label
    if is_seed and len(logdir.parts) > 4:
        agent, env, preset = logdir.parts[-4:-1]
        return env, f"{agent} {preset}"
    return "", logdir.name


def _between(logdir: Path, model: str) -> str:
    """'straight_through/lr0.001' of runs/<model>/straight_through/lr0.001/seed0; else ''."""
    *above, name = logdir.parts
    if not name.startswith("seed") or model not in above:
        return ""
    first = len(above) - above[::-1].index(model)
    return "/".join(above[first:])


def config(logdir: Path) -> dict:
    """Returns config.json of a run; {} where it is missing or damaged: the folder's names still say what it is."""
    try:
        saved = json.loads((logdir / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return saved if isinstance(saved, dict) else {}


def _furthest(panel: Panel) -> float:
    curves = [curve for group in panel.groups.values() for curve in group]
    return max((curve.x[-1] for curve in curves), default=0.0)


def _plain(name: str) -> str:
    """'atari:Pong', 'atari-Pong' and 'atari:pong' are one environment."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
