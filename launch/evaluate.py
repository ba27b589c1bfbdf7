"""Plays a shipped policy or runs: `python -m launch.evaluate --policy=dreamerv2/catch --video=out.gif`.

A run of your own: `--logdir=runs/dreamerv2/zoo-Catch-v0/catch/seed0`. Many: `--logdirs='runs/dreamerv2/*/*/seed*'`, with a
mean per experiment and Student's t interval over its runs. Every run's newest checkpoint plays whole episodes in the
environment that it was trained in, with seeds that no training used; `--sticky`, `--noop_max` and `--env_options` change
that environment. Episodes start as the game does, after no-ops where it has them; human starts are never used.

One run that cannot be played (no checkpoint yet, damaged) does not keep the others from it: the result says which and why, and
the exit status is 1.
"""

import launch.origin  # noqa: F401

import json
import pathlib
import sys
from typing import Any, cast

from absl import flags
from rich.console import Console

from agents import evaluation, policy
from agents.api import Mode, Tree
from launch import app, evaluations, finished, playing, tensorflow_log
from launch.evaluations import LeftOut

_LOGDIR = flags.DEFINE_string("logdir", None, "Folder of the run.")
_LOGDIRS = flags.DEFINE_string(
    "logdirs", None, "Pattern of several runs' folders, in quotes; several by comma."
)
_POLICY = flags.DEFINE_string(
    "policy", None, "A shipped policy, AGENT/NAME; 'list' shows them."
)
_EPISODES = flags.DEFINE_integer(
    "episodes",
    None,
    "Whole episodes to play of each run with each seed; 10 of a run, 4 of a policy, when not given.",
    lower_bound=1,
)
_SEED = flags.DEFINE_integer(
    "seed", evaluation.SEED, "Seeds environments and policy noise."
)
_SEEDS = flags.DEFINE_string(
    "seeds", "", "Several of them by comma: each run plays all its episodes with each."
)
_MODE = flags.DEFINE_enum(
    "mode", "greedy", ["greedy", "sample", "random"], "How to act."
)
_NUM_ENVS = flags.DEFINE_integer(
    "num_envs", 4, "Environments stepped together.", lower_bound=1
)
_ENV = flags.DEFINE_string("env", "", "Another environment with the same spaces.")
_STICKY = flags.DEFINE_float(
    "sticky",
    None,
    "Atari: probability that a frame repeats the last action, 0 for no sticky actions; the run's own (0.25) when not given.",
)
_NOOP_MAX = flags.DEFINE_integer(
    "noop_max",
    None,
    "Atari: up to so many no-ops start an episode, 0 for none; the run's own (30) when not given. Human starts are never used.",
    lower_bound=0,
)
_ENV_OPTIONS = flags.DEFINE_string(
    "env_options",
    "",
    "Options of the environment that replace the run's, by comma, as max_frames=18000 or kwargs.level=3.",
)
_AGENT_OPTIONS = flags.DEFINE_string(
    "agent_options",
    "",
    "Settings of the agent to act with in place of the run's, by comma, as use_memory=false.",
)
_VIDEO = flags.DEFINE_string(
    "video",
    "",
    "Write the first episode there: .mp4 or .gif. Of several runs each has its own, with its folder in the name.",
)
_JSON = flags.DEFINE_string(
    "json",
    "",
    "Write the result there; '-' prints it. With --logdirs or --seeds it has `results`, one per run and seed, and `groups`.",
)


