"""What launchers share: flags from config dataclasses, and errors as one sentence."""

import launch.origin  # noqa: F401

import dataclasses
import signal
import sys
from collections.abc import Callable
from typing import Any

from absl import app, flags

import envs
from agents import config, registry, suggestion, training
from launch import tensorflow_log

flags.DEFINE_bool(
    "traceback", False, "Show where an error came from, not only what it says."
)


def run(
    main: Callable[..., None], argv: list[str] | None = None, operands: bool = False
) -> None:
    """Parses the flags and runs `main`; an error becomes one sentence and exit status 1.

    Args:
        main: Takes the arguments that are no flags if `operands`, else nothing.
        argv: The command line; that of the process when None.
        operands: Whether arguments that are no flags are allowed.
    """

    def guarded(args: list[str]) -> None:
        if len(args) > 1 and not operands:
            raise SystemExit(
                f"error: {args[1]!r} came, but only --flags are expected (see --help)"
            )
        try:
            main(*([args[1:]] if operands else []))
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise SystemExit(128 + signal.SIGINT) from None
        except Exception as error:
            if flags.FLAGS.traceback:
                raise
            text = _text(error)
            if not isinstance(error, _EXPECTED):
                text = f"{type(error).__name__}: {text} (--traceback shows where)"
            print(f"error: {text}", file=sys.stderr)
            raise SystemExit(1) from error

    _show_in_help(main)
    app.run(guarded, argv)


def _show_in_help(main: Callable[..., None]) -> None:
    """Lists the launcher's flags and ours in --help, also where a console script is what runs."""
    defined = flags.FLAGS.flags_by_module_dict()
    for module in (__name__, main.__module__):
        for flag in defined.get(module, []):
            flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is None and error.strerror:
        return error.strerror  # without the number
    return str(error) or type(error).__name__


def define_run_flags(agent: str) -> None:
    """Defines a flag for every setting of the run and of the agent; unset ones are the preset's."""
    parts = registry.entry(agent)
    presets = ", ".join(sorted(parts.presets))
    flags.DEFINE_string("preset", "", f"One of {presets}; 'a,b' lays b over a.")
    flags.DEFINE_list("ablate", [], "Rows of the paper's ablation table, by comma.")
    flags.DEFINE_string("game", None, "Short for --env=atari:GAME.")
    flags.DEFINE_integer(
        "frames", None, "Frames of the whole run, instead of --env_steps."
    )
    flags.DEFINE_bool(
        "fresh", False, "Start over in the logdir: what a run left there is removed."
    )
    for cls in (training.RunConfig, parts.config):
        for field in dataclasses.fields(cls):
            define_field(field)


def run_settings(agent: str, default_preset: Callable[[str], str]) -> training.Settings:
    """Resolves the flags; `default_preset` names one for an environment when --preset is empty."""
    values = flags.FLAGS
    parts = registry.entry(agent)
    overrides = given(training.RunConfig, parts.config)
    if values.game is not None:
        if "env" in overrides:
            raise ValueError(
                "--game and --env both came; --game=Pong is short for --env=atari:Pong"
            )
        overrides["env"] = f"atari:{values.game}"
    if values.frames is not None and "env_steps" in overrides:
        raise ValueError("--frames and --env_steps both came; give one")
    env = str(overrides.get("env", training.RunConfig.env))
    envs.check_name(env)
    preset = values.preset or default_preset(env)
    if values.frames is not None:
        repeat = config.overlay(parts.presets, preset) | overrides
        overrides["env_steps"] = -(-values.frames // _frames_per_step(env, repeat))
    return training.settings(
        agent, preset=preset, ablate=values.ablate, fresh=values.fresh, **overrides
    )


def given(*classes: type) -> dict[str, Any]:
    """Returns the fields of config classes that are on the command line."""
    values = flags.FLAGS
    names = [field.name for cls in classes for field in dataclasses.fields(cls)]
    return {
        name: values[name].value
        for name in names
        if name in values and values[name].present
    }


def suggest_preset(agent: str, env: str) -> suggestion.Suggestion:
    """Returns the preset that suits an environment, made as the flags say, and this machine; and why."""

    def look() -> envs.Spaces:
        run = config.resolve(
            training.RunConfig, given(training.RunConfig) | {"env": env}
        )
        made = training.make_envs(run, 1)
        made.close()
        return made.spaces

    return suggestion.suggest(agent, env, look, has_gpu)


def train(agent: str) -> None:
    """Trains an agent as the flags say: the whole of a launcher."""
    settings = run_settings(agent, say_preset(agent))
    tensorflow_log.load()
    training.train(settings)


def say_preset(agent: str) -> Callable[[str], str]:
    """Returns a function that says and returns the preset of an agent for an environment on this machine."""

    def default_preset(env: str) -> str:
        preset, reasons = suggest_preset(agent, env)
        print(
            f"Taking the preset {preset} for {env} ({', '.join(reasons)}); --preset chooses another."
        )
        return preset

    return default_preset


def has_gpu() -> bool:
    """Loads TensorFlow, and returns whether it sees a GPU."""
    tensorflow_log.load()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _frames_per_step(env: str, settings: dict[str, Any]) -> int:
    return settings.get("action_repeat", 0) or (4 if env.startswith("atari:") else 1)


def define_field(field: dataclasses.Field) -> None:
    """Defines the flag of a config's field."""
    text, choices = field.metadata["help"], field.metadata["choices"]
    default: Any = field.default
    if choices and isinstance(default, str):
        flags.DEFINE_enum(field.name, default, list(choices), text)
        return
    kinds: dict[type, Callable[..., Any]] = {
        bool: flags.DEFINE_bool,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }
    kinds[type(default)](field.name, default, text)


def _expected() -> tuple[type[BaseException], ...]:
    from agents.checkpoint import DamagedError, LogdirInUse
    from agents.learner import NonFiniteError
    from envs.errors import EnvError

    return (
        ValueError,
        ImportError,
        OSError,
        DamagedError,
        LogdirInUse,
        NonFiniteError,
        EnvError,
    )


_EXPECTED = _expected()
