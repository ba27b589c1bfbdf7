"""Rows of guarded environments in this process."""

import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Protocol

import numpy as np

from envs.api import NativeSpaces, Spaces
from envs.guard import Arrival, GuardedEnv

RowFactory = Callable[[int], GuardedEnv]  # row index -> environment


class Pool(Protocol):
    """B guarded environments, reset and stepped row by row."""

    spaces: Spaces
    native: NativeSpaces

    def reset(self, seeds: list[int | None]) -> list[Arrival]:
        """Resets every row; None lets the row's streams go on."""

    def step(self, action: np.ndarray, reset_mask: np.ndarray) -> list[Arrival]:
        """Steps every row with action [B, ...], or resets it where reset_mask [B] is set."""

    def render(self) -> np.ndarray | None:
        """Returns a picture of row 0."""

    def close(self) -> None:
        """Frees everything; may be called twice."""


class SyncPool:
    """Steps the rows one after another in this process: no overhead, debuggers work.

    An environment that hangs cannot be interrupted from within its own process. After `timeout_s` a
    watchdog thread only says so on stderr, with the row, the step, the last action and where the code
    stands; `parallel="process"` ends such a run with an EnvError.

    Args:
        factory: Makes the row of an index.
        num_envs: B.
        timeout_s: Seconds a call may take before the watchdog speaks.
    """

    def __init__(self, factory: RowFactory, num_envs: int, timeout_s: float):
        self._rows = [factory(index) for index in range(num_envs)]
        self.spaces, self.native = self._rows[0].spaces, self._rows[0].native
        self._watchdog = Watchdog(timeout_s)

    def reset(self, seeds: list[int | None]) -> list[Arrival]:
        return [
            self._reset(row, seed) for row, seed in zip(self._rows, seeds, strict=True)
        ]

    def step(self, action: np.ndarray, reset_mask: np.ndarray) -> list[Arrival]:
        return [
            self._reset(row, None) if reset else self._step(row, row_action)
            for row, row_action, reset in zip(
                self._rows, action, reset_mask, strict=True
            )
        ]

    def render(self) -> np.ndarray | None:
        return self._rows[0].render()

    def close(self) -> None:
        rows, self._rows = self._rows, []
        self._watchdog.stop()
        for row in rows:
            row.close()

    def _reset(self, row: GuardedEnv, seed: int | None) -> Arrival:
        with self._watchdog.watching(row):
            return row.reset(seed)

    def _step(self, row: GuardedEnv, action: np.ndarray) -> Arrival:
        with self._watchdog.watching(row):
            return row.step(action)


class Watchdog:
    """A thread that reports on stderr, once per call, when a call takes longer than timeout_s."""

    def __init__(self, timeout_s: float):
        self._timeout_s = timeout_s
        self._call: tuple[float, int, GuardedEnv] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="env-watchdog", daemon=True
        )
        self._thread.start()

    def watching(self, row: GuardedEnv) -> "Watchdog":
        """Returns a context in which the row is watched."""
        self._call = (time.monotonic(), threading.get_ident(), row)
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._call = None

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        reported = None
        while not self._stopped.wait(min(1.0, self._timeout_s / 4)):
            call = self._call
            if call is None or call is reported:
                continue
            if time.monotonic() - call[0] > self._timeout_s:
                reported = call
                self._report(call[1], call[2])

    def _report(self, thread: int, row: GuardedEnv) -> None:
        frame = sys._current_frames().get(thread)
        stack = "".join(traceback.format_stack(frame)) if frame else ""
        print(
            f"{row.where()}: no answer for {self._timeout_s:g} s. It runs in this process and cannot be "
            f"interrupted; parallel='process' would end it with an error. It stands here:\n{stack}",
            file=sys.stderr,
            flush=True,
        )
