"""What users call: make, load, save, train, evaluate; and where each agent's parts are."""

import contextlib
import dataclasses
import importlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from agents import config as config_lib
from agents import policy
from agents.api import Agent, Spaces, Tree
from agents.checkpoint import (
    Checkpoints,
    DamagedError,
    checksum,
    lock,
    sync,
    write_error,
)
from agents.version import VERSION

_AGENTS = {
    "dreamerv2": ("agents.dreamerv2", "DreamerV2"),
    "ftw": ("agents.ftw", "FTW"),
    "impala": ("agents.impala", "IMPALA"),
    "merlin": ("agents.merlin", "MERLIN"),
    "sac": ("agents.sac", "SAC"),
    "tf_agents_dqn": ("agents.tf_agents_dqn", "DQN"),
    "tf_agents_ppo": ("agents.tf_agents_ppo", "PPO"),
}


class Entry(NamedTuple):
    """An agent's parts; only `build` loads TensorFlow."""

    config: type
    presets: Mapping[str, Mapping[str, Any]]
    ablate: Callable[[Iterable[str]], Mapping[str, Any]]
    build: Callable[..., Agent]


class SavedPolicy(NamedTuple):
    """What `save_policy` wrote: the size of the weights, and whether those that `report` reads are among them."""

    bytes: int
    dreams: bool


def entry(name: str) -> Entry:
    """Returns the parts of an agent; ValueError on an unknown name, with the near ones."""
    if name not in _AGENTS:
        raise ValueError(f"unknown agent {config_lib.near(name, _AGENTS)}")
    package, cls = _AGENTS[name]
    settings = importlib.import_module(f"{package}.config")

    def build(*args: Any, **kwargs: Any) -> Agent:
        module = importlib.import_module(f"{package}.agent")
        return getattr(module, "make", getattr(module, cls))(*args, **kwargs)

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
    import layers  # noqa: F401  (refuses another backend of Keras)
    from agents.settings import RunConfig

    parts = entry(name)
    values = config_lib.overlay(parts.presets, preset) | dict(parts.ablate(ablate))
    of_run = config_lib.names(RunConfig) - config_lib.names(parts.config)
    values = {key: value for key, value in values.items() if key not in of_run}
    return config_lib.resolve(parts.config, values | dict(overrides))


def naming(name: str, preset: str, config: Mapping[str, Any]) -> list[str]:
    """Returns the settings that name a run of an agent because they are not those of its preset, such as 'c51'.

    Raises:
        ValueError: On an unknown agent or preset.
    """
    parts = entry(name)
    plain = config_lib.overlay(parts.presets, preset)
    found = []
    for field in dataclasses.fields(parts.config):
        usual = plain.get(field.name, field.default)
        value = config.get(field.name, usual)
        if field.metadata["names_run"] and value != usual:
            found.append(value if isinstance(value, str) else f"{field.name}{value}")
    return found


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
    import layers  # noqa: F401  (refuses another backend of Keras)

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
    """Saves an agent into a folder: config.json, checkpoints/ and replay/.

    Raises:
        ValueError: If the folder holds an agent with other settings, naming the differing ones.
        LogdirInUse: If a process trains there.
    """
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    content = describe(agent)
    if (path / "config.json").exists():
        there = read_config(path)
        _refuse_other(path, there, content)
        content = there | content
    mine: pathlib.Path | None = getattr(agent, "folder", None)
    source = path if mine is None else mine
    own = source.resolve() == path.resolve()
    with contextlib.nullcontext() if own else lock(path):
        tree = {"agent": agent.get_state()}
        replay = agent.replay
        if replay is not None and not own:
            _copy_chunks(source / "replay", path / "replay", tree["agent"]["replay"])
        checkpoints = _save_newest(path / "checkpoints", agent.env_steps, tree)
        write_config(path, content)
        if replay is not None:
            replay.collect_garbage(chunks_kept(Checkpoints(source / "checkpoints")))
            if not own:
                _remove_chunks(path / "replay", chunks_kept(checkpoints))


