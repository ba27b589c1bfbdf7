"""Copies of an agent's variables, and which of its parts differ between two."""

import numpy as np


def snapshot(agent):
    """Name -> a copy of every variable."""
    return {name: np.array(value) for name, value in agent.variables().items()}


def differing(before, after):
    """The modules and optimizers of which some variable is not bit for bit what it was."""
    return {
        name.split("/")[0]
        for name, value in before.items()
        if not np.array_equal(value, after[name])
    }
