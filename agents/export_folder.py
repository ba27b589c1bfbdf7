"""The folder of an export: refused where it holds something else, replaced in one piece."""

import contextlib
import errno
import os
import pathlib
import shutil
from collections.abc import Iterator

from agents.checkpoint import write_error

CARD = "card.json"
WRITTEN = {CARD, "assets", "fingerprint.pb", "saved_model.pb", "variables"}


def check(folder: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the folder as an absolute path; makes nothing.

    Raises:
        ValueError: If it holds anything but an earlier export.
        OSError: If it cannot be written to, as far as one can see without trying.
    """
    path = pathlib.Path(folder).resolve()
    there = path
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise write_error(path, OSError(errno.ENOTDIR, f"{there} is a file"))
    if not os.access(there, os.W_OK | os.X_OK):
        raise write_error(path, OSError(errno.EACCES, "no permission"))
    others = {each.name for each in there.iterdir()} - WRITTEN if there == path else ()
    if others:
        raise ValueError(
            f"{folder} holds something else than an export ({', '.join(sorted(others)[:3])}): "
            "name a new folder, or an earlier export, which is replaced"
        )
    return path


@contextlib.contextmanager
def replacing(folder: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Gives a draft to write into, which takes the folder's place at the end: nobody sees half an export.

    Raises:
        ValueError, OSError: As `check`, and where writing fails; an earlier export is whole then.
    """
    path = check(folder)
    # A server that looks for numbered versions passes it over.
    draft = path.parent / f".{path.name}.draft"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        yield draft
        if path.exists():
            shutil.rmtree(path)
        draft.rename(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