def load(
    folder: str | os.PathLike[str],
    learn: bool = False,
    options: str = "",
    step: int | None = None,
) -> Agent:
    """Loads an agent from its folder, or from a run's logdir.

    Args:
        folder: What `agent.save` or a training run left, a policy's folder, or the name of a shipped policy, as
            'dreamerv2/catch'.
        learn: True restores optimizers and replay too, to train on in that folder, which it locks until
            `agent.close()`; False only what acting needs.
        options: Settings of its config to act with in place of its own, as 'use_memory=false'.
        step: Of which save kept, in environment steps; None: the newest. To look at, not to learn on with.

    Raises:
        FileNotFoundError: If there is no saved agent in the folder, and no shipped policy of that name.
        DamagedError: If every checkpoint is damaged.
        ValueError: If `learn` is True and the folder holds a policy, or options or a step come; on an unknown option or
            step.
        LogdirInUse: If `learn` is True and another process trains there.
    """
    path = policy.locate(folder)
    saved = read_config(path)
    if learn and policy.is_policy(path):
        raise ValueError(
            f"{path} holds a policy: it acts, but has neither optimizers nor replay to learn on with. "
            "Train a new agent, or load the folder of a run"
        )
    if learn and (options or step is not None):
        raise ValueError(
            f"{options or f'step={step}'} came, but an agent learns on with its own settings from its newest save"
        )
    config = changed_config(saved, options)
    held = lock(path) if learn else None
    try:
        agent = build(
            saved["agent"],
            Spaces.from_json(saved["spaces"]),
            config,
            saved["seed"],
            path if learn else None,
        )
        _restore(path, agent, learn, step)
    except BaseException:
        if held is not None:
            held.release()
        raise
    agent.lock = held
    return agent if learn else agent.player()


def changed_config(saved: Tree, options: str = "") -> Any:
    """Returns the config of a saved agent, with options changed; ValueError on an unknown one."""
    cls = entry(saved["agent"]).config
    return config_lib.resolve(cls, saved["config"] | config_lib.parse(cls, options))


def save_policy(
    source: Agent | str | os.PathLike[str],
    folder: str | os.PathLike[str],
    about: Tree | None = None,
) -> SavedPolicy:
    """Saves what acting and dreaming need, weights in bfloat16, at most 3 MB: what is shipped.

    Where all of it is larger, only what acting needs is saved; such a policy has `can_report` False.

    Args:
        source: An agent, or the folder of a run, whose settings are kept then.
        folder: The policy's folder; made here.
        about: What config.json says of an agent; None: what `describe` does.

    Returns:
        What was saved.

    Raises:
        ValueError: If even what acting needs is larger.
    """
    if isinstance(source, Agent):
        agent, content = source, about or describe(source)
    else:
        agent, content = load(source), read_config(pathlib.Path(source))
        content["config"] = config_lib.to_json(agent.config)
        content["run"] = content.get("run", {}) | {"logdir": ""}
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    dreams = True
    try:
        size = policy.write(path, agent.acting_state())
    except ValueError:
        dreams = False
        size = policy.write(path, agent.acting_state(report=False))
    write_config(path, content)
    return SavedPolicy(size, dreams)


