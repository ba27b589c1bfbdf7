"""From a name to an environment: `make('suite:name', ...)`."""

import dataclasses
import difflib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium

from envs import (
    crafter,
    ctf_config,
    dm_control,
    minatar,
    minigrid,
    minigrid_memory,
    modules,
    popgym,
)
from envs import options as options_lib
from envs.api import VectorEnv
from envs.atari import FIXED, AtariEnvs, find_rom
from envs.ctf import CaptureTheFlag
from envs.errors import RowsError
from envs.extras import require
from envs.gym import GymEnvs
from envs.parallel import ParallelGame
from envs.reset_mask import Game, ResetMaskEnvs
from envs.vector import GymVectorEnvs

ZOO = "zoo/"


def make(
    name: str,
    num_envs: int = 1,
    seed: int = 0,
    *,
    parallel: str | None = None,
    timeout_s: float = 60,
    **options: Any,
) -> VectorEnv:
    """Makes a vector environment.

    Names:
        atari:Pong, atari:ms_pacman: ale-py's games. Options: num_threads, sticky, noop_max,
            full_action_space, grayscale, size, max_frames.
        dm_control:cartpole-swingup: pictures, or the state. Options: pixels, fast_render, camera.
        minatar:Breakout-v1, minigrid:MiniGrid-Empty-5x5-v0 (option rgb), crafter:Crafter,
        crafter:CrafterNoReward, popgym:RepeatPreviousEasy-v0, gym:CartPole-v1,
        gym:some_module:Some/Env-v0: whatever is registered with gymnasium.
        zoo:Catch-v0, zoo:MemoryGame8-v0, zoo:MemoryLength40-v0, zoo:MiniGridMemory13-v0: our own.
        ctf:small, ctf:medium, ctf:large: capture the flag, of several players. Options: size, team_size,
            length, out_steps, rgb, factored, win_reward.
        meltingpot:paintball__capture_the_flag: another, by DeepMind (experimental). Option: team_size.
        some_module:Class: a class or factory that returns a gymnasium.Env, a gymnasium VectorEnv
            (NEXT_STEP), a `Game` with a reset mask or a pettingzoo ParallelEnv of two teams; importable,
            also from the current directory. One that takes `num_envs` gets it.

    Args:
        name: 'suite:name'.
        num_envs: B, the number of rows; with several players, players x games.
        seed: Of the first reset.
        parallel: None or 'sync' steps gymnasium environments in this process, one after another, the
            fastest way for most of them; 'process' gives each a process of its own, which can be ended
            when it hangs. Atari always has threads of its own, dm_control by default a process per row.
        timeout_s: Seconds a gymnasium environment may take for a step.
        **options: action_repeat, time_limit (agent steps), size (images of 32 pixels a side or more
            become size x size; None leaves them), grayscale, check_bounds; those above; and for gym
            and modules `kwargs`, a dict of arguments for the constructor.

    Raises:
        ValueError: For an unknown suite or name, with the near ones, or spaces that are not supported; a
            RowsError for rows that make up no whole games.
        TypeError: For an unknown option, with the known ones.
        ImportError: If the suite's extra, or OpenGL for its pictures, is not installed; it says which.
        EnvError: If the environment's constructor raises.
    """
    _check_arguments(name, num_envs, parallel)
    suite, _, rest = name.partition(":")
    build = SUITES.get(suite, _module)
    options_lib.check(suite, build, options)
    common = {"parallel": parallel, "timeout_s": timeout_s}
    return build(name, rest, num_envs, seed, common, **options)


