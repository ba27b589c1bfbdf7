"""Trains MERLIN, or one of its two baselines: `python -m launch.merlin --task=memory_length`.

`--task` names one of its own tasks, `--size` its size; any other environment goes by `--env`, with `--preset`. Stop it with
Ctrl-C and the same command resumes. The defaults that --help lists are those of the preset paper; a preset sets its own, and
a flag wins over it.
"""

import launch.origin  # noqa: F401

from absl import flags

from launch import app

AGENT = "merlin"
# Task -> its environments, to be completed by the size, and the size when none is given.
TASKS = {
    "memory_game": ("zoo:MemoryGame{}-v0", 8),
    "memory_game_pictures": ("zoo:MemoryGame{}Pictures-v0", 8),
    "memory_length": ("zoo:MemoryLength{}-v0", 40),
    "memory_length_distractors": ("zoo:MemoryLength{}Distractors-v0", 40),
    "minigrid_memory": ("zoo:MiniGridMemory{}-v0", 13),
}


def task_env(task: str, size: int | None) -> str:
    """Returns the environment of a task."""
    pattern, usual = TASKS[task]
    return pattern.format(size or usual)


def main() -> None:
    """Runs what the flags say."""
    values = flags.FLAGS
    if values.task is None and values.size is not None:
        raise ValueError("--size came without --task: it is the size of a task")
    if values.task is not None:
        if values["env"].present or values.game is not None:
            raise ValueError(
                "--task came with --env or --game; --task=memory_length is short for "
                f"--env={task_env('memory_length', None)}"
            )
        values["env"].parse(task_env(values.task, values.size))
        values["env"].present = True
    app.train(AGENT)


def cli() -> None:
    """The console script."""
    app.run(main)


app.define_run_flags(AGENT)
flags.DEFINE_enum("task", None, sorted(TASKS), "One of MERLIN's own tasks.")
flags.DEFINE_integer(
    "size", None, "Of the task: cards, steps of the corridor, or cells of the grid."
)

if __name__ == "__main__":
    cli()
