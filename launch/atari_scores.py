"""Score files of Atari games, summed up over games and runs: means, medians, intervals and performance profiles.

Everything is of gamer-normalised returns unless it says otherwise; intervals are the 95 % percentile bootstrap's over
runs, stratified by game (rliable).

References:
    Agarwal et al. 2021 (arXiv 2108.13264), sections 4.1 to 4.3.
"""

import contextlib
import glob
import math
import os
import pathlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from agents import registry, score
from agents.checkpoint import DamagedError
from agents.config import near
from launch import normalized
from launch.normalized import Runs

MEDIAN, IQM, MEAN, GAP = (f"gamer {m}" for m in ("median", "IQM", "mean", "gap"))
AGGREGATES = (MEDIAN, IQM, MEAN, GAP)
_ONE_GAME = "one game, so median, IQM and mean are of its runs alone"
_NAMED = 6  # games that a sentence names
_THRESHOLDS = 81
_HIGHEST = 8.0  # of a profile: few agents are eight times as good as a gamer


class Result(NamedTuple):
    """A score file: where it lies, and what it holds."""

    path: pathlib.Path
    content: dict[str, Any]


def find(patterns: str) -> list[Result]:
    """Reads the score files that match: score.json, or folders of it; other folders are passed over.

    Raises:
        ValueError: If a pattern is empty, or a final return is not finite.
        FileNotFoundError: If a pattern matches nothing, or only what holds no score.
        DamagedError: If a file is damaged.
    """
    found: dict[pathlib.Path, Result] = {}
    for pattern in patterns.split(","):
        if not pattern.strip():
            raise ValueError(
                f"an empty pattern came in --scores={patterns!r}: take the comma too many out"
            )
        for path in _match(pattern.strip()):
            found.setdefault(path, Result(path, _read(path)))
    if not found:
        raise FileNotFoundError(
            f"no folder that matches {patterns!r} has a score.json: results are written by python -m launch.score"
        )
    return list(found.values())


def label_of(content: Mapping[str, Any]) -> str:
    """Returns the agent, its preset, its ablations, and what else names its runs."""
    agent, preset = content["agent"], content["preset"]
    more = content.get("ablate", [])
    with contextlib.suppress(ValueError):  # of another zoo: its names alone
        more = [*more, *registry.naming(agent, preset, content.get("config", {}))]
    return " ".join([agent, preset, *more])


def runs_by_label(results: Collection[Result]) -> dict[str, dict[str, list[float]]]:
    """Returns label -> game -> the final return of each seed, of the results of Atari games.

    Raises:
        ValueError: If none is of an Atari game, a game is unknown (with the near ones), or comes twice under one label.
    """
    known = normalized.levels()
    found: dict[str, dict[str, list[float]]] = {}
    for path, content in results:
        if not is_atari(content):
            continue
        game, label = content["env"], label_of(content)
        if game not in known:
            hint = near(game, known).partition(" Known:")[0]
            raise ValueError(
                f"{path}: no levels are known for {hint} Correct its 'env', or leave the file out of --scores"
            )
        runs = found.setdefault(label, {})
        if game in runs:
            raise ValueError(f"{game} comes twice for {label}: narrow --scores")
        runs[game] = [seed["final"] for seed in content["seeds"]]
    if not found:
        raise ValueError(
            f"none of {len(results)} results is of an Atari game, the only ones with gamers to compare to"
        )
    return found


def is_atari(content: Mapping[str, Any]) -> bool:
    """Returns whether a score file holds the seeds of an Atari game."""
    return has_seeds(content) and content["env"].startswith("atari:")


def has_seeds(content: Mapping[str, Any]) -> bool:
    """Returns whether a score file holds seeds with curves; else it holds a table."""
    return "table" not in content


def common_games(rows: Mapping[str, Collection[str]]) -> list[str]:
    """Returns the games that all rows have, sorted; ValueError where there is none."""
    shared = set.intersection(*map(set, rows.values()))
    if not shared:
        has = "; ".join(f"{label} has {_names(games)}" for label, games in rows.items())
        raise ValueError(
            f"--common_games leaves nothing, for no game is in every row: {has}"
        )
    return sorted(shared)


