"""The error of an environment that misbehaves."""

import traceback


class EnvError(RuntimeError):
    """An environment raised, died, hung or broke its own spaces.

    The text says which row, at which step and after which action, and carries the
    environment's traceback as text; so the error can be pickled whatever the cause was.
    """


class MissingError(ImportError):
    """Something that an environment needs is not installed; the text says what to install."""


class RowsError(ValueError):
    """Rows do not make up whole games of several players.

    Args:
        num_envs: Rows that were asked for.
        players: Players of a game.

    Attributes:
        players: Players of a game.
    """

    def __init__(self, num_envs: int, players: int):
        super().__init__(
            f"num_envs counts rows, players x games: got {num_envs}; expected a multiple of the {players} players "
            "of a game"
        )
        self.players = players


def describe_exception() -> str:
    """Returns the traceback of the exception being handled, as indented text."""
    return "\n  " + traceback.format_exc().rstrip().replace("\n", "\n  ")
