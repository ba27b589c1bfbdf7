"""Elo ratings of players from the games that they have played: maximum likelihood, with intervals."""

from collections.abc import Mapping

import numpy as np

from agents.matches import CONFIDENCE, Tally

Results = Mapping[
    tuple[str, str], Tally
]  # (first, second) -> games, as the first one saw them
SCALE = 400.0  # Elo points at which the odds are 10 to 1
MEAN = 1000.0
_PRIOR = 1.0  # games drawn of every pair that met, beside those played: who never lost has a rating too
_STEPS, _TOLERANCE = 10_000, 1e-9


def fit(
    results: Results, anchors: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Returns the Elo rating of every player.

    The ratings R maximise the likelihood of the points, 1 a win and 1/2 a draw, if one of them is won with a probability of
    1 / (1 + 10^((R_other - R) / 400)), and with one draw more of every pair that met: Bradley and Terry 1952, by the
    iteration of Hunter 2004 (doi:10.1214/aos/1079120141), equation 3.

    Args:
        results: The games of pairs of different players.
        anchors: Rating of one player, to which the others are relative; else their mean is 1000.

    Raises:
        ValueError: If there are no games, several anchors, an anchor that has not played, or players that no chain of
            games joins.
    """
    names = _names(results)
    anchor = dict(anchors or {})
    if len(anchor) > 1 or anchor.keys() - set(names):
        raise ValueError(
            f"anchors={anchor} came; expected one of the players {', '.join(names)} with its rating"
        )
    points, games = _tables(results, names)
    _check_joined(games, names)
    elo = SCALE * np.log10(_strengths(points, games))
    zero, rating = elo.mean(), MEAN
    if anchor:
        [(name, rating)] = anchor.items()
        zero = elo[names.index(name)]
    return {
        name: float(each - zero + rating) for name, each in zip(names, elo, strict=True)
    }


def intervals(
    results: Results,
    anchors: Mapping[str, float] | None = None,
    draws: int = 200,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Returns 95 % intervals of `fit`'s ratings: percentiles over games drawn anew, with replacement, within each pair."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        again = {
            pair: Tally(*rng.multinomial(t.games, np.array(t) / t.games).tolist())
            for pair, t in results.items()
            if t.games
        }
        drawn.append(fit(again, anchors))
    tail = 100 * (1 - CONFIDENCE) / 2
    found = {}
    for name in _names(results):
        low, high = np.percentile([each[name] for each in drawn], [tail, 100 - tail])
        found[name] = (float(low), float(high))
    return found


def _names(results: Results) -> list[str]:
    names = list(dict.fromkeys(name for pair in results for name in pair))
    if not names or not any(tally.games for tally in results.values()):
        raise ValueError("no games came: ratings need at least one")
    return names


def _tables(results: Results, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Points of each against each other, and their games, [n, n]."""
    points = np.zeros((len(names), len(names)))
    games = np.zeros_like(points)
    for (first, second), tally in results.items():
        i, j = names.index(first), names.index(second)
        if i == j:
            raise ValueError(
                f"{first!r} played itself, which says nothing of its rating"
            )
        if tally.games:
            won = tally.points * tally.games
            points[i, j] += won + _PRIOR / 2
            points[j, i] += tally.games - won + _PRIOR / 2
            games[i, j] += tally.games + _PRIOR
            games[j, i] += tally.games + _PRIOR
    return points, games


def _check_joined(games: np.ndarray, names: list[str]) -> None:
    reached = np.eye(len(names))[0] > 0
    for _ in names:
        reached = reached | (games[reached] > 0).any(axis=0)
    apart = [name for name, there in zip(names, reached, strict=True) if not there]
    if apart:
        raise ValueError(
            f"no chain of games joins {', '.join(apart)} with {names[0]}: their ratings cannot be compared"
        )


def _strengths(points: np.ndarray, games: np.ndarray) -> np.ndarray:
    """The Bradley-Terry strengths, [n], of geometric mean 1."""
    strength = np.ones(len(points))
    for _ in range(_STEPS):
        before = strength
        pairs = games / (strength[:, None] + strength[None, :])
        strength = points.sum(axis=1) / pairs.sum(axis=1)
        strength = strength / np.exp(np.log(strength).mean())
        if np.abs(np.log(strength / before)).max() < _TOLERANCE:
            break
    return strength
