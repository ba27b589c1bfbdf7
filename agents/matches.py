"""Matches of two sides in team games: who wins how often."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from agents import driver, settings, video
from agents.api import Agent, Mode, VectorEnv
from agents.settings import RunConfig

Side = Callable[[VectorEnv, np.ndarray], Agent]  # (environments, its rows) -> who plays
CONFIDENCE = 0.95


class Tally(NamedTuple):
    """How games ended for the first side."""

    won: int = 0
    drawn: int = 0
    lost: int = 0

    @property
    def games(self) -> int:
        """All of them."""
        return sum(self)

    @property
    def points(self) -> float:
        """The mean of 1 per win and 1/2 per draw."""
        return (self.won + self.drawn / 2) / max(self.games, 1)


def play(
    first: Side,
    second: Side,
    envs: VectorEnv,
    games: int,
    *,
    seed: int,
    mode: Mode = "sample",
    progress: Callable[[int], None] = lambda done: None,
    recorder: video.EpisodeRecorder | None = None,
    on_video: Callable[[np.ndarray], None] = lambda frames: None,
) -> Tally:
    """Plays games, half of them with sides changed; each of the games that run together counts as often as the others.

    Args:
        first: Makes the first side.
        second: Makes the second.
        envs: A team game, whose info has `team` and `outcome` of each row.
        games: How many; rounded up to whole rounds of all that run together, on both sides.
        seed: Seeds environments and policy noise.
        mode: How both act.
        progress: Called with the number of games that ended.
        recorder: Records the first game.
        on_video: Takes it, [T, H, W, 3].

    Raises:
        ValueError: If the environment has no teams.
    """
    if not {"team", "outcome"} <= envs.spaces.info.keys():
        raise ValueError(
            f"{envs.name} has no teams: a match needs `team` and `outcome` in its info, as capture the flag has them"
        )
    tally = Tally()
    for half in (0, 1):
        step = envs.reset(seed=seed + half)
        team = (step.info["team"].astype(int) + half) % 2  # 0: of the first side
        mine = np.flatnonzero(team == 0)
        counted = _one_row_per_game(step.info["team"], mine)
        sides = [
            make(envs, np.flatnonzero(team == i))
            for i, make in enumerate((first, second))
        ]
        both = driver.Team(sides, team)
        wanted = tally.games + -(-games // 2)
        for event in driver.run(both, envs, seed=seed + half, mode=mode, learn=False):
            if recorder is not None:
                frames = recorder.add(event.step, envs.render)
                if frames is not None:
                    on_video(frames)
                    recorder = None  # drawing takes longer than playing
            ended = event.step.is_last[counted]
            outcome = event.step.info["outcome"][counted][ended]
            tally = Tally(
                tally.won + int((outcome > 0).sum()),
                tally.drawn + int((outcome == 0).sum()),
                tally.lost + int((outcome < 0).sum()),
            )
            if ended.any():
                progress(tally.games)
            if tally.games >= wanted:
                break
    return tally


def make_games(run: RunConfig, games: int) -> VectorEnv:
    """Returns the environment of a run with so many games that are played at the same time."""
    one = settings.make_envs(run, 1)
    players = one.num_envs
    one.close()
    return settings.make_envs(run, players * games)


def interval(successes: int, number: int) -> tuple[float, float]:
    """Returns Jeffreys' 95 % interval of a probability of which `successes` of `number` trials are known."""
    from tensorflow_probability import distributions as tfd

    beta = tfd.Beta(np.float64(successes + 0.5), np.float64(number - successes + 0.5))
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if successes == 0 else float(beta.quantile(tail))
    high = 1.0 if successes == number else float(beta.quantile(1 - tail))
    return low, high


def _one_row_per_game(team: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """The first of the rows `mine` in each game; rows of one game stand together, team 0 first."""
    starts = np.flatnonzero((team == 0) & (np.roll(team, 1) != 0))
    if len(starts) == 0:
        starts = np.zeros(1, int)
    game = np.searchsorted(starts, mine, "right")
    return mine[np.unique(game, return_index=True)[1]]


def content(tally: Tally) -> dict[str, Any]:
    """Returns a tally as JSON values, with the share of games won and its interval."""
    low, high = interval(tally.won, tally.games)
    return tally._asdict() | {
        "games": tally.games,
        "win_rate": round(tally.won / tally.games, 4),
        "interval": [round(low, 4), round(high, 4)],
        "points": round(tally.points, 4),
    }
