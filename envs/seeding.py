"""One seed for a vector environment becomes independent seeds for its rows."""

import numpy as np


def row_seeds(seed: int | None, count: int) -> list[int | None]:
    """Returns count seeds in [0, 2^31), those of a seed apart from those of its neighbours.

    None gives None for every row: their streams go on.
    """
    if seed is None:
        return [None] * count
    words = np.random.SeedSequence(seed).generate_state(count, np.uint32)
    return [int(word >> 1) for word in words]
