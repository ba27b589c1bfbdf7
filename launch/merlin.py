"""Trains MERLIN, or one of its two baselines: `python -m launch.merlin --task=memory_length`.

`--task` names one of its own tasks, `--size` its size, to which rows of the memory and windows are fitted; any other environment goes by `--env`, with `--preset`. Stop it with
Ctrl-C and the same command resumes. The defaults that --help lists are those of the preset paper; a preset sets its own, and
a flag wins over it.
"""

import launch.origin  # noqa: F401

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from absl import flags

from launch import app

AGENT = "merlin"


class Task(NamedTuple):
    """One of MERLIN's own tasks.

    Attributes:
        env: Its environments, to be completed by the size.
        size: When none is given.
        by_size: Setting -> what it is for a size.
    """

    env: str
    size: int
    by_size: Mapping[str, Callable[[int], int]]


def _twice(size: int) -> int:
    return 2 * size


_GAME = {"slots": _twice, "length": _twice}  # an episode has at most 2 steps per card
_LENGTH = {"slots": int}
_GRID = {"slots": lambda size: 2 * size + 6}  # over twice the shortest way
TASKS = {
    "memory_game": Task("zoo:MemoryGame{}-v0", 8, _GAME),
    "memory_game_pictures": Task("zoo:MemoryGame{}Pictures-v0", 8, _GAME),
    "memory_length": Task("zoo:MemoryLength{}-v0", 40, _LENGTH),
    "memory_length_distractors": Task("zoo:MemoryLength{}Distractors-v0", 40, _LENGTH),
    "minigrid_memory": Task("zoo:MiniGridMemory{}-v0", 13, _GRID),
}


def set_task(name: str, size: int | None) -> None:
    """Sets the flags of a task: the environment, and what depends on the size unless it is given."""
    task = TASKS[name]
    size = task.size if size is None else size
    wanted: dict[str, Any] = {"env": task.env.format(size)}
    wanted |= {key: function(size) for key, function in task.by_size.items()}
    for key, value in wanted.items():
        if not flags.FLAGS[key].present:
            flags.FLAGS[key].parse(value)
            flags.FLAGS[key].present = True


def main() -> None:
    """Runs what the flags say."""
    values = flags.FLAGS
    if values.task is None and values.size is not None:
        raise ValueError("--size came without --task: it is the size of a task")
    if values.task is not None:
        if values["env"].present or values.game is not None:
            raise ValueError(
                "--task came with --env or --game; --task=memory_length is short for "
                "--env=zoo:MemoryLength40-v0"
            )
        set_task(values.task, values.size)
    app.train(AGENT)


def cli() -> None:
    """The console script."""
    app.run(main)


app.define_run_flags(AGENT)
flags.DEFINE_enum("task", None, sorted(TASKS), "One of MERLIN's own tasks.")
flags.DEFINE_integer(
    "size",
    None,
    "Of the task: cards, steps of the corridor, or cells of the grid.",
    lower_bound=1,
)

if __name__ == "__main__":
    cli()