def describe(name: str, **options: Any) -> dict[str, Any]:
    """Returns what one must know to make the same environment elsewhere.

    Args:
        name: 'suite:name'.
        **options: As `make` takes them.

    Returns:
        `name`; `options`, all of them, defaults too; `frames_per_step`; `action_meanings`; and `fixed`, what the suite's
        adapter does in any case.

    Raises:
        As `make`.
    """
    suite = name.partition(":")[0]
    try:
        made = make(name, 1, **options)
    except RowsError as error:
        made = make(name, error.players, **options)
    try:
        native = getattr(made, "native", None)
        return {
            "name": name,
            "options": options_lib.resolved(SUITES.get(suite, _module), options),
            "frames_per_step": made.frames_per_step,
            "action_meanings": list(native.action_meanings) if native else [],
            "fixed": FIXED if suite == "atari" else {},
        }
    finally:
        made.close()


def parse_options(name: str, text: str) -> dict[str, Any]:
    """Reads 'fast_render=true,kwargs.level=3' as options of `make` for an environment.

    Raises:
        ValueError: For text of another form, an option that its suite does not have, or a wrong value.
    """
    suite = name.partition(":")[0]
    return options_lib.parse(suite, SUITES.get(suite, _module), text)


def check_name(name: str) -> None:
    """Raises what `make` would raise for a name that is unknown, or whose extra is missing; builds nothing."""
    _check_arguments(name, 1, None)
    suite, _, rest = name.partition(":")
    if suite == "atari":
        find_rom(rest)
    elif suite == "gym":
        _find_spec(name, rest)
    elif suite == "dm_control":
        dm_control.find_task(rest)
    elif suite == "meltingpot":
        from envs import meltingpot

        _require_known(name, rest, list(meltingpot.NAMES))
        meltingpot.find()
    elif suite in _KNOWN:
        _require_known(name, rest, _KNOWN[suite]())
        if suite == "zoo" and rest.startswith(minigrid_memory.NAME):
            minigrid.register()
    else:
        modules.find(name, SUITES)


def _atari(
    name: str,
    rest: str,
    num_envs: int,
    seed: int,
    common: dict,
    *,
    num_threads: int = 0,
    sticky: float = 0.25,
    noop_max: int = 30,
    full_action_space: bool = False,
    grayscale: bool = True,
    size: int = 64,
    max_frames: int = 108_000,
) -> VectorEnv:
    if common["parallel"] is not None:
        raise ValueError(
            f"{name} has threads of its own: leave parallel at None and set num_threads"
        )
    return AtariEnvs(
        name,
        find_rom(rest),
        num_envs,
        seed,
        num_threads=num_threads,
        sticky=sticky,
        noop_max=noop_max,
        full_action_space=full_action_space,
        grayscale=grayscale,
        size=size,
        max_frames=max_frames,
    )


def _dm_control(
    name: str,
    rest: str,
    num_envs: int,
    seed: int,
    common: dict,
    *,
    pixels: bool = True,
    fast_render: bool = False,
    size: int = 64,
    camera: int | None = None,
    action_repeat: int = 1,
    **options: Any,
) -> VectorEnv:
    task = dm_control.find_task(rest)
    parallel = common["parallel"] or "process"
    if pixels and parallel == "sync":
        raise ValueError(
            f"{name} draws in worker processes, for its OpenGL and TensorFlow can crash each other in one: "
            "leave parallel at None, or train from state with pixels=False"
        )
    make_env = partial(
        dm_control.ControlSuite,
        task,
        pixels,
        fast_render,
        size,
        camera,
        action_repeat,
        draws=parallel == "process",
    )
    repeat = {"action_repeat": action_repeat, "repeats_itself": True}
    options |= common | repeat | {"size": size, "parallel": parallel}
    return GymEnvs(name, make_env, num_envs, seed, **options)


def _crafter(
    name: str,
    rest: str,
    num_envs: int,
    seed: int,
    common: dict,
    *,
    size: int = 64,
    **options: Any,
) -> VectorEnv:
    _require_known(name, rest, _KNOWN["crafter"]())
    make_env = partial(crafter.Crafter, rest == "Crafter", size)
    return GymEnvs(name, make_env, num_envs, seed, **common, size=size, **options)


