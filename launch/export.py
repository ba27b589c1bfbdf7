"""Writes a policy as a SavedModel: `python -m launch.export --logdir=RUN --output=DIR`.

Or of a shipped policy: `--policy=dreamerv2/minatar-breakout`. What is written acts bit for bit as the agent does, in any
process that has TensorFlow; card.json beside it says how to make the environment that it was trained in.
"""

import launch.origin  # noqa: F401

import pathlib

from absl import flags

import envs
from agents import config as config_lib
from agents import export_folder, policy, registry
from agents import settings as settings_lib
from agents.api import Tree
from agents.logger import read_metrics
from agents.settings import RunConfig
from launch import app, tensorflow_log

_LOGDIR = flags.DEFINE_string("logdir", None, "Folder of the run.")
_POLICY = flags.DEFINE_string("policy", None, "A shipped policy, AGENT/NAME.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "Where the SavedModel is written; an earlier one there is replaced."
)
_JIT = flags.DEFINE_bool(
    "jit_compile", False, "Compile with XLA where it is loaded; made for GPUs."
)


def main() -> None:
    """Loads the agent, and writes SavedModel and card."""
    source = _LOGDIR.value or _POLICY.value
    if not source or (_LOGDIR.value and _POLICY.value):
        raise ValueError(
            "one of --logdir and --policy is needed: what is to be written?"
        )
    if not _OUTPUT.value:
        raise ValueError("--output is needed: where is the SavedModel to lie?")
    folder = policy.locate(source)
    saved = registry.read_config(folder)
    output = export_folder.check(_OUTPUT.value)  # before TensorFlow takes its time
    tensorflow_log.load()
    agent = registry.load(folder)
    if not agent.updates:
        raise ValueError(
            f"{folder} made no update yet, at step {agent.env_steps:,}: its policy acts at random. "
            "Let it train on, then export"
        )
    agent.export(output, card(folder, saved), _JIT.value)
    size = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    print(
        f"Wrote {_OUTPUT.value} ({size / 1e6:.1f} MB): greedy, sample, initial_state; card.json"
    )


def card(folder: pathlib.Path, saved: Tree) -> Tree:
    """Returns what a run's folder knows beside the agent itself: environment, preset, command, commit."""
    if "run" not in saved:
        return {}
    run = config_lib.resolve(RunConfig, saved["run"])
    content = {
        "env": envs.describe(run.env, **settings_lib.env_options(run)),
        "preset": saved["preset"],
        "ablate": saved["ablate"],
    }
    content |= last_return(folder)
    known = {key: saved[key] for key in ("command", "commit") if saved.get(key)}
    return content | known


def last_return(folder: pathlib.Path) -> Tree:
    """Returns the last mean return in metrics.jsonl, of evaluation episodes where there were any."""
    path = folder / "metrics.jsonl"
    rows = read_metrics(path) if path.exists() else []
    for key in ("eval_return", "return"):
        for row in reversed(rows):
            if row.get(key) is not None:
                return {key: row[key], f"{key}_at": row["env_steps"]}
    return {}


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
