"""Checks an environment before training: `python -m launch.check_env --env=my_module:MyEnv`.

Makes random steps in it and says what it gives, what is wrong with it, what the agent does with each part of it, which
preset suits, and what a run takes here in disk and hours. It trains nothing and leaves no file.
"""

import launch.origin  # noqa: F401

import dataclasses
import json
import pathlib
import shutil
import sys
import tempfile
from typing import Any

import numpy as np
from absl import flags
from rich.console import Console

from agents import command, registry, settings, suggestion, training
from agents import config as config_lib
from agents.api import Agent, VectorEnv
from agents.status import Status
from launch import app, env_report, tensorflow_log, timing, trial
from launch.env_report import Report

_UNUSED = settings.FREE_TO_CHANGE - {"env_steps"} | {"save_every"}
_FIELDS = [
    field
    for field in dataclasses.fields(training.RunConfig)
    if field.name not in _UNUSED
]
for _field in _FIELDS:
    app.define_field(_field)
_AGENT = flags.DEFINE_string("agent", "dreamerv2", "The agent that is to train in it.")
_PRESET = flags.DEFINE_string("preset", "", "Take this preset; one is chosen if empty.")
_STEPS = flags.DEFINE_integer("steps", 1_000, "Random steps to make.", lower_bound=1)
_MEASURE = flags.DEFINE_bool(
    "measure", True, "Time the agent's acts and updates, for the hours of a run."
)
_JSON = flags.DEFINE_string("json", "", "Write the report there too.")

_WIDTH = 80  # where the output is no terminal
_FEW = 0.1  # gigabytes of the disk that must stay free


def main() -> None:
    """Runs what the flags say."""
    registry.entry(_AGENT.value)
    if not flags.FLAGS["env"].present:
        raise ValueError(
            "--env is missing: which environment is to be checked? --env=my_module:MyEnv for a class of your "
            "own, or --env=gym:CartPole-v1, --env=atari:Pong, ..."
        )
    with Status(_STEPS.value) as status:
        report = examine(status)
    env_report.show(report, Console(width=None if sys.stdout.isatty() else _WIDTH))
    if _JSON.value:
        pathlib.Path(_JSON.value).write_text(json.dumps(report, indent=2) + "\n")


def examine(status: Status) -> Report:
    """Returns the whole report; raises what training would raise."""
    chosen = _choose(status)
    overrides = app.given(training.RunConfig)
    settings = training.settings(_AGENT.value, preset=chosen.preset, **overrides)
    status.phase("random steps", _STEPS.value)
    envs = training.make_envs(settings.run)
    try:
        seen, report = _try(envs, settings, status)
    finally:
        envs.close()
    tensorflow_log.load()
    status.phase("building")
    with tempfile.TemporaryDirectory(prefix="zoo-check-") as folder:
        agent = _build(settings, envs, folder)
        try:
            report |= _about_agent(agent, envs, seen, settings, chosen)
            report["cost"] = _cost(agent, seen, settings, status)
        finally:
            agent.close()
    report["hints"] += env_report.hints(report)
    return report


def _choose(status: Status) -> suggestion.Suggestion:
    if _PRESET.value:
        return suggestion.Suggestion(_PRESET.value, ("chosen with --preset",))
    status.phase("looking at its spaces")
    return app.suggest_preset(_AGENT.value, str(flags.FLAGS["env"].value))


def _try(
    envs: VectorEnv, settings: training.Settings, status: Status
) -> tuple[trial.Trial, Report]:
    """Makes the random steps, and the first of them again, in the same environments and in new ones."""
    run = settings.run
    seen = trial.run(
        envs, _STEPS.value, run.seed, lambda made: status.update(made, 0, done=made)
    )
    status.phase("the same seed again")
    different = trial.find_difference(envs, run.seed, seen.steps)
    if not different:
        others = training.make_envs(run)
        try:
            different = trial.find_difference(others, run.seed, seen.steps)
        finally:
            others.close()
    report = {
        "env": run.env,
        "frames_per_step": envs.frames_per_step,
        "trial": _numbers(seen, run.num_envs) | {"repeatable": not different},
        "pictures": envs.render() is not None,
        "warnings": trial.find_warnings(seen, envs.spaces, run.time_limit, different),
        "hints": [],
    }
    return seen, report


