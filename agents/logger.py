"""What a run leaves behind: metrics.jsonl, TensorBoard events and videos; no TensorFlow needed."""

import contextlib
import functools
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents import video
from agents.event_file import EventFile, TailFile

OUTPUTS = ("terminal", "tensorboard", "jsonl")
_RATES = ("fps", "updates_per_s")
_ON_TERMINAL = ("return", "eval_return", "loss", *_RATES)


class Logger:
    """Averages metrics between writes and sends them to the terminal, TensorBoard and metrics.jsonl.

    A line of metrics.jsonl has `env_steps`, `frames`, `updates`, `time` (seconds of training, going on where a
    resumed run stopped), `cpu_time` (the processor's seconds that this process used in that time), `fps` (frames per second) and `updates_per_s` since the line before, and every scalar added
    since then as its mean; what is not finite is null. Its env_steps rise strictly: a second write at the same step
    is merged into the first. Each line is in the hands of the system when `write` returns, so a killed process
    loses none. TensorBoard's horizontal axis is env_steps too, in both files the same.

    When the disk is full, one warning is given, training goes on, and the lines follow when there is room again.

    Models on data count updates: with `axis` 'updates' these are in the place of env_steps, and there are no frames.

    Args:
        logdir: The folder of the run; made if missing.
        frames_per_step: Frames per environment step (the action repeat).
        axis: 'env_steps' or 'updates': what lines are ordered by.
        outputs: Any of 'terminal', 'tensorboard', 'jsonl'.
        budget: Environment steps of the whole run, for the percentage in the terminal line.
        echo: Prints a line; `Status.message` where there is a status line.
    """

    def __init__(
        self,
        logdir: str | os.PathLike,
        frames_per_step: int = 1,
        *,
        axis: str = "env_steps",
        outputs: Sequence[str] = OUTPUTS,
        budget: int | None = None,
        echo: Callable[[str], None] = print,
    ):
        unknown = set(outputs) - set(OUTPUTS)
        if unknown:
            raise ValueError(f"Unknown outputs {sorted(unknown)}; expected {OUTPUTS}.")
        self.logdir = Path(logdir)
        self.logdir.mkdir(parents=True, exist_ok=True)
        self._frames_per_step = frames_per_step
        self._axis = axis
        self._outputs = tuple(outputs)
        self._budget = budget
        self._echo = echo
        self._metrics: dict[str, list[float]] = {}  # key -> [sum, count]
        self._started = time.monotonic()
        self._cpu_started = time.process_time()
        self._last: dict[str, float] = {"env_steps": 0, "updates": 0, "time": 0.0}
        self._jsonl = (
            _MetricsFile(self.logdir / "metrics.jsonl", axis)
            if "jsonl" in outputs
            else None
        )
        self._events: EventFile | None = None
        self._purge_step = 0
        self._failing: set[str] = set()

    def add(self, metrics: Mapping[str, Any]) -> None:
        """Adds scalars to the means of the next line."""
        for key, value in metrics.items():
            total = self._metrics.setdefault(key, [0.0, 0])
            total[0] += float(value)
            total[1] += 1

    def episode(self, ret: float, length: int, kind: str = "train") -> None:
        """Adds a finished episode as `return` and `length`; other kinds than 'train' as `eval_return` and so on."""
        prefix = "" if kind == "train" else f"{kind}_"
        self.add({f"{prefix}return": ret, f"{prefix}length": length})

    def write(self, env_steps: int, updates: int) -> None:
        """Writes the means since the last write, everywhere.

        Args:
            env_steps: Environment steps made. Lines of later steps, left by a run that was started over, are dropped.
            updates: Updates made.
        """
        now, cpu = self._time(), self._cpu_time()
        env_steps, updates = int(env_steps), int(updates)
        scalars = {key: total / n for key, (total, n) in self._metrics.items()}
        scalars = self._rates(env_steps, updates, now) | scalars
        counters: dict[str, float] = {}
        if self._axis == "env_steps":
            frames = env_steps * self._frames_per_step
            counters = {"env_steps": env_steps, "frames": frames}
        counters |= {
            "updates": updates,
            "time": round(now, 3),
            "cpu_time": round(cpu, 3),
        }
        self._metrics = {}
        self._last = {"env_steps": env_steps, "updates": updates, "time": now}
        if self._jsonl:
            write = functools.partial(self._jsonl.write, counters | scalars)
            self._guard("jsonl", self._jsonl.path, write)
        if "tensorboard" in self._outputs:
            tagged = {_tag(key): value for key, value in scalars.items()}
            self._to_events(lambda events: events.scalars(env_steps, tagged))
        if "terminal" in self._outputs:
            self._say(_terminal_line(counters | scalars, self._axis, self._budget))

    def video(self, name: str, frames: np.ndarray, env_steps: int) -> None:
        """Writes logdir/videos/<name>-<env_steps>.mp4 (.gif without imageio-ffmpeg), and to TensorBoard's images.

        Args:
            name: For example 'episode' or 'open_loop'.
            frames: [T, H, W, C] uint8; other kinds of pictures as `video.to_rgb` takes them.
            env_steps: Environment steps made.
        """
        frames = video.upscale(video.to_rgb(frames))
        path = self.logdir / "videos" / f"{name}-{env_steps}.mp4"
        self._guard("video", path, lambda: video.write_video(path, frames))
        if "tensorboard" in self._outputs:
            tag, gif, size = (
                f"videos/{name}",
                video.encode_gif(frames),
                frames.shape[1:3],
            )
            self._to_events(lambda events: events.gif(env_steps, tag, gif, *size))

    def picture(self, name: str, picture: np.ndarray, env_steps: int) -> None:
        """Writes logdir/pictures/<name>-<env_steps>.png, [H, W, 3] uint8."""
        path = self.logdir / "pictures" / f"{name}-{env_steps}.png"
        self._guard("picture", path, lambda: video.write_picture(path, picture))

    def get_state(self) -> dict[str, Any]:
        """Returns the open means, the last written counters and the training time so far."""
        return {
            "keys": list(self._metrics),
            "sums": [total for total, _ in self._metrics.values()],
            "counts": [int(n) for _, n in self._metrics.values()],
            "time": self._time(),
            "cpu_time": self._cpu_time(),
            "last": dict(self._last),
        }

    def set_state(self, tree: Mapping[str, Any]) -> None:
        """Goes on from a saved state: what was written after it leaves metrics.jsonl and TensorBoard."""
        columns = (tree["keys"], tree["sums"], tree["counts"])
        self._metrics = {
            str(key): [float(total), int(n)]
            for key, total, n in zip(*columns, strict=True)
        }
        self._started = time.monotonic() - float(tree["time"])
        # Saves of version 0.1.0 have none.
        self._cpu_started = time.process_time() - float(tree.get("cpu_time", 0.0))
        self._last = {
            key: type(old)(tree["last"][key]) for key, old in self._last.items()
        }
        self._events, self._purge_step = None, int(self._last["env_steps"]) + 1
        if self._jsonl:
            self._jsonl.cut(self._last["env_steps"])

    def _time(self) -> float:
        return time.monotonic() - self._started

    def _cpu_time(self) -> float:
        return time.process_time() - self._cpu_started

    def _rates(self, env_steps: int, updates: int, now: float) -> dict[str, float]:
        """Frames and updates per second since the last write; nothing where no step was made since."""
        steps, seconds = env_steps - self._last["env_steps"], now - self._last["time"]
        if steps <= 0 or seconds <= 0:
            return {}
        rates = {"updates_per_s": (updates - self._last["updates"]) / seconds}
        if self._axis == "env_steps":
            rates = {"fps": steps * self._frames_per_step / seconds} | rates
        return rates

    def _to_events(self, add: Callable[[EventFile], None]) -> None:
        events = self._events = self._events or EventFile(self.logdir, self._purge_step)
        add(events)
        self._guard("tensorboard", self.logdir, events.flush)

    def _guard(self, what: str, path: Path, write: Callable[[], Any]) -> None:
        """Runs a write that may fail without harm; tells the first failure, and when all is well again."""
        failed_before = bool(self._failing)
        try:
            write()
        except OSError as error:
            self._failing.add(what)
            if not failed_before:
                reason = str(error.strerror or error).strip().split("\n")[0]
                self._say(
                    f"Warning: cannot write {path} ({reason}); {_free_space(self.logdir)} free. "
                    "Training goes on; metrics are kept and written when there is room again."
                )
        else:
            self._failing -= {what, "video"}  # a lost video is not written later
            if failed_before and not self._failing:
                self._say(f"Writing to {self.logdir} works again.")

    def _say(self, text: str) -> None:
        # The terminal's own log may lie on the same full disk.
        with contextlib.suppress(OSError):
            self._echo(text)


