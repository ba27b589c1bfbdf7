"""score.json: one result with everything needed to judge and to repeat it."""

import json
import math
import os
import pathlib
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from agents.checkpoint import DamagedError
from agents.logger import read_metrics

_VERSIONS = (
    "tensorflow",
    "keras",
    "tensorflow-probability",
    "numpy",
    "gymnasium",
    "ale-py",
    "MinAtar",
    "minigrid",
    "dm-control",
    "mujoco",
    "crafter",
    "popgym",
    "pettingzoo",
)

# What a file must hold; a tuple of kinds. The rest (bounds, settings) may be missing.
_NUMBER, _MAYBE = (int, float), (int, float, type(None))
_KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "agent": (str,),
    "env": (str,),
    "preset": (str,),
    "frames_per_step": _NUMBER,
    "command": (str,),
    "commit": (str,),
    "versions": (dict,),
    "hardware": (str,),
    "wall_hours": _MAYBE,
    "cpu_hours": _MAYBE,
    "seeds": (list,),
    "mean": _NUMBER,
    "random": _MAYBE,
    "bar": _MAYBE,
    "met": (bool, type(None)),
    "notes": (str,),
}
_TABLE_KINDS: dict[str, tuple[type, ...]] = {
    key: _KINDS[key]
    for key in ("name", "agent", "env", "command", "commit", "versions", "hardware")
} | {"table": (dict,), "reference": (dict,)}
_SEED_KINDS: dict[str, tuple[type, ...]] = {
    "seed": (int,),
    "env_steps": (int,),
    "curve": (list,),
    "final": _NUMBER,
}


def seed_result(
    logdir: str | os.PathLike[str], evaluation: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns one seed's entry: its curve from metrics.jsonl, and the final score.

    Args:
        logdir: The run.
        evaluation: What `agents.evaluate` returned for it.
    """
    path = pathlib.Path(logdir)
    run = json.loads((path / "config.json").read_text())["run"]
    rows = _rows(path)
    curve = [
        [row["env_steps"], round(row["return"], 4)]
        for row in rows
        if row.get("return") is not None
    ]
    return {
        "seed": run["seed"],
        "env_steps": evaluation["env_steps"],
        "hours": _hours(rows[-1].get("time")),
        "cpu_hours": _hours(rows[-1].get("cpu_time")),
        "curve": curve,
        "final": evaluation["mean"],
        "standard_error": evaluation["standard_error"],
    }


def score(
    name: str,
    logdir: str | os.PathLike[str],
    command: str,
    seeds: Sequence[Mapping[str, Any]],
    *,
    random: float,
    bar: float | None,
    notes: str = "",
    **more: Any,
) -> dict[str, Any]:
    """Returns the content of score.json.

    Args:
        name: The result's name.
        logdir: A run of it, for what was run.
        command: What produced it; without --seed where there are several.
        seeds: `seed_result` of every seed started.
        random: Return of a random policy.
        bar: What was asked for; None where nothing was.
        notes: What a reader should know.
        **more: Further fields.
    """
    path = pathlib.Path(logdir)
    saved = json.loads((path / "config.json").read_text())
    last = _rows(path)[-1]
    finals = [seed["final"] for seed in seeds]
    mean = sum(finals) / len(finals)
    return {
        "name": name,
        "agent": saved["agent"],
        "env": saved["run"]["env"],
        "preset": saved["preset"],
        "ablate": saved.get("ablate", []),
        "config": saved["config"],
        "frames_per_step": last["frames"] // last["env_steps"],
        "command": command,
        **_origin(saved),
        "wall_hours": _total(seeds, "hours"),
        "cpu_hours": _total(seeds, "cpu_hours"),
        "seeds": list(seeds),
        "mean": round(mean, 4),
        "interval": interval(finals),
        "random": random,
        "bar": bar,
        "met": None if bar is None else mean >= bar,
        "notes": notes,
    } | more


def interval(finals: Sequence[float]) -> list[float] | None:
    """Returns the 95 % interval of the mean over seeds by Student's t; None of one seed.

    mean -+ t s / sqrt(n),   t the 0.975 quantile with n - 1 degrees of freedom, s the sample's deviation
    """
    n = len(finals)
    if n < 2:
        return None
    mean = sum(finals) / n
    deviation = math.sqrt(sum((x - mean) ** 2 for x in finals) / (n - 1))
    # Imported here: reading and plotting scores needs no TensorFlow.
    from tensorflow_probability import distributions as tfd

    student = tfd.StudentT(df=np.float64(n - 1), loc=0.0, scale=1.0)
    half = float(student.quantile(0.975)) * deviation / math.sqrt(n)
    return [round(mean - half, 4), round(mean + half, 4)]


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads and checks a score.json, or the one of a folder; a table has `table` and `reference` in place of seeds.

    Raises:
        FileNotFoundError: If there is none.
        DamagedError: If it is no JSON, or a key is missing or holds another kind of value; names both.
    """
    path = pathlib.Path(path)
    path = path / "score.json" if path.is_dir() else path
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no score file {path}") from None
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: it is no JSON ({error})") from None
    if isinstance(content, dict) and "table" in content:
        _check(path, content, _TABLE_KINDS)
        return content
    _check(path, content, _KINDS)
    if not content["seeds"]:
        raise DamagedError(f"{path} is damaged: 'seeds' is empty")
    for i, seed in enumerate(content["seeds"]):
        _check(path, seed, _SEED_KINDS, f"seeds[{i}].")
        if not all(_is_point(point) for point in seed["curve"]):
            raise DamagedError(
                f"{path} is damaged: 'seeds[{i}].curve' holds something else than pairs [env_steps, return]"
            )
    return content


def write(path: pathlib.Path, content: Mapping[str, Any]) -> None:
    """Writes a score.json; the points of its curves stand on one line each."""
    text = json.dumps(content, indent=2, allow_nan=False)
    for seed in content["seeds"]:
        for point in seed["curve"]:
            spread = json.dumps(point, indent=2).replace("\n", "\n" + " " * 8)
            text = text.replace(spread, json.dumps(point))
    path.write_text(text + "\n")


def origin(earlier: str = "") -> dict[str, Any]:
    """Returns what a result was made with: commit, versions, hardware.

    Args:
        earlier: The commits under which a resumed run went before, by comma.
    """
    before, now = [part for part in earlier.split(", ") if part], commit()
    commits = before if now in before else [*before, now]
    return {
        "commit": ", ".join(filter(None, commits)),
        "versions": versions(),
        "hardware": hardware(),
    }


def commit() -> str:
    """Returns the commit of the source tree, with '+' if it has changes; '' without git."""
    folder = pathlib.Path(__file__).parent
    outputs = []
    for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"]):
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=folder, capture_output=True, text=True
            )
        except OSError:
            return ""
        if done.returncode:
            return ""
        outputs.append(done.stdout.strip())
    return outputs[0] + ("+" if outputs[1] else "")


