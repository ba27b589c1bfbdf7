"""The error of an environment that misbehaves."""

import traceback


class EnvError(RuntimeError):
    """An environment raised, died, hung or broke its own spaces.

    The text says which row, at which step and after which action, and carries the
    environment's traceback as text; so the error can be pickled whatever the cause was.
    """


class MissingError(ImportError):
    """Something that an environment needs is not installed; the text says what to install."""


def describe_exception() -> str:
    """Returns the traceback of the exception being handled, as indented text."""
    return "\n  " + traceback.format_exc().rstrip().replace("\n", "\n  ")