def main() -> None:
    """Runs what the flags say."""
    if _POLICY.value == "list":
        print("\n".join(policy.shipped()))
        return
    folders, seeds, options = _folders(), _seeds(), _env_options()
    evaluation.check_arguments(_episodes(), _MODE.value, seeds)
    targets, left_out = evaluations.plan(
        folders, _ENV.value, options, _AGENT_OPTIONS.value
    )
    if not targets:
        evaluations.refuse(left_out, 0)
    for each in left_out:
        print(f"left out: {evaluations.why(each)}", file=sys.stderr)
    how = playing.How(
        _episodes(),
        seeds,
        cast(Mode, _MODE.value),
        _NUM_ENVS.value,
        _ENV.value,
        options,
        _AGENT_OPTIONS.value,
        _VIDEO.value,
    )
    tensorflow_log.load()
    session = playing.Session(targets, how)
    session.run()
    left_out += session.left_out
    if session.entries:
        _tell(session.entries, left_out, how)
    if session.interrupted:
        raise KeyboardInterrupt
    evaluations.refuse(left_out, len(targets) - len(session.left_out))


def _tell(entries: list[Tree], left_out: list[LeftOut], how: playing.How) -> None:
    """Prints and writes the results."""
    content = entries[0]
    if _LOGDIRS.value or _SEEDS.value:
        protocol = how._asdict()
        protocol.pop("video")
        content = evaluations.report(entries, left_out, protocol)
    if _JSON.value == "-":
        print(json.dumps(content, indent=2, allow_nan=False))
        return
    if len(entries) == 1:
        print(_sentence(entries[0]))
    else:
        evaluations.show(entries, Console(width=None if sys.stdout.isatty() else 110))
    for path in [path for each in entries for path in each["video"]]:
        print(f"video: {path}")
    if _JSON.value:
        evaluation.write_json(content, _JSON.value)


def _sentence(result: Tree) -> str:
    lengths = f"{min(result['lengths'])} to {max(result['lengths'])}"
    return (
        f"{result['env']} at step {result['env_steps']:,}: {evaluations.line(result)}, {result['episodes']} episodes, "
        f"{result['mode']}, lengths {lengths}"
    )


def _folders() -> list[pathlib.Path]:
    given: dict[str, Any] = {
        "--logdir": _LOGDIR.value,
        "--logdirs": _LOGDIRS.value,
        "--policy": _POLICY.value,
    }
    came = [name for name, value in given.items() if value]
    if len(came) != 1:
        raise ValueError(
            f"{' and '.join(came) or 'neither --logdir, --logdirs nor --policy'} came: give one of --logdir, the folder "
            "of a run, --logdirs, a pattern of several, and --policy, one of "
            f"{', '.join(policy.shipped())}"
        )
    if _POLICY.value:
        return [policy.find(_POLICY.value)]
    if _LOGDIRS.value:
        return finished.match(_LOGDIRS.value)
    return [policy.locate(str(_LOGDIR.value))]


def _episodes() -> int:
    return _EPISODES.value or (4 if _POLICY.value else 10)


def _seeds() -> list[int]:
    if not _SEEDS.value:
        return [_SEED.value]
    if _SEED.present:
        raise ValueError("--seed and --seeds both came; give one")
    seeds: list[int] = []
    for part in _SEEDS.value.split(","):
        try:
            seed = int(part)
        except ValueError:
            raise ValueError(
                f"--seeds are whole numbers by comma, such as 1,2,3; got {part!r}"
            ) from None
        if seed in seeds:
            raise ValueError(f"--seeds: {seed} comes twice")
        seeds.append(seed)
    return seeds


def _env_options() -> str:
    """Returns --env_options with --sticky and --noop_max among them."""
    parts = [part for part in _ENV_OPTIONS.value.split(",") if part.strip()]
    named = {part.partition("=")[0].strip() for part in parts}
    if _STICKY.value is not None and not 0 <= _STICKY.value <= 1:  # NaN too
        raise ValueError(f"--sticky={_STICKY.value}: a probability is expected, 0 to 1")
    for name, value in (("sticky", _STICKY.value), ("noop_max", _NOOP_MAX.value)):
        if value is not None and name in named:
            raise ValueError(f"{name} came twice, as --{name} and in --env_options")
        if value is not None:
            parts.append(f"{name}={value}")
    return ",".join(parts)


def cli() -> None:
    """The console script."""
    app.run(main)


if __name__ == "__main__":
    cli()