def _minatar(
    name: str, rest: str, num_envs: int, seed: int, common: dict, **options: Any
) -> VectorEnv:
    _require_known(name, rest, _KNOWN["minatar"]())
    make_env = partial(minatar.make_env, rest)
    return GymEnvs(name, make_env, num_envs, seed, **common, **options)


def _minigrid(
    name: str,
    rest: str,
    num_envs: int,
    seed: int,
    common: dict,
    *,
    rgb: bool = False,
    **options: Any,
) -> VectorEnv:
    _require_known(name, rest, _KNOWN["minigrid"]())
    make_env = partial(minigrid.make_env, rest, rgb)
    return GymEnvs(name, make_env, num_envs, seed, **common, **options)


def _prefixed(
    prefix: str,
    name: str,
    rest: str,
    num_envs: int,
    seed: int,
    common: dict,
    *,
    kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> VectorEnv:
    """Builds what is registered with gymnasium under prefix + rest."""
    _require_known(name, rest, _KNOWN[name.partition(":")[0]]())
    return _gym(name, prefix + rest, num_envs, seed, common, kwargs=kwargs, **options)


def _ctf(
    name: str,
    rest: str,
    num_envs: int,
    seed: int,
    common: dict,
    *,
    size: int | None = None,
    team_size: int = 2,
    length: int | None = None,
    out_steps: int | None = None,
    rgb: bool = False,
    factored: bool = False,
    win_reward: bool = False,
) -> VectorEnv:
    """Builds capture the flag; what is None is as its name has it."""
    _require_known(name, rest, _KNOWN["ctf"]())
    _refuse_processes(name, common)
    sized = {"size": size, "length": length, "out_steps": out_steps}
    config = dataclasses.replace(
        ctf_config.PRESETS[rest],
        team_size=team_size,
        rgb=rgb,
        factored=factored,
        win_reward=win_reward,
        **{key: value for key, value in sized.items() if value is not None},
    )
    return ResetMaskEnvs(name, CaptureTheFlag(num_envs, config), seed)


def _meltingpot(
    name: str,
    rest: str,
    num_envs: int,
    seed: int,
    common: dict,
    *,
    team_size: int = 2,
) -> VectorEnv:
    """Builds Melting Pot's capture the flag; its games are stepped one after another."""
    from envs import meltingpot

    _require_known(name, rest, list(meltingpot.NAMES))
    _refuse_processes(name, common)
    factory = partial(meltingpot.Paintball, team_size, render_mode="rgb_array")
    game = modules.make_parallel_game(name, factory, num_envs, {"size": None})
    return ResetMaskEnvs(name, game, seed)


def _gym(
    name: str,
    rest: str,
    num_envs: int,
    seed: int,
    common: dict,
    *,
    kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> VectorEnv:
    make_env = partial(_make_gym, _find_spec(name, rest), kwargs or {})
    return GymEnvs(name, make_env, num_envs, seed, **common, **options)


def _module(
    name: str,
    rest: str,
    num_envs: int,
    seed: int,
    common: dict,
    *,
    kwargs: dict[str, Any] | None = None,
    **options: Any,
) -> VectorEnv:
    factory = partial(modules.find(name, SUITES), **(kwargs or {}))
    if modules.makes_parallel_envs(factory):
        _refuse_processes(name, common)
        options_lib.check(name, ParallelGame, options)
        game = modules.make_parallel_game(name, factory, num_envs, options)
        return ResetMaskEnvs(name, game, seed)
    if not modules.takes_num_envs(factory):
        return GymEnvs(name, factory, num_envs, seed, **common, **options)
    _refuse_processes(name, common)
    made = factory(num_envs=num_envs)
    if made.num_envs != num_envs:
        raise ValueError(f"{name} made {made.num_envs} rows; expected {num_envs}")
    if isinstance(made, gymnasium.vector.VectorEnv):
        options_lib.check(name, GymVectorEnvs, options)
        return GymVectorEnvs(name, made, seed, **options)
    if not isinstance(made, Game):
        raise ValueError(
            f"{name} takes num_envs but made a {type(made).__name__}; expected a gymnasium VectorEnv or "
            "a game with num_envs, spaces, frames_per_step, reset and step (envs/reset_mask.py)"
        )
    if options:
        raise TypeError(
            f"{name} is a game with a reset mask; it takes kwargs alone, got {options}"
        )
    return ResetMaskEnvs(name, made, seed)


def _refuse_processes(name: str, common: dict) -> None:
    if common["parallel"] == "process":
        raise ValueError(
            f"{name} makes all its rows itself: parallel='process' needs one environment per row"
        )


def _own_names() -> list[str]:
    return [key.removeprefix(ZOO) for key in gymnasium.registry if key.startswith(ZOO)]


_KNOWN: dict[str, Callable[[], list[str]]] = {
    "crafter": crafter.names,
    "ctf": lambda: list(ctf_config.PRESETS),
    "minatar": minatar.register,
    "minigrid": minigrid.register,
    "popgym": popgym.register,
    "zoo": _own_names,
}
SUITES: dict[str, Callable[..., VectorEnv]] = {
    "atari": _atari,
    "crafter": _crafter,
    "ctf": _ctf,
    "dm_control": _dm_control,
    "gym": _gym,
    "meltingpot": _meltingpot,
    "minatar": _minatar,
    "minigrid": _minigrid,
    "popgym": partial(_prefixed, popgym.PREFIX),
    "zoo": partial(_prefixed, ZOO),
}


def _check_arguments(name: str, num_envs: int, parallel: str | None) -> None:
    suite, colon, rest = name.partition(":")
    if not (suite and colon and rest):
        raise ValueError(
            f"environment names are 'suite:name', such as 'atari:Pong' or 'gym:CartPole-v1'; got {name!r}"
        )
    if num_envs < 1:
        raise ValueError(f"num_envs must be at least 1; got {num_envs}")
    if parallel not in (None, "sync", "process"):
        raise ValueError(
            f"parallel must be None, 'sync' or 'process'; got {parallel!r}"
        )


def _require_known(name: str, rest: str, known: list[str]) -> None:
    if rest not in known:
        near = difflib.get_close_matches(rest, known, 5, 0.4)
        raise ValueError(f"unknown environment {name!r}; near names: {near or known}")


def _find_spec(name: str, rest: str) -> gymnasium.envs.registration.EnvSpec:
    if rest.startswith("ALE/"):
        gymnasium.register_envs(require("ale_py", "atari"))
    try:
        return gymnasium.spec(rest)
    except ModuleNotFoundError as error:
        raise ValueError(f"unknown environment {name!r}: {error}") from None
    except gymnasium.error.Error as error:
        lowered = {key.lower(): key for key in gymnasium.registry}
        matches = difflib.get_close_matches(rest.lower(), lowered, 5, 0.5)
        near = [lowered[key] for key in matches]
        raise ValueError(
            f"unknown environment {name!r}: {error} Near names: {near}. An environment of your own needs "
            "its module: 'gym:module:Id', or 'module:Class' without registering"
        ) from None


def _make_gym(
    spec: gymnasium.envs.registration.EnvSpec, kwargs: dict[str, Any]
) -> gymnasium.Env:
    if _draws_arrays(spec):
        kwargs = {"render_mode": "rgb_array"} | kwargs
    return gymnasium.make(spec, disable_env_checker=True, **kwargs)


def _draws_arrays(spec: gymnasium.envs.registration.EnvSpec) -> bool:
    creator: Any = spec.entry_point
    if isinstance(creator, str):
        if creator.startswith("gymnasium.envs.mujoco"):
            return (
                False  # without a display it fails, and with EGL see envs/dm_control.py
            )
        creator = gymnasium.envs.registration.load_env_creator(creator)
    modes = getattr(creator, "metadata", {}).get("render_modes", [])
    takes = inspect.signature(creator).parameters
    is_open = any(each.kind == each.VAR_KEYWORD for each in takes.values())
    return "rgb_array" in modes and (is_open or "render_mode" in takes)
