"""Scores of Atari games against people: normalised, clipped, and summed up over games as the papers do.

    gamer-normalised   (return - random) / (gamer - random)
    record-normalised  (return - random) / (record - random)
    clipped            min(record-normalised, 1), of each run before anything is averaged

Runs are averaged first, then games: 'gamer median' is the median over games of the means over runs.

References:
    Hafner et al. 2021 (arXiv 2010.02193), section 3.1 and table 1.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from agents import policy
from agents.checkpoint import DamagedError

COLUMNS = ("gamer median", "gamer mean", "record mean", "clipped record mean")
# Only the numbers of the paper's earlier table are known, not its returns per game.
IMPALA = {"gamer median": 1.92, "gamer mean": 16.72, "record mean": 0.34} | {
    "clipped record mean": 0.23
}
_ROWS = {
    "DreamerV2": None,
    "DreamerV2 (schedules)": "schedules_4_seeds",
    "IQN": "iqn",
    "Rainbow": "rainbow",
    "C51": "c51",
    "DQN": "dqn",
}

Levels = Mapping[str, Mapping[str, float]]  # game -> random, gamer, record
Runs = Mapping[str, Sequence[float]]  # game -> return of each run


def published() -> dict[str, Any]:
    """Returns scores/published.json."""
    path = policy.SCORES / "published.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DamagedError(f"{path} cannot be read ({error}): install again") from None


def levels() -> dict[str, dict[str, float]]:
    """Returns random play, a gamer and the record for the 55 games, by 'atari:Name'."""
    return {
        each["env"]: each["levels"]
        for each in published()["results"]
        if each["env"].startswith("atari:")
    }


def normalise(runs: Runs, known: Levels, top: str = "gamer") -> dict[str, np.ndarray]:
    """Returns (return - random) / (top - random) of every run, by game.

    Args:
        runs: Game -> returns [R].
        known: Game -> the levels `random` and `top`.
        top: 'gamer' or 'record'.

    Raises:
        ValueError: If a game is unknown (with the near ones), has no run, or a return is not finite.
    """
    from agents.config import near

    result = {}
    for game, returns in runs.items():
        if game not in known:
            raise ValueError(f"no levels are known for {near(game, known)}")
        values = np.asarray(returns, np.float64)
        if values.ndim != 1 or not values.size:
            raise ValueError(
                f"{game} has returns of shape {values.shape}; expected [runs]"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{game} has a return that is NaN or infinite: {values}")
        low = known[game]["random"]
        result[game] = (values - low) / (known[game][top] - low)
    return result


def aggregate(runs: Runs, known: Levels) -> dict[str, float]:
    """Returns the four columns of the paper's table for the games of `runs`.

    Raises:
        ValueError: As `normalise`; also without any game.
    """
    if not runs:
        raise ValueError("no game to sum up")
    gamer, record = (normalise(runs, known, top) for top in ("gamer", "record"))
    per_game = np.array([values.mean() for values in gamer.values()])
    clipped = [np.minimum(values, 1).mean() for values in record.values()]
    values = (
        np.median(per_game),
        per_game.mean(),
        np.mean([values.mean() for values in record.values()]),
        np.mean(clipped),
    )
    return {name: float(v) for name, v in zip(COLUMNS, values, strict=True)}


def published_runs() -> dict[str, dict[str, list[float]]]:
    """Returns row -> game -> [the mean return over runs], of the rows whose returns per game are published."""
    known = levels()
    results = [r for r in published()["results"] if r["env"] in known]
    return {
        row: {each["env"]: [_published_return(each, key)] for each in results}
        for row, key in _ROWS.items()
    }


def published_table(
    games: Collection[str] | None = None,
) -> dict[str, dict[str, float]]:
    """Returns the comparison of the paper, recomputed from published means per game; IMPALA as printed.

    Only means over runs are published, so that these rows are clipped after averaging and have no intervals.

    Args:
        games: Those to sum up over, without IMPALA then, whose returns are not known; all 55 when None.
    """
    known, table = levels(), {}
    for row, runs in published_runs().items():
        chosen = {game: runs[game] for game in runs if games is None or game in games}
        table[row] = aggregate(chosen, known)
        if row == "DreamerV2 (schedules)" and games is None:
            table["IMPALA"] = IMPALA
    return table


def _published_return(result: Mapping[str, Any], key: str | None) -> float:
    if key is None:
        return result["curve"][-1][1]
    return result["other_runs" if "seeds" in key else "levels"][key]
