"""Replay of rows on disk: what is stored, what is forgotten, and which windows are drawn."""

import dataclasses
import os
import pathlib
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from agents.api import Tree
from agents.chunks import Chunk, ChunkFiles
from agents.episodes import Episodes, EpisodeView

_CHUNK_BYTES, _TAIL_BYTES = 4 << 20, 128 << 20
_MIN_CHUNK_ROWS, _MAX_CHUNK_ROWS = 64, 4096


@dataclasses.dataclass(frozen=True, eq=False)
class Snapshot:
    """The rows and episodes visible at one moment; rows added later do not show.

    Attributes:
        first: Number of the first visible row of every stream.
        stop: Rows ever added to every stream.
        chunks: The chunks from `first` on.
        tail: [streams, chunk_rows] records, the rows from `tail_first` on; only ever written at and after `stop`.
        tail_first: Number of the first row in the tail.
        episodes: The episodes.
    """

    first: int
    stop: int
    chunks: tuple[Chunk, ...]
    tail: np.ndarray
    tail_first: int
    episodes: EpisodeView


class Replay:
    """The newest rows of some streams, one stream per environment row, and windows drawn from them.

    A row is one packed record. Rows gather in a tail in memory; a full tail is sealed as an immutable chunk file.
    Chunks are read with pread, because mapped pages would count as resident memory. The oldest chunks are forgotten
    beyond the capacity; their files go as soon as no kept checkpoint names them (see `collect_garbage`).

    A window is `length` consecutive rows of one stream. It may cross episodes: an is_first row inside it resets
    whoever reads it, so that short episodes are learned from, too.

    `add` and `sample` may run in different threads.

    Args:
        folder: Where chunks lie; made at the first chunk. A replay that begins empty clears it of old chunks.
        spec: Key -> (shape, dtype) of one row; `is_first` (bool) is among the keys.
        num_streams: Rows that arrive together.
        capacity: Rows visible at most, over all streams.
        length: T, rows per window.
        sampling: 'episodes' draws uniformly over episodes, then a window in it; 'steps' uniformly over windows.
        prioritize_ends: Whether 'episodes' draws the last window of an episode more often, see `sample_starts`.
        seed: Windows drawn are a pure function of it, of the key given and of the rows added.
        chunk_rows: Rows per stream in a chunk; about 4 MB of them when None.

    Raises:
        ValueError: If an option is unknown or the capacity is too small for the window.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        spec: Mapping[str, tuple[Any, Any]],
        num_streams: int,
        capacity: int,
        length: int,
        *,
        sampling: str = "episodes",
        prioritize_ends: bool = True,
        seed: int = 0,
        chunk_rows: int | None = None,
    ) -> None:
        if sampling not in ("episodes", "steps"):
            raise ValueError(f"sampling='{sampling}'; expected 'episodes' or 'steps'")
        if capacity < length * num_streams:
            raise ValueError(
                f"capacity={capacity} rows in {num_streams} streams cannot hold a window of length={length} in "
                f"each; give it at least {length * num_streams}"
            )
        self.folder = pathlib.Path(folder)
        self.spec = {
            key: (tuple(shape), np.dtype(dtype).name)
            for key, (shape, dtype) in spec.items()
        }
        self.row_dtype = np.dtype(
            [(key, dtype, shape) for key, (shape, dtype) in self.spec.items()]
        )
        self.num_streams, self.capacity, self.length = num_streams, capacity, length
        self.sampling, self.prioritize_ends, self.seed = sampling, prioritize_ends, seed
        self.chunk_rows = chunk_rows or self._default_chunk_rows()
        self._check_capacity(self.chunk_rows)
        self._first = self._stop = 0
        self._tail = self._new_tail()
        self._episodes = Episodes(num_streams)
        self._files = ChunkFiles(self.folder)
        self._snapshots: weakref.WeakSet[Snapshot] = weakref.WeakSet()
        self._lock = threading.Lock()  # held by whoever changes or looks at the above
        self._reading = threading.Lock()  # held by whoever uses `_staging`
        self._staging = np.empty((0, length), self.row_dtype)

    @property
    def ready(self) -> bool:
        """Whether there is a window to draw."""
        return self._stop - self._first >= self.length

    @property
    def num_rows(self) -> int:
        """Rows visible, over all streams."""
        return (self._stop - self._first) * self.num_streams

    @property
    def committed(self) -> int:
        """Rows ever added, over all streams."""
        return self._stop * self.num_streams

    @property
    def num_episodes(self) -> int:
        """Episodes of which a row is visible, open ones included."""
        return len(self._episodes)

    @property
    def bytes_at_capacity(self) -> int:
        """Bytes of a full replay."""
        return self.capacity * self.row_dtype.itemsize

    @property
    def disk_bytes(self) -> int:
        """Bytes of the chunk files there are, those kept for checkpoints alone included."""
        chunks = len(self._files.live) + len(self._files.retired)
        return chunks * self._chunk_bytes(self.chunk_rows)

    def add(self, rows: Mapping[str, np.ndarray]) -> None:
        """Adds one row to every stream, key -> [streams, ...].

        Raises:
            OSError: If a chunk cannot be written; names the path and the room left. Nothing was added then and
                nothing is lost: the same call may be repeated.
            ValueError: If keys or shapes differ from the spec.
        """
        self._check_rows(rows)
        with self._lock:
            if self._stop == 0:
                self._files.remove_garbage()
            if self._stop - self._tail_first == self.chunk_rows:
                self._files.seal(self._tail_first, self._tail)
                self._tail = self._new_tail()  # snapshots may still read the old one
            while (self._stop - self._first + 1) * self.num_streams > self.capacity:
                self._forget_oldest()
            for key in self.spec:
                self._tail[key][:, self._stop - self._tail_first] = rows[key]
            self._episodes.add(self._stop, np.asarray(rows["is_first"]))
            self._stop += 1

    def snapshot(self) -> Snapshot:
        """Returns a view of what is visible now; files it needs stay for as long as it is referenced."""
        with self._lock:
            snapshot = Snapshot(
                self._first,
                self._stop,
                self._files.live,
                self._tail,
                self._tail_first,
                self._episodes.view(),
            )
            self._snapshots.add(snapshot)
        return snapshot

    def sample_starts(
        self, key: tuple[int, ...], batch_size: int, snapshot: Snapshot | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws windows.

        With 'episodes', an episode of n visible rows is chosen uniformly, and its window begins at its row

            min(i, n - T),   i uniform in {0, ..., n - T} or, if `prioritize_ends`, in {0, ..., n}

        so that the last window has probability (T + 1) / (n + 1). The window of an episode with n < T begins with it
        and runs on into the next one, or is moved back until it ends at the newest row.

        Args:
            key: Numbers >= 0 that determine the draws together with the seed. (1,) and (1, 0) are the same key.
            batch_size: B, windows.
            snapshot: What to draw from; the rows visible now when None.

        Returns:
            streams: [B] int64.
            starts: [B] int64, numbers of first rows, counted from the first row ever added to the stream.

        Raises:
            RuntimeError: If there are fewer than T rows in a stream.
        """
        snapshot = snapshot or self.snapshot()
        first, last = snapshot.first, snapshot.stop - self.length
        if last < first:
            raise RuntimeError(
                f"{snapshot.stop - first} rows per stream are stored, a window takes {self.length}; add more "
                "before sampling (see `ready`)"
            )
        seeds = np.random.SeedSequence([self.seed, *key])
        rng = np.random.Generator(np.random.Philox(seeds))
        if self.sampling == "steps":
            streams = rng.integers(self.num_streams, size=batch_size)
            return streams, rng.integers(first, last + 1, size=batch_size)
        # Differs: the original stores whole episodes only, drops those shorter than T, and never sees an open one.
        streams, begins, ends = snapshot.episodes.draw(
            rng, batch_size, first, snapshot.stop
        )
        slack = np.maximum(ends - begins - self.length, 0)
        extra = self.length if self.prioritize_ends else 0
        offsets = np.minimum(rng.integers(slack + 1 + extra), slack)
        return streams, np.minimum(begins + offsets, last)

    def sample(
        self, key: tuple[int, ...], batch_size: int, snapshot: Snapshot | None = None
    ) -> dict[str, np.ndarray]:
        """Reads the windows that `sample_starts` draws with the same arguments.

        Returns:
            Key -> [T, B, ...], new arrays, the caller's to keep; `is_first` is set in row 0 of every window.

        Raises:
            DamagedError: If a chunk file was cut short or removed by someone else.
            RuntimeError: If there are fewer than T rows in a stream.
        """
        snapshot = snapshot or self.snapshot()
        streams, starts = self.sample_starts(key, batch_size, snapshot)
        with self._reading:
            if len(self._staging) < batch_size:
                self._staging = np.empty((batch_size, self.length), self.row_dtype)
            windows = self._staging[:batch_size]
            for window, stream, start in zip(windows, streams, starts, strict=True):
                self._read(snapshot, int(stream), int(start), window)
            batch = {name: windows[name].swapaxes(0, 1).copy() for name in self.spec}
        batch["is_first"][0] = True
        return batch

    def get_state(self) -> Tree:
        """Returns the chunks' names with checksums, the tail and the episodes; the chunks are on disk then.

        None of the files named goes before the next `collect_garbage`.
        """
        with self._lock:
            self._files.pin_live()
            tail = self._tail[:, : self._stop - self._tail_first].copy()
            return {
                "spec": {
                    key: [list(shape), dtype]
                    for key, (shape, dtype) in self.spec.items()
                },
                "num_streams": self.num_streams,
                "chunk_rows": self.chunk_rows,
                "stop": self._stop,
                "chunks": [dataclasses.asdict(chunk) for chunk in self._files.live],
                "tail": tail.view(np.uint8),
                "episodes": self._episodes.get_state(),
            }

    def set_state(self, tree: Tree) -> None:
        """Inverts `get_state`; files of later rows, which a resumed run writes again, are removed.

        Nothing changes if it raises. Files of earlier rows stay until `collect_garbage`.

        Raises:
            DamagedError: If a chunk file is missing, cut short or changed.
            ValueError: If rows of another kind were saved, naming the fields that differ, or too many for the
                capacity.
        """
        self._check_same_kind(tree)
        self._check_capacity(tree["chunk_rows"])
        chunks = tuple(Chunk(**chunk) for chunk in tree["chunks"])
        self._files.verify(chunks, self._chunk_bytes(tree["chunk_rows"]))
        tail = np.ascontiguousarray(tree["tail"]).view(self.row_dtype)
        with self._lock:
            self.chunk_rows, self._stop = tree["chunk_rows"], tree["stop"]
            self._first = chunks[0].first if chunks else self._stop - tail.shape[1]
            self._tail = self._new_tail()
            self._tail[:, : tail.shape[1]] = tail
            self._episodes.set_state(tree["episodes"])
            self._files.adopt(chunks, self._first)

    def collect_garbage(self, kept: set[str]) -> None:
        """Removes every chunk file that is neither visible, nor in `kept`, nor about to be read.

        Args:
            kept: Names in kept checkpoints (see `chunk_names`); they outlive being forgotten until the next call.
        """
        with self._lock:
            self._files.pinned = set(kept)
            self._files.remove_retired(self._needed_from())
            self._files.remove_garbage()

    @staticmethod
    def chunk_names(tree: Tree) -> set[str]:
        """Returns the files that a tree from `get_state` names."""
        return {chunk["name"] for chunk in tree["chunks"]}

    @property
    def _tail_first(self) -> int:
        live = self._files.live
        return live[-1].first + self.chunk_rows if live else self._first

    def _chunk_bytes(self, chunk_rows: int) -> int:
        return chunk_rows * self.num_streams * self.row_dtype.itemsize

    def _default_chunk_rows(self) -> int:
        row, kept = self._chunk_bytes(1), self.capacity // self.num_streams
        rows = min(max(_CHUNK_BYTES // row, _MIN_CHUNK_ROWS), _MAX_CHUNK_ROWS)
        # An eighth, so that forgetting a chunk does not forget half of a small replay.
        rows = min(rows, _TAIL_BYTES // row, kept // 8, kept - self.length + 1)
        return max(rows, 1)

    def _check_capacity(self, chunk_rows: int) -> None:
        if self.capacity // self.num_streams < self.length + chunk_rows - 1:
            raise ValueError(
                f"capacity={self.capacity} rows in {self.num_streams} streams cannot hold a window of "
                f"length={self.length} when a chunk of {chunk_rows} rows per stream is forgotten; make it larger"
            )

    def _new_tail(self) -> np.ndarray:
        return np.empty((self.num_streams, self.chunk_rows), self.row_dtype)

    def _check_rows(self, rows: Mapping[str, np.ndarray]) -> None:
        came = {key: np.shape(value) for key, value in rows.items()}
        wanted = {key: (self.num_streams, *spec[0]) for key, spec in self.spec.items()}
        if came != wanted:
            raise ValueError(f"rows came as {came}; expected {wanted}")

    def _check_same_kind(self, tree: Tree) -> None:
        saved = {
            key: (tuple(shape), dtype) for key, (shape, dtype) in tree["spec"].items()
        }
        ours: dict[str, Any] = self.spec | {"num_streams": self.num_streams}
        theirs: dict[str, Any] = saved | {"num_streams": tree["num_streams"]}
        differing = [
            f"{key}: saved {theirs.get(key, 'nothing')}, now {ours.get(key, 'nothing')}"
            for key in sorted(ours.keys() | theirs.keys())
            if ours.get(key) != theirs.get(key)
        ]
        if not differing and list(saved) != list(self.spec):
            differing.append(f"order: saved {list(saved)}, now {list(self.spec)}")
        if differing:
            raise ValueError(
                f"the replay in {self.folder} holds other rows ({'; '.join(differing)}). Use the same environment "
                "and agent, or a new logdir"
            )

    def _forget_oldest(self) -> None:
        self._files.retire_oldest()
        self._first += self.chunk_rows
        self._episodes.forget(self._first)
        self._files.remove_retired(self._needed_from())

    def _needed_from(self) -> int:
        """The first row that a snapshot may still read."""
        return min(
            (snapshot.first for snapshot in self._snapshots), default=self._first
        )

    def _read(
        self, snapshot: Snapshot, stream: int, start: int, window: np.ndarray
    ) -> None:
        row, stop = start, start + self.length
        while row < min(stop, snapshot.tail_first):
            chunk = snapshot.chunks[(row - snapshot.first) // self.chunk_rows]
            end = min(stop, chunk.first + self.chunk_rows)
            skip = stream * self.chunk_rows + row - chunk.first
            self._files.read(chunk, skip, window[row - start : end - start])
            row = end
        if row < stop:
            shift = snapshot.tail_first
            window[row - start :] = snapshot.tail[stream, row - shift : stop - shift]
