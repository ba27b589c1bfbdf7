"""What a run is: the run's own settings, and their resolution together with the agent's."""

import dataclasses
import pathlib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import envs as envs_lib
from agents import config as config_lib
from agents import registry
from agents.api import VectorEnv
from agents.config import option


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What a run needs beside the agent's own settings. Steps are environment steps (agent decisions)."""

    env: str = option("atari:Pong", "Environment, suite:name.")
    num_envs: int = option(1, "Environments stepped together.", low=1)
    env_steps: int = option(1_000_000, "Environment steps of the whole run.", low=1)
    seed: int = option(0, "Seeds weights, batches, noise and environments.")
    logdir: str = option("", "Folder of the run; runs/AGENT/ENV/PRESET/seedN if empty.")
    action_repeat: int = option(0, "Frames per step; the suite's own if 0.")
    time_limit: int = option(
        0, "Steps after which an episode is cut; the suite's if 0."
    )
    full_action_space: bool = option(
        False, "All 18 Atari actions, not the minimal set."
    )
    env_options: str = option(
        "",
        "More options of the suite by comma, such as rgb=true (minigrid) or "
        "pixels=false,fast_render=true (dm_control); envs.make lists them.",
    )
    parallel: str = option(
        "auto",
        "Environments in this process, or one process each; 'auto' is the suite's own.",
        ("auto", "sync", "process"),
    )
    log_every: int = option(1_000, "Steps between lines of metrics.jsonl.", low=1)
    save_every: int = option(
        10_000, "Steps between checkpoints; each cuts the open episodes.", low=1
    )
    eval_every: int = option(10_000, "Steps between evaluations; 0 for none.")
    eval_episodes: int = option(4, "Episodes per evaluation.")
    video_every: int = option(10_000, "Steps between videos; 0 for none.")
    keep: int = option(3, "Checkpoints kept.", low=1)
    minutes: float = option(
        0.0, "Stop after so many minutes and save; 0 for no such limit."
    )
    actors: int = option(
        0,
        "Ray processes that act, each with num_envs environments; 0: this process acts and learns in turn.",
    )
    arenas: int = option(
        0,
        "Of a population: Ray processes that play its games, each with num_envs players, while each member learns in one of "
        "its own; 0: all in this process.",
    )
    gpus_per_member: float = option(
        0.0, "With arenas: the GPUs that each member learns on, such as 0.25; 0: none."
    )
    max_lag: int = option(
        0,
        "With actors or arenas: updates by which weights that act may be older than those that learn, at least as many as there "
        "are actors; 0: twice as many.",
    )
    ray_address: str = option(
        "",
        "With actors or arenas: a running Ray cluster, 'auto' for the one of this machine.",
    )


# What may differ when a run is resumed: nothing here changes what is learned.
FREE_TO_CHANGE = {
    "actors",
    "arenas",
    "env_steps",
    "eval_episodes",
    "eval_every",
    "gpus_per_member",
    "keep",
    "log_every",
    "logdir",
    "max_lag",
    "minutes",
    "ray_address",
    "video_every",
}


# Options of environments that are settings of the run by themselves.
_FLAGGED = ("action_repeat", "time_limit", "full_action_space")


class Settings(NamedTuple):
    """A run, resolved: nothing is looked up after this.

    Attributes:
        variants: What names the run beside its preset: ablations, and settings of which the config says so.
    """

    agent: str
    preset: str
    ablate: tuple[str, ...]
    run: RunConfig
    config: Any
    fresh: bool = False
    variants: tuple[str, ...] = ()

    @property
    def logdir(self) -> pathlib.Path:
        """The folder of the run."""
        return pathlib.Path(self.run.logdir)


def settings(
    agent: str,
    /,
    preset: str = "",
    ablate: Iterable[str] = (),
    fresh: bool = False,
    **overrides: Any,
) -> Settings:
    """Resolves a run: presets, ablations, then overrides (fields of RunConfig and of the agent's config).

    Raises:
        ValueError: On anything unknown, with the near names; before anything is built.
    """
    parts = registry.entry(agent)
    ablate = tuple(ablate)
    known = config_lib.names(RunConfig, parts.config)
    for name in overrides:
        if name not in known:
            raise ValueError(f"unknown option {config_lib.near(name, known)}")
    of_agent = config_lib.names(parts.config)
    base = config_lib.overlay(parts.presets, preset)
    if _suite(overrides.get("env")) not in (_suite(base.get("env")), ""):
        base.pop("env_options", None)  # they are those of the preset's suite
    values = base | overrides
    run = config_lib.resolve(
        RunConfig, {key: value for key, value in values.items() if key not in of_agent}
    )
    envs_lib.check_name(run.env)
    options = _env_options(run)
    run = dataclasses.replace(run, env_options=envs_lib.format_options(options))
    config = registry.resolve(
        agent,
        preset,
        {key: value for key, value in overrides.items() if key in of_agent},
        ablate,
    )
    variants = (*ablate, *registry.naming(agent, preset, config_lib.to_json(config)))
    if not run.logdir:
        logdir = default_logdir(agent, preset, variants, run)
        run = dataclasses.replace(run, logdir=logdir)
    return Settings(agent, preset, ablate, run, config, fresh, variants)


def _suite(env: str | None) -> str:
    return (env or "").partition(":")[0]


def default_logdir(
    agent: str, preset: str, variants: Iterable[str], run: RunConfig
) -> str:
    """Returns runs/AGENT/ENV/PRESET/seedN, variants behind the preset."""
    env = re.sub(r"[^A-Za-z0-9_.-]+", "-", run.env)
    variant = "-".join([preset.replace(",", "+") or "default", *variants])
    return f"runs/{agent}/{env}/{variant}/seed{run.seed}"


def make_envs(run: RunConfig, num_envs: int | None = None) -> VectorEnv:
    """Makes the environments of a run, or other numbers of them for evaluation: then whole games of several players."""
    try:
        return envs_lib.make(
            run.env,
            num_envs or run.num_envs,
            parallel=None if run.parallel == "auto" else run.parallel,
            **env_options(run),
        )
    except envs_lib.RowsError as error:
        if num_envs is None:
            raise
        return make_envs(run, -(-num_envs // error.players) * error.players)
    except TypeError as error:
        raise ValueError(f"{run.env} cannot be made so: {error}") from error


def env_options(run: RunConfig) -> dict[str, Any]:
    """Returns a run's options of `envs.make`, those with flags of their own too."""
    wanted = {name: getattr(run, name) for name in _FLAGGED}
    return _env_options(run) | {key: value for key, value in wanted.items() if value}


def with_env_options(run: RunConfig, text: str) -> RunConfig:
    """Returns a run with options of its environment replaced, as 'sticky=0,noop_max=1'.

    Raises:
        ValueError: On an option that its suite does not have, or a wrong value.
    """
    changed = envs_lib.parse_options(run.env, text)
    flagged = {name: changed.pop(name) for name in _FLAGGED if name in changed}
    options = _env_options(run)
    if "kwargs" in changed:
        changed["kwargs"] = options.get("kwargs", {}) | changed["kwargs"]
    spelled = envs_lib.format_options(options | changed)
    return dataclasses.replace(run, **flagged, env_options=spelled)


def _env_options(run: RunConfig) -> dict[str, Any]:
    options = envs_lib.parse_options(run.env, run.env_options)
    for name in options.keys() & set(_FLAGGED):
        raise ValueError(f"env_options: {name} is a setting of its own, --{name}")
    return options
