"""The folder of a run: made, emptied, and refused where it holds another run."""

import contextlib
import pathlib
import shutil
from collections.abc import Collection

from agents import checkpoint
from agents import config as config_lib
from agents.api import Tree

_WRITTEN = (
    "config.json",
    "metrics.jsonl",
    "events.out.tfevents.*",
    "not_finite_batch.npz",
    "results.json",
)


def prepare(logdir: pathlib.Path, fresh: bool) -> None:
    """Makes the folder and sees that it can be written to; with `fresh` what a run left there goes.

    Raises:
        OSError: If it cannot be written; says where and what to do.
        LogdirInUse: If `fresh` is set and a process writes there.
    """
    _check_writable(logdir)
    if fresh:
        _remove_run(logdir)


def refuse_other(
    logdir: pathlib.Path, there: Tree, now: Tree, free: Collection[str]
) -> None:
    """Raises ValueError, naming what differs, if the settings there are not those asked for.

    Args:
        logdir: Where a run lies.
        there: Its settings.
        now: Those asked for.
        free: Names of settings that may differ.
    """
    differing = config_lib.differing(
        {key: value for key, value in there.items() if key not in free},
        {key: value for key, value in now.items() if key not in free},
    )
    if differing:
        raise ValueError(
            f"{logdir} holds another run: {'; '.join(differing)}. "
            "Give another --logdir, the same settings, or --fresh to start over in it"
        )


def _check_writable(logdir: pathlib.Path) -> None:
    probe = logdir / ".writable"
    try:
        logdir.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(bytes(4096))
    except OSError as error:
        text = checkpoint.write_error(logdir, error).strerror
        raise OSError(f"{text}, or give another --logdir") from error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def _remove_run(logdir: pathlib.Path) -> None:
    """Removes what a run wrote, and nothing else."""
    with checkpoint.lock(logdir):
        for name in ("checkpoints", "pictures", "replay", "videos"):
            shutil.rmtree(logdir / name, ignore_errors=True)
        for pattern in _WRITTEN:
            for path in logdir.glob(pattern):
                path.unlink()
