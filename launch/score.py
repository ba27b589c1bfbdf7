"""Makes a result of runs: `python -m launch.score --name=minatar-breakout --logdirs='runs/dreamerv2/minatar-Breakout-v1/minatar/seed*'`.

Every seed's newest checkpoint plays fresh episodes, with a seed that no training used, and scores/AGENT/NAME/ gets
score.json, curve.png, card.md and policy/, the trained policy of the lowest seed, whatever it scored.
"""

import launch.origin  # noqa: F401

import pathlib
import shlex
import shutil
import sys
from typing import Any, cast

from absl import flags

from agents import evaluation, registry, score
from agents.api import Mode
from launch import app, card, finished, tensorflow_log

_NAME = flags.DEFINE_string("name", None, "The result's name.")
_LOGDIRS = flags.DEFINE_string(
    "logdirs", None, "Pattern of the runs' folders, in quotes; several by comma."
)
_EPISODES = flags.DEFINE_integer(
    "episodes", 100, "Fresh episodes per seed.", lower_bound=1
)
_MODE = flags.DEFINE_enum("mode", "greedy", ["greedy", "sample"], "How to act.")
_SEED = flags.DEFINE_integer("seed", 1_000_000, "Seeds environments and policy noise.")
_NUM_ENVS = flags.DEFINE_integer(
    "num_envs", 4, "Environments stepped together.", lower_bound=1
)
_BAR = flags.DEFINE_float("bar", None, "The mean return that is asked for.")
_RANDOM = flags.DEFINE_float(
    "random", None, "Return of a random policy; measured when not given."
)
_REFERENCE = flags.DEFINE_string("reference", "", "What others report, in words.")
_NOTES = flags.DEFINE_string("notes", "", "What a reader should know.")
_UNFINISHED = flags.DEFINE_bool(
    "unfinished",
    False,
    "Take runs that stopped early, as far as each came; the result says how far.",
)
_OUTPUT = flags.DEFINE_string("output", "scores", "Results go to OUTPUT/AGENT/NAME.")


def main() -> None:
    """Runs what the flags say."""
    if not _NAME.value or not _LOGDIRS.value:
        raise ValueError(
            "--name and --logdirs are both needed: what is the result called, of which runs?"
        )
    runs = finished.find(_LOGDIRS.value, _UNFINISHED.value)
    folder = pathlib.Path(_OUTPUT.value) / runs[0].saved["agent"] / _NAME.value
    tensorflow_log.load()
    seeds = [
        score.seed_result(run.logdir, _evaluate(run.logdir, f"seed {run.seed}"))
        for run in runs
    ]
    level = _random_level(runs[0].logdir)
    folder.mkdir(parents=True, exist_ok=True)
    policy = _ship(runs[0], folder / "policy")
    content = _content(runs, seeds, level, policy)
    score.write(folder / "score.json", content)
    card.write(folder, content)
    print(
        f"\n{card.headline(content)}\nWrote {folder}: {', '.join(sorted(p.name for p in folder.iterdir()))}"
    )


def cli() -> None:
    """The console script."""
    app.run(main)


def _evaluate(folder: pathlib.Path, what: str, mode: str = "") -> dict[str, Any]:
    """Plays with a progress bar, and prints the result in a line."""
    from rich.console import Console
    from rich.progress import Progress

    mode = mode or _MODE.value
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{what}, {mode}", total=_EPISODES.value)
        result = evaluation.evaluate(
            folder,
            episodes=_EPISODES.value,
            seed=_SEED.value,
            mode=cast(Mode, mode),
            num_envs=_NUM_ENVS.value,
            progress=lambda done: progress.update(task, completed=done),
        )
    print(
        f"{what}, {mode}: {result['mean']:.2f} ± {result['standard_error']:.2f} over {result['episodes']} episodes"
    )
    return result


def _random_level(logdir: pathlib.Path) -> float:
    if _RANDOM.value is not None:
        return _RANDOM.value
    return round(_evaluate(logdir, "no policy", "random")["mean"], 4)


def _ship(run: finished.Run, folder: pathlib.Path) -> dict[str, Any] | None:
    """Saves the run's policy and plays it as it is shipped; None where it is too large."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        saved = registry.save_policy(run.logdir, folder)
    except ValueError as error:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"No policy is shipped: {error}")
        return None
    result = _evaluate(folder, "the policy as shipped")
    return {"seed": run.seed, "final": result["mean"]} | saved._asdict()


def _content(
    runs: list[finished.Run],
    seeds: list[dict[str, Any]],
    level: float,
    policy: dict[str, Any] | None,
) -> dict[str, Any]:
    return score.score(
        str(_NAME.value),
        runs[0].logdir,
        finished.command(runs[0]),
        seeds,
        random=level,
        bar=_BAR.value,
        notes=_NOTES.value,
        reference=_REFERENCE.value,
        evaluation={
            "episodes": _EPISODES.value,
            "mode": _MODE.value,
            "seed": _SEED.value,
        },
        score_command=_score_command(),
        env_steps=runs[0].saved["run"]["env_steps"],
        left_out=finished.left_out(runs),
        policy=policy,
    )


def _score_command() -> str:
    """This command, without where the result goes."""
    every = flags.FLAGS
    given = [
        every[name].serialize()
        for name in every
        if every[name].present
        and every.find_module_defining_flag(name) in (sys.argv[0], __name__)
        and name != "output"
    ]
    return shlex.join(["python", "-m", "launch.score", *given])


if __name__ == "__main__":
    cli()
