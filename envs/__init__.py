"""Environments: one adapter per suite, one way to make them, every step checked."""

from typing import Any

import gymnasium

from envs.api import Spaces, Step, VectorEnv
from envs.errors import EnvError, RowsError
from envs.make import check_name, describe, make, parse_options
from envs.options import format_options

__zoo__ = "latent-agent-zoo"
__all__ = [
    "EnvError",
    "RowsError",
    "Spaces",
    "Step",
    "VectorEnv",
    "check_name",
    "describe",
    "format_options",
    "make",
    "parse_options",
]


def _register(name: str, entry_point: str, **kwargs: Any) -> None:
    gymnasium.register(f"zoo/{name}-v0", f"envs.{entry_point}", kwargs=kwargs)


_register("Catch", "catch:Catch")
_register("Counting", "counting:Counting")
_register("Dials", "dials:Dials")
for _cards in (4, 6, 8, 12, 16):
    _game = "memory_game:MemoryGame"
    _register(f"MemoryGame{_cards}", _game, cards=_cards)
    _register(f"MemoryGame{_cards}Pictures", _game, cards=_cards, pictures=True)
for _length in (10, 20, 40, 80):
    _walk = "memory_length:MemoryLength"
    _register(f"MemoryLength{_length}", _walk, length=_length)
    _register(f"MemoryLength{_length}Distractors", _walk, length=_length, distractors=8)
for _size in (7, 9, 11, 13, 15, 17, 21, 31):
    _register(f"MiniGridMemory{_size}", "minigrid_memory:MiniGridMemory", size=_size)
