"""Where the episodes of each stream of rows begin, and drawing among them."""

from typing import NamedTuple

import numpy as np

from agents.api import Tree


class EpisodeView(NamedTuple):
    """The episodes at one moment; later ones do not show.

    Attributes:
        starts: Per stream, the first rows of its episodes; only [low, high) counts.
        low: [streams] int64.
        high: [streams] int64.
    """

    starts: tuple[np.ndarray, ...]
    low: np.ndarray
    high: np.ndarray

    def draw(
        self, rng: np.random.Generator, size: int, first: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draws uniformly over the episodes of all streams.

        Args:
            rng: Where the numbers come from.
            size: B, draws.
            first: The first visible row of every stream.
            stop: The row after the last one.

        Returns:
            streams: [B] int64.
            begins: [B] int64, the first visible rows of the episodes drawn.
            ends: [B] int64, the rows after their last.
        """
        sums = np.cumsum(self.high - self.low)
        picks = rng.integers(sums[-1], size=size)
        streams = np.searchsorted(sums, picks, side="right")
        episodes = self.high[streams] - (sums[streams] - picks)
        bounds = np.empty((2, size), np.int64)
        for i, (stream, episode) in enumerate(zip(streams, episodes, strict=True)):
            starts, last = self.starts[stream], episode + 1 == self.high[stream]
            bounds[0, i] = max(starts[episode], first)
            bounds[1, i] = stop if last else starts[episode + 1]
        return streams, bounds[0], bounds[1]


class Episodes:
    """The episodes of which a row is visible, oldest first.

    An episode begins at an is_first row that does not follow another one: rows of a player that left, which are all
    first, are not an episode each.
    """

    def __init__(self, num_streams: int) -> None:
        self._starts = [np.empty(16, np.int64) for _ in range(num_streams)]
        self._low = np.zeros(num_streams, np.int64)
        self._high = np.zeros(num_streams, np.int64)
        self._was_first = np.zeros(num_streams, bool)

    def __len__(self) -> int:
        return int(np.sum(self._high - self._low))

    def add(self, row: int, is_first: np.ndarray) -> None:
        """Takes [streams] bool, the flags of the rows with this number; row 0 always begins an episode."""
        begins = is_first & ~self._was_first if row else np.ones_like(is_first)
        for stream in np.flatnonzero(begins):
            starts, count = self._starts[stream], self._high[stream]
            if count == len(starts):
                starts = self._starts[stream] = np.concatenate([starts, starts])
            starts[count] = row
            self._high[stream] += 1
        self._was_first = is_first.copy()

    def forget(self, first: int) -> None:
        """Drops the episodes that end before row `first`."""
        for stream, starts in enumerate(self._starts):
            low, high = self._low[stream], self._high[stream]
            low += np.searchsorted(starts[low:high], first, side="right") - 1
            if 2 * low > len(starts):
                self._starts[stream] = starts[low:].copy()
                low, high = 0, high - low
            self._low[stream], self._high[stream] = low, high

    def view(self) -> EpisodeView:
        """Returns what is there now; arrays handed out are only ever written at and after `high`."""
        return EpisodeView(tuple(self._starts), self._low.copy(), self._high.copy())

    def get_state(self) -> Tree:
        """Returns the episodes that are not dropped."""
        bounds = zip(self._starts, self._low, self._high, strict=True)
        return {
            "starts": np.concatenate(
                [starts[low:high] for starts, low, high in bounds]
            ),
            "counts": self._high - self._low,
            "was_first": self._was_first.copy(),
        }

    def set_state(self, tree: Tree) -> None:
        """Inverts `get_state`."""
        self._high = np.array(tree["counts"])
        self._low = np.zeros_like(self._high)
        parts = np.split(tree["starts"], np.cumsum(self._high)[:-1])
        self._starts = [np.append(part, 0) for part in parts]  # room to grow
        self._was_first = np.array(tree["was_first"])