def missing_games(rows: Mapping[str, Collection[str]]) -> list[str]:
    """Returns a sentence per row that lacks games of others, and what to do; [] where all have the same."""
    everything = set().union(*rows.values())
    lacking = {label: everything - set(games) for label, games in rows.items()}
    lacking = {label: games for label, games in lacking.items() if games}
    sentences = [
        f"{label} has {len(rows[label])} of {len(everything)} games: {_names(games)} missing."
        for label, games in lacking.items()
    ]
    if sentences:
        sentences.append(
            "So medians and means are over different games; --common_games sums up over those that all rows have."
        )
    return sentences


def summary(runs: Runs, reps: int) -> dict[str, Any]:
    """Returns the paper's four columns, the interquartile mean and the gap to 1, their intervals, games and runs.

    The gap is rliable's optimality gap, 1 - mean(min(score, 1)): how far from a gamer the runs are on average.
    `intervals` is empty, and `note` says why, where a game has one run, or games have different numbers of them; of a
    single game it says that too.
    """
    known = normalized.levels()
    row: dict[str, Any] = dict(normalized.aggregate(runs, known))
    gamer = normalized.normalise(runs, known)
    values = np.concatenate(list(gamer.values()))
    row |= {"games": len(gamer), "runs": len(values), "intervals": {}}
    metrics = _aggregates()
    row |= {name: float(metrics[name](values[None])) for name in (IQM, GAP)}
    why = _why_no_interval(gamer)
    row["note"] = "; ".join(filter(None, [why, _ONE_GAME if len(gamer) == 1 else ""]))
    if not why:
        row["intervals"] = _intervals(np.stack(list(gamer.values()), 1), reps)
    return row


def games_table(results: Mapping[str, Runs]) -> dict[str, dict[str, Any]]:
    """Returns game -> levels, the published return, and the mean of each label."""
    known = normalized.levels()
    ends = normalized.published_runs()["DreamerV2"]
    return {
        game: {key: known[game][key] for key in ("random", "gamer", "record")}
        | {"published, 200M frames": ends[game][0]}
        | {
            label: float(np.mean(runs[game]))
            for label, runs in results.items()
            if game in runs
        }
        for game in _all_games(results)
    }


def normalised_table(results: Mapping[str, Runs]) -> dict[str, dict[str, list[float]]]:
    """Returns game -> label -> gamer-normalised return of each run."""
    known = normalized.levels()
    scaled = {
        label: normalized.normalise(runs, known) for label, runs in results.items()
    }
    return {
        game: {
            label: [round(float(value), 4) for value in by_game[game]]
            for label, by_game in scaled.items()
            if game in by_game
        }
        for game in _all_games(results)
    }


def profiles(
    results: Mapping[str, Runs], published: Mapping[str, Runs], reps: int
) -> dict[str, Any]:
    """Returns performance profiles: the fraction of runs above each gamer-normalised score, games weighing the same.

    Args:
        results: Label -> game -> returns.
        published: The same of means over runs, which have no intervals.
        reps: Bootstrap samples.

    Returns:
        `thresholds` [N]; `rows` and `published`: label -> `fraction` [N], and `low` and `high` [N], None where there
        are too few runs for an interval.
    """
    known = normalized.levels()
    ours, others = (
        {label: normalized.normalise(runs, known) for label, runs in rows.items()}
        for rows in (results, published)
    )
    thresholds = _thresholds([*ours.values(), *others.values()])
    rows, drawn = (
        {label: _profile(gamer, thresholds, reps) for label, gamer in scaled.items()}
        for scaled in (ours, others)
    )
    return {"thresholds": thresholds.tolist(), "rows": rows, "published": drawn}


def _thresholds(scaled: Collection[Mapping[str, np.ndarray]]) -> np.ndarray:
    """[N], from the lowest score to the highest, and a little on; never much below random or far above a gamer."""
    scores = np.concatenate([values for gamer in scaled for values in gamer.values()])
    low, high = min(0.0, scores.min()), max(1.0, 1.05 * scores.max())
    low, high = math.floor(4 * low) / 4, math.ceil(4 * high) / 4
    return np.linspace(max(low, -1.0), min(high, _HIGHEST), _THRESHOLDS)


