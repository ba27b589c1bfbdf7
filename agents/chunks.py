"""Files of replay rows: immutable, checksummed, removed when nobody needs them."""

import contextlib
import dataclasses
import os
import pathlib
import zlib

import numpy as np

from agents.checkpoint import DamagedError, sync, verify, write_error

_SUFFIX, _TEMPORARY = ".rows", ".rows.tmp"


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A file that never changes: some rows of each stream, stream after stream.

    Attributes:
        name: The file's name.
        first: Number of its first row in each stream.
        crc32: Of its bytes.
    """

    name: str
    first: int
    crc32: int


class ChunkFiles:
    """The chunk files of one replay: live, retired (forgotten, but still needed by someone), or garbage.

    Args:
        folder: Where they lie; made at the first chunk.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.live: tuple[Chunk, ...] = ()
        self.retired: list[Chunk] = []
        self.pinned: set[str] = set()
        self._unsynced: list[pathlib.Path] = []

    def seal(self, first: int, rows: np.ndarray) -> None:
        """Writes the live chunk that begins at row `first`.

        Args:
            first: Number of its first row.
            rows: [streams, rows] records.

        Raises:
            OSError: If it cannot be written; names the path and the room left. No file stays then.
        """
        name = f"{first:012d}{_SUFFIX}"
        path, data = self.folder / name, rows.reshape(-1).view(np.uint8).data
        temporary = path.with_suffix(_TEMPORARY)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(data)
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise write_error(path, error) from error
        self._unsynced.append(path)
        self.live = (*self.live, Chunk(name, first, zlib.crc32(data)))

    def read(self, chunk: Chunk, skip: int, rows: np.ndarray) -> None:
        """Fills records with those of a chunk from number `skip` on.

        Raises:
            DamagedError: If the file was cut short or removed by someone else.
        """
        path = self.folder / chunk.name
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise DamagedError(f"{path} was removed") from None
        try:
            data = rows.view(np.uint8).data
            count = os.preadv(descriptor, [data], skip * rows.itemsize)
        finally:
            os.close(descriptor)
        if count != rows.nbytes:
            raise DamagedError(f"{path} was cut short")

    def retire_oldest(self) -> None:
        """Takes the oldest chunk from the live ones."""
        self.retired.append(self.live[0])
        self.live = self.live[1:]

    def remove_retired(self, needed_from: int) -> None:
        """Removes retired chunks that are not pinned and begin before row `needed_from`."""
        for chunk in tuple(self.retired):
            if chunk.name not in self.pinned and chunk.first < needed_from:
                (self.folder / chunk.name).unlink(missing_ok=True)
                self.retired.remove(chunk)

    def remove_garbage(self) -> None:
        """Removes every chunk file that is neither live, nor retired, nor pinned."""
        known = {chunk.name for chunk in (*self.live, *self.retired)} | self.pinned
        for name in self._names():
            if name not in known:
                (self.folder / name).unlink(missing_ok=True)

    def pin_live(self) -> None:
        """Pins the live chunks, on disk when this returns, for a checkpoint that names them."""
        for path in self._unsynced:
            with contextlib.suppress(FileNotFoundError):  # forgotten since
                sync(path)
        if self._unsynced:
            sync(self.folder)
        self._unsynced.clear()
        self.pinned |= {chunk.name for chunk in self.live}

    def verify(self, chunks: tuple[Chunk, ...], size: int) -> None:
        """Raises DamagedError, naming the file, unless all chunks are there as they were written."""
        for chunk in chunks:
            verify(self.folder / chunk.name, size, chunk.crc32)

    def adopt(self, live: tuple[Chunk, ...], first: int) -> None:
        """Goes on from a checkpoint's chunks.

        Files before row `first` are pinned: earlier checkpoints may name them. Later ones, which a resumed run
        writes again, are removed.
        """
        self.live, self.retired = live, []
        names = {chunk.name for chunk in live}
        for name in self._names():
            number = name.removesuffix(_SUFFIX)
            if name not in names and number.isdigit() and int(number) < first:
                self.retired.append(Chunk(name, int(number), 0))
        self.pinned = names | {chunk.name for chunk in self.retired}
        self._unsynced.clear()
        self.remove_garbage()

    def _names(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        names = sorted(os.listdir(self.folder))
        return [name for name in names if name.endswith((_SUFFIX, _TEMPORARY))]
