"""Checkpoints: trees of arrays and numbers on disk, atomic, checksummed, without pickle; and the lock of a logdir.

A saved tree is a folder of three files: `arrays.npz` holds the arrays, `state.json` the tree with a reference in
each array's place, and `manifest.json`, written last, the size and crc32 of the other two.
"""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes  # noqa: F401  (teaches NumPy the name 'bfloat16')
import numpy as np
from absl import logging

from agents.api import Tree

_ARRAYS, _STATE, _MANIFEST = "arrays.npz", "state.json", "manifest.json"
_ARRAY = "__array__"
_TEMPORARY, _DAMAGED = ".tmp-", ".damaged"


class DamagedError(RuntimeError):
    """A file that was saved is missing, cut short or changed; the message names it."""


class LogdirInUse(RuntimeError):
    """Another process that is alive writes to this logdir; the message names its pid."""


def write_error(path: pathlib.Path, error: OSError) -> OSError:
    """Returns an error of the same kind whose message names the path and the room left on its disk."""
    folder = path
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return OSError(
        error.errno or errno.EIO,
        f"cannot write {path}: {error.strerror or error}; its disk has {free / 1e6:,.1f} MB free. "
        "Make room or check quota and permissions, then run the same command again",
    )


def checksum(path: pathlib.Path) -> tuple[int, int]:
    """Returns the size in bytes and the crc32 of a file."""
    crc, size = 0, 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            crc, size = zlib.crc32(block, crc), size + len(block)
    return size, crc


def verify(path: pathlib.Path, size: int, crc32: int) -> None:
    """Raises DamagedError, naming the file, if it is not what was written."""
    try:
        found_size, found_crc32 = checksum(path)
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing") from None
    if found_size != size:
        raise DamagedError(f"{path} has {found_size} bytes, {size} were written")
    if found_crc32 != crc32:
        raise DamagedError(f"{path} was changed: its checksum differs")


def write_tree(folder: str | os.PathLike[str], tree: Tree) -> None:
    """Writes a tree into a new folder; all of it is on disk when this returns.

    Args:
        folder: Made here; must not exist.
        tree: Nested dicts with string keys; leaves are arrays, numbers, strings, bools, None, or lists of
            such. Tuples come back as lists.

    Raises:
        TypeError: If a leaf is anything else, naming its place.
    """
    arrays: dict[str, np.ndarray] = {}
    state = json.dumps(_pack(tree, "", arrays))
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    with open(folder / _ARRAYS, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    (folder / _STATE).write_text(state)
    files = {}
    for name in (_ARRAYS, _STATE):
        size, crc32 = checksum(folder / name)
        files[name] = {"size": size, "crc32": crc32}
        sync(folder / name)
    (folder / _MANIFEST).write_text(json.dumps({"format": 1, "files": files}))
    sync(folder / _MANIFEST)
    sync(folder)


def read_tree(folder: str | os.PathLike[str]) -> Tree:
    """Inverts `write_tree`; raises DamagedError naming what is missing, cut short or changed."""
    folder = pathlib.Path(folder)
    _verify_tree(folder, (_ARRAYS, _STATE))
    with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
        return _unpack(json.loads((folder / _STATE).read_text()), arrays)


def sync(path: pathlib.Path) -> None:
    """Returns when the file or folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Checkpoints:
    """The saves of one run, one folder per save, named by step so that clocks do not matter.

    They are found by looking at the folder: no other file points at them. A second save at the same step is named
    STEP.1, and so on; it replaces the first once it is whole.

    Args:
        folder: Where saves lie; made at the first save. One process at a time writes to it (see `lock`).
        keep: Saves kept.
        report: Takes a line that says what was found damaged.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        keep: int = 3,
        report: Callable[[str], None] | None = None,
    ) -> None:
        if keep < 1:
            raise ValueError(f"keep={keep}: keep at least one checkpoint")
        self.folder = pathlib.Path(folder)
        self.keep = keep
        self._report = report or (lambda line: logging.warning("%s", line))

    def save(self, step: int, tree: Tree) -> pathlib.Path:
        """Saves a tree and removes saves beyond `keep`; whenever it is interrupted, the earlier ones are whole.

        Raises:
            OSError: If it cannot be written; names the path and the room left. Nothing of it stays.
        """
        path = self._free_path(step)
        temporary = self.folder / f"{_TEMPORARY}{path.name}"
        try:
            self._clean()
            write_tree(temporary, tree)
            temporary.rename(path)
            sync(self.folder)
        except BaseException as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if isinstance(error, OSError):
                raise write_error(path, error) from error
            raise
        self._prune()
        return path

    def steps(self) -> list[int]:
        """Returns the steps that have a save, oldest first."""
        return sorted({_order(path)[0] for path in self._paths()})

    def restore(
        self, apply: Callable[[Tree], None], step: int | None = None
    ) -> int | None:
        """Applies the newest save that is whole and returns its step; None when there is none at all.

        A damaged one is reported in one line, kept aside under the name NAME.damaged, and the one before is tried.

        Args:
            apply: Takes the tree; may raise DamagedError as well, for files that the tree names.
            step: Which save, and no other, of `steps`; None: the newest.

        Raises:
            DamagedError: If there were saves and all are damaged, or the one that is asked for is.
            ValueError: If there is no save of that step; lists those there are.
        """
        if step is not None:
            there = [path for path in self._paths() if _order(path)[0] == step]
            if not there:
                steps = ", ".join(map(str, self.steps())) or "none"
                raise ValueError(
                    f"step={step} came, but {self.folder} has saves of these steps: {steps}"
                )
            apply(read_tree(there[-1]))
            return step
        for path in reversed(self._paths()):
            try:
                apply(read_tree(path))
            except DamagedError as error:
                self._set_aside(path, error)
            else:
                return _order(path)[0]
        if self.folder.is_dir() and any(self.folder.glob("*" + _DAMAGED)):
            raise DamagedError(
                f"every checkpoint in {self.folder} is damaged (kept aside as *{_DAMAGED}): nothing is left to "
                "go on from. Use a new logdir, or start over in this one with --fresh"
            )
        return None

    def trees_kept(self) -> Iterator[Tree]:
        """Yields the trees of the saves kept, oldest first, each with None in the place of arrays.

        A damaged one is passed over: `restore` could not use it.
        """
        for path in self._paths():
            try:
                _verify_tree(path, (_STATE,))
            except DamagedError:
                continue
            yield _unpack(json.loads((path / _STATE).read_text()), None)

    def _paths(self) -> list[pathlib.Path]:
        if not self.folder.is_dir():
            return []
        saves = [path for path in self.folder.iterdir() if _is_name(path.name)]
        return sorted(saves, key=_order)

    def _free_path(self, step: int) -> pathlib.Path:
        taken = [_order(path)[1] for path in self._paths() if _order(path)[0] == step]
        name = f"{step:012d}"
        return self.folder / (f"{name}.{taken[-1] + 1}" if taken else name)

    def _prune(self) -> None:
        last = {_order(path)[0]: path for path in self._paths()}
        kept = [last[step] for step in sorted(last)[-self.keep :]]
        for path in self._paths():
            if path not in kept:
                # Renamed first: a save that is half removed must not look like a damaged one.
                path.rename(self.folder / f"{_TEMPORARY}{path.name}")
        self._clean()

    def _clean(self) -> None:
        if self.folder.is_dir():
            for path in self.folder.glob(_TEMPORARY + "*"):
                shutil.rmtree(path, ignore_errors=True)

    def _set_aside(self, path: pathlib.Path, error: DamagedError) -> None:
        aside = path.with_name(path.name + _DAMAGED)
        self._report(
            f"checkpoint {path.name} is damaged: {error}; kept aside as {aside.name}, trying the one before"
        )
        with contextlib.suppress(OSError):  # a logdir that is only read stays as it is
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)