def _numbers(seen: trial.Trial, num_envs: int) -> Report:
    return {
        "env_steps": seen.env_steps,
        "num_envs": num_envs,
        "steps_per_s": seen.steps_per_s,
        "reward": _range(seen.rewards)
        | {"share_not_zero": float(np.mean(seen.rewards != 0))},
        "episodes": len(seen.episodes),
        "terminated": seen.terminated,
        "truncated": seen.truncated,
        "return": _range([episode.score for episode in seen.episodes]),
        "length": _range([episode.length for episode in seen.episodes]),
    }


def _range(values: Any) -> dict[str, float]:
    """Returns low, high and mean; nothing where there is no value."""
    if not len(values):
        return {}
    low, high, mean = np.min(values), np.max(values), np.mean(values)
    return {"low": float(low), "high": float(high), "mean": float(mean)}


def _build(settings: training.Settings, envs: VectorEnv, folder: str) -> Agent:
    """Builds the agent as training would, except that its first update comes soon."""
    config = settings.config
    soon = {"prefill": 2 * getattr(config, "batch_length", 0) * envs.num_envs}
    soon["pretrain"] = 1
    mine = config_lib.names(type(config))
    early = {name: value for name, value in soon.items() if name in mine}
    config = dataclasses.replace(config, **early)
    return registry.build(
        settings.agent, envs.spaces, config, settings.run.seed, folder
    )


def _about_agent(
    agent: Agent,
    envs: VectorEnv,
    seen: trial.Trial,
    settings: training.Settings,
    chosen: suggestion.Suggestion,
) -> Report:
    rewards = (float(seen.rewards.min()), float(seen.rewards.max()))
    longest = max((episode.length for episode in seen.episodes), default=0)
    facts = suggestion.Seen(*rewards, seen.terminated, seen.truncated, longest)
    return {
        "agent": agent.name,
        "preset": chosen.preset,
        "reasons": list(chosen.reasons),
        "parameters": agent.parameters,
        "env_steps": settings.run.env_steps,
        "parts": _parts(agent, envs),
        "replay": _replay(agent, settings),
        "hints": suggestion.advise(agent, facts),
        "command": command.of_run(
            {
                "agent": settings.agent,
                "preset": settings.preset,
                "ablate": list(settings.ablate),
                "run": config_lib.to_json(settings.run),
                "config": config_lib.to_json(settings.config),
            }
        ),
    }


def _parts(agent: Agent, envs: VectorEnv) -> list[Report]:
    native = getattr(envs, "native", None)
    rows = []
    for part in suggestion.explain(agent):
        key = part.key.removeprefix("observation/")
        if part.key == "action":
            arrives: Any = envs.spaces.action
            own = native and native.action
        else:
            arrives = envs.spaces.observation[key]
            own = native and native.observation[key]
        rows.append(
            {
                "key": part.key,
                "native": trial.describe_space(own) if own is not None else None,
                "arrives": trial.describe_space(arrives),
                "goes_in": part.goes_in,
                "net": part.net,
            }
        )
    return rows


def _replay(agent: Agent, settings: training.Settings) -> Report | None:
    full = agent.replay_bytes()
    if not full:
        return None
    capacity = settings.config.replay_capacity
    step = full / capacity
    return {
        "gb_per_million_steps": step * 1e6 / 1e9,
        "capacity": capacity,
        "gb_at_capacity": full / 1e9,
        "gb_at_end": step * min(capacity, settings.run.env_steps) / 1e9,
        "gb_free_here": shutil.disk_usage(pathlib.Path.cwd()).free / 1e9 - _FEW,
    }


def _cost(
    agent: Agent, seen: trial.Trial, settings: training.Settings, status: Status
) -> Report | None:
    if not _MEASURE.value:
        return None
    status.phase("timing acts and updates", timing.UPDATES + 1)
    found = timing.measure(
        agent, seen.steps, lambda done: status.update(0, done, done=done)
    )
    lengths = [episode.length for episode in seen.episodes] or [seen.env_steps]
    parts = timing.hours(
        settings.run,
        found,
        seen.steps_per_s,
        float(np.mean(lengths)),
        getattr(settings.config, "prefill", 0),
        getattr(settings.config, "pretrain", 0),
    )
    return found._asdict() | {"hours": parts._asdict(), "hours_total": parts.total}


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