def _match(pattern: str) -> list[pathlib.Path]:
    """The score files of a pattern; what is no .json and has no score.json, as folders of benchmarks, is left out."""
    paths = [
        pathlib.Path(path) for path in sorted(glob.glob(os.path.expanduser(pattern)))
    ]
    if not paths:
        raise FileNotFoundError(
            f"nothing matches {pattern!r} (from {os.getcwd()}): expected score.json files or folders of them"
        )
    files = [path / "score.json" if path.is_dir() else path for path in paths]
    return [path for path in files if path.suffix == ".json" and path.exists()]


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        content = score.read(path)
    except DamagedError as error:
        raise DamagedError(
            f"{error}. Make it again with python -m launch.score, or leave it out of --scores"
        ) from None
    for seed in content["seeds"] if has_seeds(content) else []:
        if not math.isfinite(seed["final"]):
            raise ValueError(
                f"{path}: the final return of seed {seed['seed']} is {seed['final']}: evaluate that run again with "
                "python -m launch.score, or leave the file out of --scores"
            )
    return content


def _all_games(results: Mapping[str, Runs]) -> list[str]:
    return sorted({game for runs in results.values() for game in runs})


def _names(games: Collection[str]) -> str:
    first, rest = sorted(games)[:_NAMED], len(games) - _NAMED
    names = ", ".join(game.removeprefix("atari:") for game in first)
    return f"{names} and {rest} more" if rest > 0 else names


def _why_no_interval(gamer: Mapping[str, np.ndarray]) -> str:
    counts = {len(values) for values in gamer.values()}
    if counts == {1}:
        return "no interval: one run of each game, and the bootstrap resamples runs"
    if len(counts) > 1:
        return (
            f"no interval: games have {min(counts)} to {max(counts)} runs, "
            "and the bootstrap needs as many of each"
        )
    return ""


def _aggregates() -> dict[str, Callable[[np.ndarray], float]]:
    metrics = _rliable()[1]
    return {
        MEDIAN: metrics.aggregate_median,
        IQM: metrics.aggregate_iqm,
        MEAN: metrics.aggregate_mean,
        GAP: metrics.aggregate_optimality_gap,
    }


def _intervals(values: np.ndarray, reps: int) -> dict[str, list[float]]:
    """The 95 % intervals of the aggregates of [runs, games]."""
    metrics = list(_aggregates().values())
    with _seeded():
        _, found = _rliable()[0].get_interval_estimates(
            {"": values},
            lambda scores: np.array([metric(scores) for metric in metrics]),
            reps=reps,
        )
    low, high = found[""]
    return {name: [float(low[i]), float(high[i])] for i, name in enumerate(AGGREGATES)}


def _profile(
    gamer: Mapping[str, np.ndarray], thresholds: np.ndarray, reps: int
) -> dict[str, list[float] | None]:
    library = _rliable()[0]
    if _why_no_interval(gamer):
        per_game = [
            library.score_distributions(values, thresholds) for values in gamer.values()
        ]
        fraction = np.mean(per_game, 0).tolist()
        return {"fraction": fraction, "low": None, "high": None}
    values = np.stack(list(gamer.values()), 1)
    with _seeded():
        found, bands = library.create_performance_profile(
            {"": values}, thresholds, reps=reps
        )
    low, high = bands[""]
    fraction = found[""].tolist()
    return {"fraction": fraction, "low": low.tolist(), "high": high.tolist()}


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    """rliable draws from NumPy's global generator, whatever random_state it is given, and tells of each estimate."""
    state, verbosity = np.random.get_state(), logging.get_verbosity()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        np.random.set_state(state)  # noqa: NPY002


def _rliable() -> tuple[Any, Any]:
    """The modules `library` and `metrics`, imported late: they are an extra."""
    try:
        from rliable import library, metrics
    except ImportError as error:
        raise ImportError(
            "Reports need rliable: pip install latent-agent-zoo[plots]"
        ) from error
    return library, metrics
