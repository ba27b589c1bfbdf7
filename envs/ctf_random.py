"""Random numbers for many games at once: a stream of its own for each, without a loop over them."""

from collections.abc import Iterable

import numpy as np

GAMMA = 0x9E3779B97F4A7C15


class Streams:
    """One SplitMix64 stream per game.

    Number i = 0, 1, ... of the stream of seed s is mix(s + (i + 1) γ) modulo 2^64, with

        mix(z) = h(z'', 31),  z'' = h(z', 27) · 0x94D049BB133111EB,  z' = h(z, 30) · 0xBF58476D1CE4E5B9,
        h(z, k) = z xor (z >> k).

    Args:
        seeds: Of each game, in [0, 2^64).

    References:
        Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", section 4.
    """

    def __init__(self, seeds: Iterable[int]):
        self._state = np.array(list(seeds), np.uint64)

    def draw(self, count: int) -> np.ndarray:
        """Returns the next numbers of every stream, [games, count] uint64."""
        z = self._state[:, None] + np.arange(1, count + 1, dtype=np.uint64) * GAMMA_64
        self._state = z[:, -1]
        z = (z ^ (z >> _30)) * _FIRST
        z = (z ^ (z >> _27)) * _SECOND
        return z ^ (z >> _31)


GAMMA_64 = np.uint64(GAMMA)
_30, _27, _31 = (np.uint64(each) for each in (30, 27, 31))
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