def versions() -> dict[str, str]:
    """Returns the versions of Python and of what the result depends on."""
    found = {"python": platform.python_version()}
    for name in _VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> str:
    """Returns the processor's name, its units that matter, and the number of usable cores."""
    name, units = platform.processor() or platform.machine(), ""
    path = pathlib.Path("/proc/cpuinfo")
    if path.exists():
        lines = [line.partition(":") for line in path.read_text().splitlines()]
        fields = {key.strip(): value.strip() for key, _, value in lines}
        name = fields.get("model name", name)
        wanted = ("avx512f", "avx512_bf16", "amx_bf16")
        flags = fields.get("flags", "").split()
        units = "".join(f" {unit}" for unit in wanted if unit in flags)
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return f"{cores} cores, {name}{units}"


def _origin(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What the run was made with; what makes the score where an older run does not say."""
    found = {key: saved.get(key, value) for key, value in origin().items()}
    if "device" in saved:
        found["hardware"] += f", {saved['device']}"
    return found


def _rows(logdir: pathlib.Path) -> list[dict[str, Any]]:
    path = logdir / "metrics.jsonl"
    rows = read_metrics(path) if path.exists() else []
    if not rows:
        raise DamagedError(f"{path} is missing or empty: the run has no curve to show")
    return rows


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 3600, 3)


def _total(seeds: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """The sum over seeds; None where one does not know."""
    values = [seed[key] for seed in seeds]
    return None if None in values else round(sum(values), 3)


def _check(
    path: pathlib.Path,
    content: Any,
    kinds: Mapping[str, tuple[type, ...]],
    place: str = "",
) -> None:
    if not isinstance(content, dict):
        raise DamagedError(
            f"{path} is damaged: {place.rstrip('.') or 'the file'} holds a {type(content).__name__}, not an object"
        )
    for key, kind in kinds.items():
        if key not in content:
            raise DamagedError(f"{path} is damaged: '{place}{key}' is missing")
        value = content[key]
        wrong = isinstance(value, bool) and bool not in kind
        if wrong or not isinstance(value, kind):
            wanted = " or ".join(part.__name__ for part in kind)
            raise DamagedError(
                f"{path} is damaged: '{place}{key}' is {value!r:.60}, expected {wanted}"
            )


def _is_point(point: Any) -> bool:
    return (
        isinstance(point, list)
        and len(point) == 2
        and all(type(value) in (int, float) for value in point)
    )
