"""Prepares batches off the training thread, each a pure function of what was asked and of the rows then stored."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from agents.replay import Replay


class Sampler:
    """Samples batch u + 1 while the update on batch u runs.

    Batch u is a pure function of (seed, u, rows stored when it was asked for): at `get(u)` itself when it is the first
    or after a `cut`, else at `get(u - 1)`.

    Args:
        replay: Where batches come from; rows may be added meanwhile.
        batch_size: B, windows per batch.
    """

    def __init__(self, replay: Replay, batch_size: int) -> None:
        self.replay = replay
        self.batch_size = batch_size
        self._ahead: tuple[int, Future[dict[str, np.ndarray]]] | None = None
        self._thread = ThreadPoolExecutor(1, "sampler")

    def get(self, update: int) -> dict[str, np.ndarray]:
        """Returns the batch of this update, key -> [T, B, ...], and begins on the next one.

        Raises:
            Whatever sampling raised, in whichever thread it ran.
        """
        if self._ahead is None or self._ahead[0] != update:
            self._request(update)
        assert self._ahead is not None
        future, self._ahead = self._ahead[1], None
        batch = future.result()
        self._request(update + 1)
        return batch

    def cut(self) -> None:
        """Drops the batch prepared ahead; a run that goes on after a save thus samples as a resumed one does."""
        self._ahead = None

    def close(self) -> None:
        """Ends the thread; may be called twice."""
        self._ahead = None
        self._thread.shutdown(cancel_futures=True)

    def _request(self, update: int) -> None:
        key = (0, update)  # key[0] keeps batches for other purposes apart
        snapshot = self.replay.snapshot()
        future = self._thread.submit(
            self.replay.sample, key, self.batch_size, snapshot=snapshot
        )
        self._ahead = (update, future)
