"""The status line: what a run is doing, how fast, how well, and when it will be done."""

import contextlib
import math
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_WINDOW_SECONDS = 60.0
_SAMPLE_SECONDS = 0.5
_PLAIN_SECONDS = 30.0
_ANNOUNCE_SECONDS = 5.0
_REFRESHES_PER_SECOND = 4
_EPISODES = 10
_COUNTED = ("filling replay", "training")  # phases that run on env_steps


class Rate:
    """Counts per second over the last minute of a clock.

    Args:
        clock: Returns seconds.
    """

    def __init__(self, clock: Callable[[], float]):
        self._clock = clock
        self._samples: deque[tuple[float, tuple[float, ...]]] = deque()
        self._newest: tuple[float, tuple[float, ...]] | None = None

    def add(self, *counts: float) -> None:
        """Takes the counters as they stand now."""
        now = self._clock()
        self._newest = (now, counts)
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_SECONDS:
            self._samples.append(self._newest)
        while len(self._samples) > 2 and now - self._samples[1][0] >= _WINDOW_SECONDS:
            self._samples.popleft()

    def per_second(self) -> tuple[float, ...] | None:
        """Returns the rate of each counter; None before there are two points in time."""
        if not self._newest:
            return None
        (start, old), (end, new) = self._samples[0], self._newest
        if end - start < _SAMPLE_SECONDS:
            return None
        return tuple((n - o) / (end - start) for n, o in zip(new, old, strict=True))