class Lock:
    """Holds LOGDIR/lock for this process until `release`; the system lets go of it when the process dies."""

    def __init__(self, logdir: str | os.PathLike[str]) -> None:
        path = pathlib.Path(logdir) / "lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "a+")  # noqa: SIM115  (open for as long as the lock is held)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            pid = self._file.read().strip() or "unknown"
            self._file.close()
            raise LogdirInUse(
                f"{path.parent} is in use by the process {pid}. Wait for it, stop it, or take another --logdir"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Lets others have the logdir; may be called twice."""
        self._file.close()

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def lock(logdir: str | os.PathLike[str]) -> Lock:
    """Takes the logdir for this process; raises LogdirInUse, naming the pid, where another one has it."""
    return Lock(logdir)


def _order(path: pathlib.Path) -> tuple[int, int]:
    step, _, revision = path.name.partition(".")
    return int(step), int(revision or 0)


def _is_name(name: str) -> bool:
    step, dot, revision = name.partition(".")
    return step.isdigit() and (revision.isdigit() if dot else True)


def _verify_tree(folder: pathlib.Path, names: tuple[str, ...]) -> None:
    path = folder / _MANIFEST
    try:
        files = json.loads(path.read_bytes())["files"]
        wanted = {name: (files[name]["size"], files[name]["crc32"]) for name in names}
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing") from None
    except (ValueError, KeyError, TypeError):
        raise DamagedError(f"{path} is empty or was changed") from None
    for name in names:
        verify(folder / name, *wanted[name])


def _pack(tree: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(tree, dict):
        for key in tree:
            if not isinstance(key, str) or key == _ARRAY:
                raise TypeError(
                    f"the tree has the key {key!r} at '{place}'; expected a string other than {_ARRAY!r}"
                )
        return {
            key: _pack(value, f"{place}/{key}", arrays) for key, value in tree.items()
        }
    if isinstance(tree, list | tuple):
        return [_pack(value, f"{place}/{i}", arrays) for i, value in enumerate(tree)]
    if isinstance(tree, np.ndarray) and _is_plain(tree.dtype):
        # The number keeps names apart; archives allow few characters.
        name = f"{len(arrays)}{re.sub('[^a-zA-Z0-9_/]', '_', place)}"
        arrays[name] = tree
        return {_ARRAY: name, "dtype": tree.dtype.name}
    if isinstance(tree, np.generic):
        return tree.item()
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(
        f"the tree has a {type(tree).__name__} at '{place}'; expected an array of numbers, a number, a string, "
        "a bool, None, a list or a dict"
    )


def _is_plain(dtype: np.dtype) -> bool:
    return not dtype.hasobject and dtype.names is None


def _unpack(tree: Any, arrays: Any) -> Any:
    if isinstance(tree, list):
        return [_unpack(value, arrays) for value in tree]
    if not isinstance(tree, dict):
        return tree
    if _ARRAY not in tree:
        return {key: _unpack(value, arrays) for key, value in tree.items()}
    if arrays is None:
        return None
    array = arrays[tree[_ARRAY]]
    # Files know bfloat16 only as two raw bytes.
    return array.view(np.dtype(tree["dtype"])) if array.dtype.kind == "V" else array
