"""Files that grow by whole records and survive a full disk; TensorBoard's format, written without TensorFlow."""

import io
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_UNSAVED_BYTES = 32 * 2**20


class TailFile:
    """Appends records; what could not be written stays in memory and is written by the next `flush`.

    Each flush opens the file anew and writes at the end of the last good record, so neither a half-written record
    (a full disk) nor a file moved away harms what follows.

    Args:
        path: The file; what it holds already is kept.
    """

    def __init__(self, path: Path):
        self.path = path
        self._end = path.stat().st_size if path.exists() else 0
        self._unsaved: list[bytes] = []

    def append(self, record: bytes) -> None:
        """Takes one record; beyond 32 MB of unsaved records the oldest are let go."""
        self._unsaved.append(record)
        while sum(map(len, self._unsaved)) > _UNSAVED_BYTES and len(self._unsaved) > 1:
            self._unsaved.pop(0)

    def replace_last(self, old: bytes, new: bytes) -> None:
        """Puts `new` in the place of the last record, which was `old`."""
        if self._unsaved:
            self._unsaved.pop()
        else:
            self._end -= len(old)
        self.append(new)

    def flush(self) -> None:
        """Writes what is unsaved.

        Raises:
            OSError: If that fails; the records are kept.
        """
        if not self._unsaved:
            return
        data = b"".join(self._unsaved)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            start = min(self._end, os.fstat(file).st_size)
            _write_all(file, data, start)
        finally:
            os.close(file)
        self._end, self._unsaved = start + len(data), []


class EventFile:
    """TensorBoard events: scalars and GIFs, in a file of their own per process.

    Args:
        logdir: The folder that TensorBoard is pointed to.
        purge_step: After a resume: events of earlier files at this step or later are to be forgotten.
    """

    def __init__(self, logdir: Path, purge_step: int | None = None):
        stamp = f"{time.time():.6f}".replace(".", "-")
        name = f"events.out.tfevents.{stamp}.{socket.gethostname()}.{os.getpid()}"
        self._file = TailFile(logdir / name)
        self._add(file_version="brain.Event:2")
        if purge_step is not None:
            self._add(step=purge_step, session_log={"status": "START"})

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Adds one point to each curve."""
        points = [{"tag": tag, "simple_value": y} for tag, y in values.items()]
        self._add(step=step, summary={"value": points})

    def gif(self, step: int, tag: str, gif: bytes, height: int, width: int) -> None:
        """Adds a moving picture; TensorBoard shows it under Images."""
        image = {
            "height": height,
            "width": width,
            "colorspace": 3,
            "encoded_image_string": gif,
        }
        self._add(step=step, summary={"value": [{"tag": tag, "image": image}]})

    def flush(self) -> None:
        """Writes what is unsaved; raises OSError when that fails."""
        self._file.flush()

    def _add(self, **fields: Any) -> None:
        # Imported here: `import agents` stays instant, and a run without TensorBoard does not need it.
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        record = io.BytesIO()
        event = Event(wall_time=time.time(), **fields)
        RecordWriter(record).write(event.SerializeToString())
        self._file.append(record.getvalue())


def _write_all(file: int, data: bytes, start: int) -> None:
    """Writes at `start` and ends the file there; on failure cuts off what was half-written."""
    written = 0
    try:
        while written < len(data):
            written += os.pwrite(file, data[written:], start + written)
    except OSError:
        os.ftruncate(file, start)
        raise
    os.ftruncate(file, start + len(data))