class _MetricsFile:
    """metrics.jsonl, kept in order of strictly rising steps of its axis."""

    def __init__(self, path: Path, axis: str):
        self.path = path
        self._axis = axis
        self._last: dict[str, Any] | None = None
        self.cut()

    def write(self, record: dict[str, Any]) -> None:
        step = record[self._axis]
        if self._last and self._last[self._axis] > step:
            self.cut(step)
        if self._last and self._last[self._axis] == step:
            merged = self._last | record
            self._file.replace_last(_line(self._last), _line(merged))
            self._last = merged
        else:
            self._last = record
            self._file.append(_line(self._last))
        self._file.flush()

    def cut(self, step: float = math.inf) -> None:
        """Keeps the records up to `step`; half-written lines and those out of order go too."""
        content = self.path.read_bytes() if self.path.exists() else b""
        records = [r for r in _records(content) if _step(r) <= step]
        kept = b"".join(map(_line, records))
        if content.startswith(kept):
            if len(content) > len(kept):
                os.truncate(self.path, len(kept))
        else:
            draft = self.path.with_suffix(".jsonl.tmp")
            draft.write_bytes(kept)
            draft.replace(self.path)
        self._file = TailFile(self.path)
        self._last = records[-1] if records else None


def read_metrics(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Returns the records of a metrics.jsonl in order of strictly rising steps, damaged lines left out."""
    return _records(Path(path).read_bytes())


def _records(content: bytes) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for line in content.splitlines(keepends=True):
        record = _parse(line)
        if record and (not records or _step(record) > _step(records[-1])):
            records.append(record)
    return records


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    whole = isinstance(record, dict) and isinstance(_step(record), int)
    return record if whole else None


def _step(record: Mapping[str, Any]) -> Any:
    """Environment steps of an agent, updates of a model."""
    return record.get("env_steps", record.get("updates"))


def _line(record: Mapping[str, Any]) -> bytes:
    finite = {
        key: value if value is not None and math.isfinite(value) else None
        for key, value in record.items()
    }
    return json.dumps(finite, allow_nan=False).encode() + b"\n"


def _tag(key: str) -> str:
    """TensorBoard folds what stands before the slash into one section."""
    if "/" in key:
        return key
    if key in _RATES:
        return f"speed/{key}"
    section = "episode" if key.endswith(("return", "length")) else "train"
    return f"{section}/{key}"


def _terminal_line(record: Mapping[str, Any], axis: str, budget: int | None) -> str:
    done = f" ({record[axis] / budget:.0%})" if budget else ""
    parts = [f"{axis} {record[axis]:,}{done}"]
    parts += [f"{key} {_short(record[key])}" for key in _keys_shown(record)]
    return "  ".join(parts)


def _keys_shown(record: Mapping[str, Any]) -> Iterable[str]:
    return (key for key in _ON_TERMINAL if key in record)


def _short(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def _free_space(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB"
    except OSError:
        return "unknown space"
