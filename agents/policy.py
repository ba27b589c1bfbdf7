"""Policies: saved folders with only what acting and dreaming need, small enough to ship; and where shipped ones lie.

A policy is a folder with `config.json` and `weights/`, a checksummed tree as checkpoints are. Its weights are stored in
bfloat16, which halves them at 8 bits of precision, and come back as float32. Shipped ones lie in
`scores/AGENT/NAME/policy`, which the source tree links to from inside this package and a wheel holds there.
"""

import os
import pathlib
import shutil
from typing import Any

import ml_dtypes
import numpy as np

from agents import config as config_lib
from agents.api import Tree
from agents.checkpoint import DamagedError, read_tree, write_error, write_tree

SCORES = pathlib.Path(__file__).parent / "scores"
MAX_BYTES = 3_000_000
_WEIGHTS = "weights"


def shipped() -> list[str]:
    """Returns the names of the shipped policies, as 'dreamerv2/catch'."""
    found = SCORES.glob(f"*/*/policy/{_WEIGHTS}")
    return sorted("/".join(path.parts[-4:-2]) for path in found)


def locate(name: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the folder of a shipped policy, or the path itself where it is none's name.

    Raises:
        FileNotFoundError: If there is no such folder and it reads like AGENT/NAME; lists the policies shipped.
    """
    path = pathlib.Path(name)
    names = shipped()
    if path.exists() or path.is_absolute() or len(path.parts) != 2:
        return path
    if path.as_posix() not in names:
        raise FileNotFoundError(
            f"there is neither a folder {path} nor a shipped policy {config_lib.near(path.as_posix(), names)}"
        )
    return SCORES / path / "policy"


def find(name: str) -> pathlib.Path:
    """Returns the folder of a shipped policy; ValueError on an unknown name, with the list."""
    if name not in shipped():
        raise ValueError(f"unknown policy {config_lib.near(name, shipped())}")
    return SCORES / name / "policy"


def is_policy(folder: pathlib.Path) -> bool:
    """Whether the folder holds a policy, not a run."""
    return (folder / _WEIGHTS).is_dir()


def read(folder: pathlib.Path) -> Tree:
    """Returns the agent's state, weights as float32; raises DamagedError naming the file."""
    try:
        return _map_arrays(read_tree(folder / _WEIGHTS), _to_float32)
    except DamagedError as error:
        raise DamagedError(
            f"the policy in {folder} is damaged: {error}. Get its folder again, or install again"
        ) from None


def write(folder: pathlib.Path, state: Tree) -> int:
    """Writes the weights of a policy into its folder, in the place of older ones.

    Returns:
        Their size in bytes.

    Raises:
        ValueError: If they take more than `MAX_BYTES`; nothing stays.
    """
    target, draft = folder / _WEIGHTS, folder / f".{_WEIGHTS}"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        write_tree(draft, _map_arrays(state, _to_bfloat16))
        size = sum(path.stat().st_size for path in draft.iterdir())
        if size > MAX_BYTES:
            raise ValueError(
                f"the policy has {size / 1e6:.1f} MB, but at most {MAX_BYTES / 1e6:.0f} MB are shipped: "
                "share the run's folder instead, or the command that makes it"
            )
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return size


def _map_arrays(tree: Any, change: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _map_arrays(value, change) for key, value in tree.items()}
    return change(tree) if isinstance(tree, np.ndarray) else tree


def _to_bfloat16(array: np.ndarray) -> np.ndarray:
    return array.astype(ml_dtypes.bfloat16) if array.dtype == np.float32 else array


def _to_float32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array
