"""Results of `python -m launch.evaluate --json`, read for reports: of one run, or of many with the means of experiments."""

import glob
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agents.checkpoint import DamagedError

_ENTRY = {"env": str, "env_steps": int, "episodes": int, "mean": (int, float)}
_ENTRY |= {"mode": str, "returns": list, "standard_error": (int, float)}
_GROUP = {"env": str, "label": str, "runs": int, "mean": (int, float)}
_GROUP |= {"interval": (list, type(None)), "lowest": (int, float), "highest": (int, float)}  # fmt: skip


class Evaluations(NamedTuple):
    """What a file holds.

    Attributes:
        path: The file.
        entries: An evaluation of one run with one seed each.
        groups: Means over runs.
    """

    path: Path
    entries: list[dict[str, Any]]
    groups: list[dict[str, Any]]


def find(patterns: str) -> list[Evaluations]:
    """Reads the files that match.

    Raises:
        ValueError: If a pattern is empty, or a file is of something else.
        FileNotFoundError: If a pattern matches nothing.
        DamagedError: If a file is no JSON.
    """
    found = []
    for pattern in patterns.split(","):
        paths = sorted(glob.glob(os.path.expanduser(pattern.strip())))
        if not paths:
            raise FileNotFoundError(
                f"nothing matches {pattern!r}: expected files of python -m launch.evaluate --json=FILE"
            )
        found += [_read(Path(path)) for path in paths]
    return found


def parse(path: Path, content: Any) -> Evaluations | None:
    """Returns what a JSON value holds; None where it is of something else."""
    if not isinstance(content, dict):
        return None
    if _has(content, _ENTRY):
        return Evaluations(path, [content], [])
    entries, groups = content.get("results"), content.get("groups")
    if not (isinstance(entries, list) and isinstance(groups, list) and entries):
        return None
    whole = all(_has(each, _ENTRY) for each in entries)
    whole &= all(_has(each, _GROUP) for each in groups)
    return Evaluations(path, entries, groups) if whole else None


def _read(path: Path) -> Evaluations:
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise DamagedError(
            f"{path} is damaged: it is no JSON ({error}). Evaluate again, or leave it out of --evaluations"
        ) from None
    found = parse(path, content)
    if found is None:
        raise ValueError(
            f"{path} is no result of python -m launch.evaluate --json: leave it out of --evaluations"
        )
    return found


def _has(content: Any, kinds: Mapping[str, Any]) -> bool:
    return isinstance(content, dict) and all(
        isinstance(content.get(key), kind) for key, kind in kinds.items()
    )
