"""The command line that repeats a run, worked out from its settings, however it was started."""

import dataclasses
import shlex
from typing import Any

from agents import config as config_lib
from agents import registry
from agents.api import Tree
from agents.settings import RunConfig, settings

# Where a run lies and when it pauses make it no other run; seeds are added by who repeats it.
_LEFT_OUT = {"logdir", "minutes", "seed"}
_ALWAYS = {"env_steps"}


def of_run(saved: Tree) -> str:
    """Returns the command without --seed and --logdir.

    Args:
        saved: `agent`, `preset`, `ablate`, `run` and `config`, as config.json holds them.

    Raises:
        ValueError: If its settings are not those of this version.
    """
    agent, run = saved["agent"], saved["run"]
    parts = registry.entry(agent)
    # Launchers choose a preset where none is given, so one is always named.
    preset = saved["preset"] or min(parts.presets)
    base = settings(agent, preset, saved["ablate"], env=run["env"])
    flags = [f"--env={run['env']}", f"--preset={preset}"]
    if saved["ablate"]:
        flags.append(f"--ablate={','.join(saved['ablate'])}")
    flags += _differing(RunConfig, run, base.run)
    flags += _differing(parts.config, saved["config"], base.config)
    return shlex.join(["python", "-m", f"launch.{agent}", *flags])


def _differing(cls: type, values: Tree, base: Any) -> list[str]:
    """The flags of the fields whose values differ from those of the base, and of what a reader looks for."""
    config: Any = config_lib.resolve(cls, values)
    return [
        _flag(field.name, getattr(config, field.name))
        for field in dataclasses.fields(config)
        if field.name in _ALWAYS
        or (
            field.name not in _LEFT_OUT
            and getattr(config, field.name) != getattr(base, field.name)
        )
    ]


def _flag(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={value}"