def _restore(
    path: pathlib.Path, agent: Agent, learn: bool, step: int | None = None
) -> None:
    if policy.is_policy(path):
        if step is not None:
            raise ValueError(
                f"step={step} came, but {path} holds a policy, of one step"
            )
        agent.set_state(policy.read(path), learn)
        return
    if learn:
        refuse_without_replay(path)
    checkpoints = Checkpoints(path / "checkpoints")
    found = checkpoints.restore(
        lambda tree: agent.set_state(tree["agent"], learn), step
    )
    if found is None:
        raise FileNotFoundError(
            f"{path} has a config.json but no checkpoint yet: the run was stopped before its first save"
        )


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
    """Returns config.json; settings that came up after it was written have their defaults.

    Raises:
        FileNotFoundError: If there is none.
        DamagedError: If it cannot be read.
        ValueError: If it is that of a model without an environment.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no agent: it has no config.json. A run's folder looks like "
            "runs/dreamerv2/atari-Pong/atari_small/seed0"
        )
    try:
        saved = dict(json.loads(path.read_text()))
    except (TypeError, ValueError):
        saved = {}
    if "model" in saved:
        raise ValueError(f"{folder} holds a model ({saved['model']}), no agent")
    if not saved.keys() >= {"agent", "config", "seed", "spaces"}:
        raise DamagedError(
            f"{path} is damaged. Use a new logdir, or start over in this one with --fresh"
        )
    return _with_defaults(saved)


def _with_defaults(saved: Tree) -> Tree:
    from agents.settings import RunConfig

    classes: dict[str, Any] = {
        "config": entry(saved["agent"]).config,
        "run": RunConfig,
    }
    return saved | {
        part: config_lib.to_json(cls()) | saved[part]
        for part, cls in classes.items()
        if part in saved
    }


def write_config(folder: pathlib.Path, content: Tree) -> None:
    """Writes config.json in one piece."""
    temporary = folder / ".config.json"
    try:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
        sync(temporary)
        temporary.replace(folder / "config.json")
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise write_error(folder / "config.json", error) from error


def refuse_without_replay(folder: pathlib.Path) -> None:
    """Raises FileNotFoundError if the replay that a run's checkpoints name was deleted; nothing is set aside then."""
    if (folder / "replay").is_dir():
        return
    if chunks_kept(Checkpoints(folder / "checkpoints")):
        raise FileNotFoundError(
            f"{folder / 'replay'} was deleted: this run can be evaluated, but not trained on. Use a new logdir, or "
            "start over in this one with --fresh"
        )


def chunks_kept(checkpoints: Checkpoints) -> set[str]:
    """Returns the files of the replay that the checkpoints kept name."""
    replays = [tree["agent"].get("replay") for tree in checkpoints.trees_kept()]
    return {
        chunk["name"]
        for replay in replays
        if replay
        for chunk in replay["content"]["chunks"]
    }


def _save_newest(folder: pathlib.Path, step: int, tree: Tree) -> Checkpoints:
    """Saves, and removes saves of later steps, which `load` would take for the newest."""
    checkpoints = Checkpoints(folder)
    later = [path for path in folder.glob("[0-9]*") if _step_of(path) > step]
    checkpoints.keep += len(later)
    checkpoints.save(step, tree)
    for path in later:
        shutil.rmtree(path)
    return checkpoints


def _step_of(path: pathlib.Path) -> int:
    return int(path.name.partition(".")[0])


def _refuse_other(path: pathlib.Path, there: Tree, here: Tree) -> None:
    parts = [
        {name: tree[name] for name in ("agent", "seed")}
        | {"spaces": without_factors(tree["spaces"])}
        | tree["config"]
        for tree in (there, here)
    ]
    if differing := config_lib.differing(*parts):
        raise ValueError(
            f"{path} holds another agent: {'; '.join(differing)}. Save into another folder"
        )


def without_factors(spaces: Tree) -> Tree:
    """Returns spaces as JSON without what acting does not need, and agents saved earlier do not have."""
    return {key: value for key, value in spaces.items() if key != "factors"}


def _copy_chunks(source: pathlib.Path, target: pathlib.Path, tree: Tree) -> None:
    """Copies the files that a replay's state names, unless they are there already."""
    for chunk in tree["content"]["chunks"]:
        path = target / chunk["name"]
        if path.exists() and checksum(path)[1] == chunk["crc32"]:
            continue
        try:
            target.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(path.name + ".tmp")
            shutil.copyfile(source / path.name, temporary)
            sync(temporary)
            temporary.replace(path)
        except OSError as error:
            raise write_error(path, error) from error


def _remove_chunks(folder: pathlib.Path, kept: set[str]) -> None:
    """Removes the replay's files that no checkpoint kept names."""
    for path in folder.glob("*.rows"):
        if path.name not in kept:
            path.unlink()
