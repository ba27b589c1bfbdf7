"""What users call: make, load, save, train, evaluate; and where each agent's parts are."""

import importlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from agents import config as config_lib
from agents.api import Agent, Spaces, Tree
from agents.checkpoint import Checkpoints, lock
from agents.version import VERSION

_AGENTS = {"dreamerv2": ("agents.dreamerv2", "DreamerV2")}


class Entry(NamedTuple):
    """An agent's parts; only `build` loads TensorFlow."""

    config: type
    presets: Mapping[str, Mapping[str, Any]]
    ablate: Callable[[Iterable[str]], Mapping[str, Any]]
    build: Callable[..., Agent]


def entry(name: str) -> Entry:
    """Returns the parts of an agent; ValueError on an unknown name, with the near ones."""
    if name not in _AGENTS:
        raise ValueError(f"unknown agent {config_lib.near(name, _AGENTS)}")
    package, cls = _AGENTS[name]
    settings = importlib.import_module(f"{package}.config")

    def build(*args: Any, **kwargs: Any) -> Agent:
        return getattr(importlib.import_module(f"{package}.agent"), cls)(
            *args, **kwargs
        )

    return Entry(
        getattr(settings, f"{cls}Config"), settings.PRESETS, settings.ablate, build
    )


def resolve(
    name: str,
    preset: str,
    overrides: Mapping[str, Any],
    ablate: Iterable[str] = (),
) -> Any:
    """Returns the agent's config: preset, then ablations, then overrides; fields of the run are passed over.

    Raises:
        ValueError: On an unknown agent, preset, ablation or option, or a value of the wrong kind.
    """
    from agents.training import RunConfig

    parts = entry(name)
    values = config_lib.overlay(parts.presets, preset) | dict(parts.ablate(ablate))
    of_run = config_lib.names(RunConfig) - config_lib.names(parts.config)
    values = {key: value for key, value in values.items() if key not in of_run}
    return config_lib.resolve(parts.config, values | dict(overrides))


def make(
    name: str,
    spaces: Spaces,
    preset: str = "",
    seed: int = 0,
    *,
    folder: str | os.PathLike[str] | None = None,
    ablate: Iterable[str] = (),
    **overrides: Any,
) -> Agent:
    """Builds a new agent.

    Args:
        name: For example 'dreamerv2'.
        spaces: `envs.spaces` of the environment.
        preset: A preset's name, or several as 'a,b', the later on top; the defaults when empty.
        seed: Seeds weights, batches and noise.
        folder: Where its replay lies; a temporary folder when None.
        ablate: Rows of the paper's ablation table.
        **overrides: Fields of its config.

    Raises:
        ValueError: On an unknown name, preset or option, or spaces that the agent cannot use.
    """
    config = resolve(name, preset, overrides, ablate)
    return build(name, spaces, config, seed, folder)


def build(
    name: str,
    spaces: Spaces,
    config: Any,
    seed: int,
    folder: str | os.PathLike[str] | None,
) -> Agent:
    """Builds an agent from a resolved config."""
    agent = entry(name).build(spaces, config, seed=seed, folder=folder)
    agent.name = name
    agent.seed = seed
    return agent


def describe(agent: Agent, **more: Any) -> Tree:
    """Returns what config.json holds: enough to build the same agent again."""
    return {
        "zoo": VERSION,
        "agent": agent.name,
        "seed": agent.seed,
        "config": config_lib.to_json(agent.config),
        "spaces": agent.spaces.to_json(),
    } | more


def save(agent: Agent, folder: str | os.PathLike[str]) -> None:
    """Saves an agent into a folder of its own: config.json, checkpoints/ and replay/."""
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    write_config(path, describe(agent))
    tree = {"agent": agent.get_state()}
    source = getattr(agent, "folder", None)
    if source is not None and source.resolve() != path.resolve():
        _copy_replay(source / "replay", path / "replay")
    Checkpoints(path / "checkpoints").save(agent.env_steps, tree)


def load(folder: str | os.PathLike[str], learn: bool = False) -> Agent:
    """Loads an agent from its folder, or from a run's logdir.

    Args:
        folder: What `agent.save` or a training run left.
        learn: True restores optimizers and replay too, to train on in that folder, which it locks until
            `agent.close()`; False only what acting needs.

    Raises:
        FileNotFoundError: If there is no saved agent in the folder.
        DamagedError: If every checkpoint is damaged.
        LogdirInUse: If `learn` is True and another process trains there.
    """
    path = pathlib.Path(folder)
    saved = read_config(path)
    parts = entry(saved["agent"])
    config: Any = config_lib.resolve(parts.config, saved["config"])
    agent = build(
        saved["agent"],
        Spaces.from_json(saved["spaces"]),
        config,
        saved["seed"],
        path if learn else None,
    )
    checkpoints = Checkpoints(path / "checkpoints")
    if learn:
        agent.lock = lock(path)
    step = checkpoints.restore(lambda tree: agent.set_state(tree["agent"], learn))
    if step is None:
        raise FileNotFoundError(
            f"{path} has a config.json but no checkpoint yet: the run was stopped before its first save"
        )
    return agent


def train(agent: str = "dreamerv2", **settings: Any) -> Agent:
    """Trains: `agents.train('dreamerv2', env='zoo:Catch-v0', preset='minatar', env_steps=20_000)`.

    Args:
        agent: The agent's name.
        **settings: `env`, `preset`, `ablate`, `fresh`, and fields of RunConfig and of the agent's config.

    Returns:
        The trained agent; its logdir holds metrics, videos and checkpoints.
    """
    from agents import training

    return training.train(training.settings(agent, **settings))


def evaluate(folder: str | os.PathLike[str], **settings: Any) -> dict[str, Any]:
    """Evaluates the agent of a folder: see `agents.evaluation.evaluate`."""
    from agents import evaluation

    return evaluation.evaluate(folder, **settings)


def read_config(folder: pathlib.Path) -> Tree:
    """Returns config.json; FileNotFoundError where there is none."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no agent: it has no config.json. A run's folder looks like "
            "runs/dreamerv2/atari-Pong/atari_small/seed0"
        )
    return json.loads(path.read_text())


def write_config(folder: pathlib.Path, content: Tree) -> None:
    """Writes config.json in one piece."""
    temporary = folder / ".config.json"
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(folder / "config.json")


def _copy_replay(source: pathlib.Path, target: pathlib.Path) -> None:
    if not source.is_dir():
        return
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_file() and not (target / path.name).exists():
            shutil.copy2(path, target / path.name)
