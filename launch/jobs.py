"""Commands run side by side, one single-threaded process per core, with a progress bar; stopped ones can resume."""

import concurrent.futures
import contextlib
import functools
import os
import pathlib
import queue
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from agents import process as process_lib
from agents.status import duration


class Job(NamedTuple):
    """A command.

    Attributes:
        name: What is shown.
        arguments: Of this Python, as ['-m', 'launch.x', '--seed=1'].
        folder: Takes log.txt, what it prints.
        weight: Its expected share of the work, in any unit; tells the time left.
        begun: A run's folder that it goes on from: copied before it first starts, without its results.
    """

    name: str
    arguments: tuple[str, ...]
    folder: pathlib.Path
    weight: float
    begun: pathlib.Path | None = None


def run(
    plan: Callable[[], Iterable[Job]],
    workers: int,
    finished: Callable[[Job, int], None],
    console: Console | None = None,
) -> int:
    """Runs what the plan names until it names nothing new.

    Args:
        plan: Returns the jobs still to do, the most urgent first; asked again after each.
        workers: Processes at a time, each on a core of its own.
        finished: Called with a job and its exit status.
        console: Where the bar is drawn.

    Returns:
        0, or the number of the signal that stopped it; running jobs are asked to save then.
    """
    return _Runner(workers, finished, console).run(plan)


class _Runner:
    def __init__(
        self,
        workers: int,
        finished: Callable[[Job, int], None],
        console: Console | None,
    ):
        self._workers, self._finished = workers, finished
        self._console = console or Console(stderr=True)
        self._cores: queue.SimpleQueue[int] = queue.SimpleQueue()
        for core in _cores(workers):
            self._cores.put(core)
        self._processes: dict[str, subprocess.Popen] = {}
        self._lock = threading.Lock()
        self._stopped_by = 0

    def run(self, plan: Callable[[], Iterable[Job]]) -> int:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        bar = Progress(*columns, console=self._console)
        with (
            process_lib.stop_on_signals(self._stop),
            concurrent.futures.ThreadPoolExecutor(self._workers) as pool,
            bar,
        ):
            task = bar.add_task("jobs", total=None, left="")
            self._loop(plan, pool, functools.partial(self._show, bar, task))
        return self._stopped_by

    def _loop(
        self,
        plan: Callable[[], Iterable[Job]],
        pool: concurrent.futures.ThreadPoolExecutor,
        show: Callable[[list[Job], list[Job]], None],
    ) -> None:
        running: dict[concurrent.futures.Future, Job] = {}
        done: list[Job] = []
        failed: set[str] = set()
        while True:
            left = [job for job in plan() if job.name not in failed]
            names = {job.name for job in running.values()}
            for job in left:
                if len(running) >= self._workers or self._stopped_by:
                    break
                if job.name not in names:
                    running[pool.submit(self._execute, job)] = job
                    names.add(job.name)
            show(done, left)
            if not running:
                return
            ready, _ = concurrent.futures.wait(
                running, timeout=5, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in ready:
                job, status = running.pop(future), future.result()
                if status:
                    failed.add(job.name)
                if not self._stopped_by:
                    done.append(job)
                    self._finished(job, status)

    def _execute(self, job: Job) -> int:
        core = self._cores.get()
        _prepare(job)
        command = [sys.executable, *job.arguments]
        try:
            with open(job.folder / "log.txt", "a") as log:
                print(f"$ {shlex.join(command)}", file=log, flush=True)
                with self._lock:
                    process = subprocess.Popen(
                        command,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        env=os.environ | process_lib.ONE_THREAD,
                        start_new_session=True,
                    )
                    self._processes[job.name] = process
                    _pin(process.pid, core)
                if self._stopped_by:
                    process.terminate()
                return process.wait()
        finally:
            with self._lock:
                self._processes.pop(job.name, None)
            self._cores.put(core)

    def _stop(self, number: int, _: object) -> None:
        self._stopped_by = number
        self._console.print("stopping: what runs saves first, then done")
        for process in list(self._processes.values()):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    def _show(
        self, bar: Progress, task: TaskID, done: list[Job], left: list[Job]
    ) -> None:
        elapsed = bar.tasks[task].elapsed or 0.0
        work, rest = sum(job.weight for job in done), sum(job.weight for job in left)
        text = "ETA --:--"
        if work:
            text = f"ETA {duration(elapsed * rest / work)}"
        names = ", ".join(self._processes)
        bar.update(
            task,
            completed=len(done),
            total=len(done) + len(left),
            left=f"{text}  {names}",
        )


def _prepare(job: Job) -> None:
    """Makes the job's folder."""
    if job.begun and job.begun.exists() and not job.folder.exists():
        draft = job.folder.with_name(f".{job.folder.name}")
        shutil.rmtree(draft, ignore_errors=True)
        leave = shutil.ignore_patterns("results.json", "log.txt", "lock")
        shutil.copytree(job.begun, draft, ignore=leave)
        draft.rename(job.folder)
    job.folder.mkdir(parents=True, exist_ok=True)


def usable_cores() -> list[int]:
    """Returns the cores that this process may use; on systems that do not tell (macOS) all of them."""
    tell = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    return sorted(tell(0))


def _cores(workers: int) -> Iterator[int]:
    """The cores to use; -1 stands for any."""
    usable = usable_cores()
    for i in range(workers):
        yield usable[i] if i < len(usable) else -1


def _pin(pid: int, core: int) -> None:
    if core >= 0 and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(pid, {core})
