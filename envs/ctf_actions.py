"""Actions of capture the flag: one of eight words, or four factors at once."""

import gymnasium
import numpy as np

from envs.api import Action
from envs.ctf_rules import Commands

WORDS = (
    "noop",
    "forward",
    "back",
    "strafe left",
    "strafe right",
    "turn left",
    "turn right",
    "tag",
)
FACTORS = (3, 3, 3, 2)  # turn, ahead, side, tag; 0 of each is nothing
# By word: turn, ahead, side, tag.
_COMMANDS = np.zeros((len(WORDS), 4), int)
_COMMANDS[[5, 6], 0] = -1, 1
_COMMANDS[[1, 2], 1] = 1, -1
_COMMANDS[[3, 4], 2] = -1, 1
_COMMANDS[7, 3] = 1
_SIGNS = np.array([[0, -1, 1], [0, 1, -1], [0, -1, 1], [0, 1, 1]])  # by factor, class


def space(factored: bool) -> Action:
    """Returns the action space of a player."""
    if factored:
        return gymnasium.spaces.MultiDiscrete(list(FACTORS))
    return gymnasium.spaces.Discrete(len(WORDS))


def decode(action: np.ndarray, factored: bool) -> Commands:
    """Returns what actions [...] or, factored, [..., 4] say, arrays [...] each."""
    if factored:
        signed = _SIGNS[np.arange(4), action]
    else:
        signed = _COMMANDS[action]
    turn, ahead, side, tag = np.moveaxis(signed, -1, 0)
    return Commands(turn, ahead, side, tag == 1)


def encode(commands: Commands, factored: bool) -> np.ndarray:
    """Returns the actions that say commands: [..., 4], or, not factored, [...], the first of tag, turn, ahead, side."""
    turn, ahead, side = (np.asarray(each) for each in commands[:3])
    if factored:
        codes = [-turn % 3, ahead % 3, -side % 3, commands.tag]
        return np.stack(codes, -1).astype(np.int32)
    choices = [turn < 0, turn > 0, ahead > 0, ahead < 0, side < 0, side > 0]
    words = [5, 6, 1, 2, 3, 4]
    return np.select([commands.tag, *choices], [7, *words], 0).astype(np.int32)