class Status:
    """A line that stays at the bottom of the terminal; elsewhere plain lines.

    A plain line comes every 30 seconds at most, and when a phase begins that was not announced in the last 5.

    with Status(budget=50_000) as status:
        status.phase("filling replay", total=2_500)
        status.update(env_steps, updates, ret)   # ret where an episode ended
        status.phase("training")

    Rates and the time left come from the last minute of the phase that is running; a phase that comes back (training
    after an evaluation) goes on where it was.

    Args:
        budget: Environment steps, or updates of a model, at which the run ends.
        frames_per_step: Frames per environment step, for fps; 0 for a model, which makes updates only.
        stream: Where to draw; a terminal gets the moving line.
        clock: Returns seconds.
        score: What is shown as the mean of the last few.

    Attributes:
        name: The phase that is running.
    """

    def __init__(
        self,
        budget: int,
        frames_per_step: int = 1,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        score: str = "return",
    ):
        self._budget = budget
        self._score = score
        self._frames_per_step = frames_per_step
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self.name = "starting"
        self._total: float | None = None
        self._phase_start = clock()
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._rates: dict[str, Rate] = {}
        self._done: float | None = None
        self._env_steps = self._updates = 0
        self._returns: deque[float] = deque(maxlen=_EPISODES)
        self._plain_at = -math.inf
        self._announced: dict[str, float] = {}
        self._live: Live | None = None
        self._lock = threading.RLock()  # the line is drawn by a thread
        self._console = Console(file=self._stream)
        self._moving = self._stream.isatty() and not self._console.is_dumb_terminal

    def __enter__(self) -> Self:
        if self._moving:
            self._live = Live(
                get_renderable=self._render,
                console=self._console,
                refresh_per_second=_REFRESHES_PER_SECOND,
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=sys.stderr.isatty(),
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None
        elif kind is None:
            self._print_plain()

    def set_frames_per_step(self, frames_per_step: int) -> None:
        """Sets the frames per environment step, once they are known."""
        self._frames_per_step = frames_per_step

    def phase(self, name: str, total: float | None = None) -> None:
        """Says what happens now.

        Args:
            name: 'building', 'filling replay', 'compiling', 'training', 'evaluating' or 'saving'.
            total: The env_steps (or the `done` of `update`) at which the phase ends. None: the budget when
                training, else unknown, and the bar only shows that something happens.
        """
        with self._lock:
            now = self._clock()
            self._spent[self.name] += now - self._phase_start
            self._phase_start, self.name = now, name
            self._total = (
                self._budget if total is None and name == "training" else total
            )
            self._done = self._env_steps if name in _COUNTED else None
            if name not in _COUNTED:
                self._rates.pop(name, None)
            old = now - self._announced.get(name, -math.inf)
        if self._live and old >= 1 / _REFRESHES_PER_SECOND:
            # At once: a phase that keeps the interpreter busy would never be seen.
            self._announced[name] = now
            self._live.refresh()
        elif not self._moving and old >= _ANNOUNCE_SECONDS:
            self._announced[name] = now
            self._print_plain()

    def update(
        self,
        env_steps: int,
        updates: int,
        ret: float | None = None,
        done: float | None = None,
    ) -> None:
        """Takes the counters as they stand.

        Args:
            env_steps: Environment steps made.
            updates: Updates made.
            ret: The return of an episode that just ended, or another score.
            done: Progress of a phase that is not counted in env_steps (episodes evaluated).
        """
        with self._lock:
            self._env_steps, self._updates = env_steps, updates
            self._done = env_steps if done is None else done
            if ret is not None:
                self._returns.append(float(ret))
            if self.name not in self._rates:
                self._rates[self.name] = Rate(self._phase_seconds)
            self._rates[self.name].add(self._done, env_steps, updates)
        if self._clock() - self._plain_at >= _PLAIN_SECONDS:
            self._print_plain()

    def message(self, text: str) -> None:
        """Prints text above the line."""
        if self._live:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self._write(text)

    def line(self) -> str:
        """Returns the status as plain text."""
        return "  ".join([self.name, *self._parts()])

    def _phase_seconds(self) -> float:
        """Seconds spent in the phase that is running, over all its turns."""
        return self._spent[self.name] + self._clock() - self._phase_start

    def _print_plain(self) -> None:
        if not self._moving:
            self._plain_at = self._clock()
            self._write(self.line())

    def _write(self, text: str) -> None:
        # A log file on a full disk, or a reader that left, must not end the training.
        with contextlib.suppress(OSError):
            print(text, file=self._stream, flush=True)

    def _fraction(self) -> float | None:
        """How much of the phase is done; None where nobody knows."""
        return min((self._done or 0) / self._total, 1.0) if self._total else None

    def _parts(self) -> list[str]:
        """The pieces of the line after the bar, the most important first."""
        rate = self._rates.get(self.name)
        speeds = rate.per_second() if rate else None
        fraction = self._fraction()
        parts = [f"{fraction:4.0%}", self._eta(speeds)] if fraction is not None else []
        if fraction is None:
            parts.append(duration(self._clock() - self._phase_start))
        if self._returns:
            parts.append(f"{self._score} {sum(self._returns) / len(self._returns):.4g}")
        if speeds and self.name in _COUNTED:
            if self._frames_per_step:
                parts.append(f"{_number(speeds[1] * self._frames_per_step)} fps")
            if self._updates:
                parts.append(f"{_number(speeds[2])} updates/s")
        if self._env_steps:
            unit = "env_steps" if self._frames_per_step else "updates"
            parts.append(f"{self._env_steps:,} {unit}")
        return parts

    def _eta(self, speeds: tuple[float, ...] | None) -> str:
        if not speeds or speeds[0] <= 0 or not self._total:
            return "ETA --:--"
        left = max(self._total - (self._done or 0), 0) / speeds[0]
        return f"ETA {duration(left)}"

    def _render(self) -> Table:
        """Lays the line out in the terminal's width; the bar takes what the words leave, the last words go first."""
        with self._lock:
            name, fraction, parts = self.name, self._fraction(), self._parts()
        width = self._console.width
        while len(parts) > 2 and len(name) + 12 + _width(parts) > width:
            parts.pop()
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1)
        bar = ProgressBar(
            total=1, completed=fraction or 0, pulse=fraction is None, width=None
        )
        cells = [Text(part, style="default") for part in parts]
        for _ in cells:
            table.add_column(no_wrap=True, justify="right")
        table.add_row(Text(name, style="bold cyan"), bar, *cells)
        return table


def _width(parts: list[str]) -> int:
    return sum(len(part) + 2 for part in parts)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """61 -> '01:01', 3661 -> '1:01:01', 90061 -> '1d 01:01'."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}:{minute:02}"
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute:02}:{second:02}"
