"""Rows of guarded environments, each in a process of its own."""

import contextlib
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

import cloudpickle
import numpy as np

from envs.api import NativeSpaces, Spaces
from envs.errors import EnvError, MissingError
from envs.guard import Arrival
from envs.pool import RowFactory

START_S = 60  # seconds for imports and the constructor, added to the timeout
EXIT_S = 1  # seconds a worker gets to close its environment


class ProcessPool:
    """Steps the rows at the same time, one worker process each.

    Workers are fresh interpreters that import only what their environment needs: nothing of the
    parent is forked, and its `__main__` does not run again. A worker that dies or gives no answer
    ends the whole pool with an EnvError; no process is left.

    Args:
        factory: Makes the row of an index; it travels by cloudpickle.
        num_envs: B.
        timeout_s: Seconds a reset or step may take.

    Raises:
        EnvError: From every method, naming the row.
        MissingError: If something that the environment needs is not installed.
        ValueError: If the environment's spaces are not supported.
    """

    def __init__(self, factory: RowFactory, num_envs: int, timeout_s: float):
        self._timeout_s = timeout_s
        self._last: list[str] = ["its constructor"] * num_envs
        self._steps = 0
        self._workers: list[_Worker] = []
        pickled = _pickle(factory)
        self._workers = [_Worker() for _ in range(num_envs)]
        calls = [("make", pickled, index) for index in range(num_envs)]
        made = self._call_all(calls, timeout_s + START_S)[0]
        self.spaces: Spaces = made[0]
        self.native: NativeSpaces = made[1]

    def reset(self, seeds: list[int | None]) -> list[Arrival]:
        self._last = ["reset"] * len(seeds)
        return self._call_all([("reset", seed) for seed in seeds], self._timeout_s)

    def step(self, action: np.ndarray, reset_mask: np.ndarray) -> list[Arrival]:
        self._steps += 1
        calls: list[tuple] = []
        for row, reset in enumerate(reset_mask):
            calls.append(("reset", None) if reset else ("step", action[row]))
            self._last[row] = "reset" if reset else f"action {action[row]}"
        return self._call_all(calls, self._timeout_s)

    def render(self) -> np.ndarray | None:
        return self._call_all([("render",)], self._timeout_s)[0]

    def close(self) -> None:
        """Ends every worker, in about a second at most."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.ask_to_close()
        deadline = time.monotonic() + EXIT_S
        for worker in workers:
            worker.end(deadline)

    def __del__(self) -> None:
        self.close()

    def _call_all(self, calls: Sequence[tuple], timeout_s: float) -> list[Any]:
        """Sends call i to row i and returns the replies."""
        if not self._workers:
            raise EnvError(
                "these environments were closed (after an error they close themselves)"
            )
        for worker, call in zip(self._workers, calls, strict=False):
            worker.send(call)
        deadline = time.monotonic() + timeout_s
        replies: list[Any] = [None] * len(calls)
        waiting = {self._workers[row].connection: row for row in range(len(calls))}
        while waiting:
            ready = wait(list(waiting), max(0.0, deadline - time.monotonic()))
            if not ready:
                self._fail(min(waiting.values()), "hangs", f"{timeout_s:g} s")
            for connection in ready:
                assert isinstance(connection, Connection)
                row = waiting.pop(connection)
                kind, value = self._workers[row].receive()
                if kind != "ok":
                    self._fail(row, kind, value)
                replies[row] = value
        return replies

    def _fail(self, row: int, kind: str, value: str) -> NoReturn:
        """Ends all workers and raises what happened in one."""
        if kind == "hangs":
            self._workers[row].kill()
            value = f"no answer within {value}; its process was ended"
        if kind in ("hangs", "died"):
            value = f"env {row}, step {self._steps}, last action: {self._last[row]}: {value}"
        self.close()
        if kind == "refused":
            raise ValueError(value)
        if kind == "missing":
            raise MissingError(value)
        raise EnvError(value)


def _pickle(factory: RowFactory) -> bytes:
    try:
        return cloudpickle.dumps(factory)
    except Exception as error:
        raise ValueError(
            f"the environment cannot be sent to a worker process ({error}): name it as 'module:Class' "
            "with plain arguments, or use parallel='sync'"
        ) from None


class _Worker:
    """One worker process and this end of its pipe."""

    def __init__(self) -> None:
        self.connection, other = multiprocessing.Pipe()
        assert isinstance(other, Connection)
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; from envs.worker import main; "
            f"main({other.fileno()})"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", program], pass_fds=[other.fileno()]
        )
        other.close()

    def send(self, call: tuple) -> None:
        with contextlib.suppress(OSError):  # it died: receive says how
            self.connection.send(call)

    def receive(self) -> tuple[str, Any]:
        """Returns the worker's waiting reply, or ('died', text)."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            code = self._process.wait()
            how = f"was killed by signal {-code}" if code < 0 else f"exited with {code}"
            return "died", f"its process {how}; its output may say why"

    def kill(self) -> None:
        self._process.kill()

    def ask_to_close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.send(("close",))
        self.connection.close()

    def end(self, deadline: float) -> None:
        """Waits for the process until the deadline, then kills it."""
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
