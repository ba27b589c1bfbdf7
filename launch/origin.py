"""Importing this module refuses foreign packages that took one of our names; every launcher imports it first.

`agents`, `layers`, `envs` and `launch` are names that others use too. pip overwrites one distribution's files with
another's without a word, and removing the other then deletes them; a folder of that name in the working directory
or on PYTHONPATH hides ours. Each case would fail later, far from its cause.
"""

from launch.owners import NAMES, ZOO, Origin, find_origin


def check() -> None:
    """Compares the markers of the five packages; imports none of them.

    Raises:
        ImportError: If Python finds another package under one of the names, or none.
    """
    for name in NAMES:
        origin = find_origin(name)
        if not origin.ours:
            raise ImportError(explain(origin), name=name)


def explain(origin: Origin) -> str:
    """Says what Python finds instead of our package, who put it there, and what to do."""
    advice = (
        f"Install {ZOO} in a fresh virtual environment of its own. If the path above is a folder of yours, start "
        "from another folder or with `python -P -m launch.…`; if PYTHONPATH names it, with `python -E -m launch.…`."
    )
    return f"The package {origin.name!r} is not {ZOO}'s: {_finding(origin)}. {advice}"


def _finding(origin: Origin) -> str:
    if origin.path is None:
        return "Python finds none"
    if owners := origin.foreign_owners:
        return f"it comes from {origin.path} (installed by {', '.join(owners)})"
    if origin.path.is_dir():
        return f"{origin.path} has no __init__.py (removing another distribution can delete it)"
    return f"it comes from {origin.path} (installed by no distribution)"


check()
