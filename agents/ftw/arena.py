"""An arena: rows of games that members play; who plays which, what each does and sees, and who won.

References: Jaderberg et al. 2019 (arXiv 1807.01281), 'Matchmaking'.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from agents.api import Agent, Mode, State, Step
from agents.driver import take_rows
from agents.ftw import league as league_lib
from agents.ftw.league import LeagueConfig

MEMBER = "member"  # field of the state
RESULTS = "results"  # key of a batch


class Arena:
    """Members at play.

    A row is played by the member that its state names. Members are matched anew when all games begin at once. Where rows are not
    of both teams, as in a match against others, the best member plays them all.

    Args:
        players: The members, or copies of them that act with their weights.
        config: How they are matched.
        ratings: Variable [N], by which they are matched.
    """

    def __init__(
        self, players: Sequence[Any], config: LeagueConfig, ratings: tf.Variable
    ) -> None:
        self.players, self.config, self.ratings = players, config, ratings
        self._results: list[list[int]] = []
        self._present = np.zeros(0, np.int64)

    @property
    def best(self) -> int:
        """The member with the highest rating."""
        return int(np.argmax(self.ratings.numpy()))

    def player(self) -> Agent:
        """Returns it."""
        return self.players[self.best]

    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns the state of a member, a seed for each row, and the best member for all."""
        first = self.players[0].initial_state(batch)
        state = {key: np.array(value) for key, value in first.items()}
        mixed = np.random.SeedSequence(seed).generate_state(batch) >> 1
        state["seed"] = np.stack([mixed, np.zeros_like(mixed)], -1).astype(np.int32)
        return state | {MEMBER: np.full(batch, self.best, np.int32)}

    def act(self, step: Step, state: State, mode: Mode) -> tuple[np.ndarray, State]:
        """Acts member by member; reads `team` in info too, to match them where all games begin."""
        playing = self._playing(step, state)
        action: np.ndarray | None = None
        after = {key: np.array(value) for key, value in state.items()}
        after[MEMBER] = playing
        for member, rows in _rows_of(playing):
            chosen, part = self.players[member].act(
                take_rows(step, rows), _take(state, rows), mode
            )
            if action is None:
                action = np.zeros((len(playing), *chosen.shape[1:]), chosen.dtype)
            action[rows] = chosen
            for key, value in part.items():
                after[key][rows] = value
        assert action is not None
        return action, after

    def observe(self, step: Step, state: State) -> None:
        """Shows each member its rows; where all games begin, windows begin too."""
        playing = self._playing(step, state)
        if step.is_first.all():
            self.drop_window()
        for member, rows in _rows_of(playing):
            self.players[member].observe(take_rows(step, rows), _take(state, rows))
        self._present = np.unique(playing)
        self._results += _results(step, playing)

    def updates_due(self) -> int:
        """Returns 1 when the members' windows are full, all at once."""
        return self.players[int(self._present[0])].updates_due()

    def take_window(self) -> dict[str, Any]:
        """Returns the windows of all members that played, 'N/KEY', and the results since the last ones, 'results'."""
        found: dict[str, Any] = {}
        for member in self._present:
            window = self.players[int(member)].take_window()
            found |= {f"{member}/{key}": value for key, value in window.items()}
        found[RESULTS] = np.array(self._results, np.int64)
        self._results = []
        return found

    def drop_window(self) -> None:
        """Forgets the rows collected so far."""
        for player in self.players:
            player.drop_window()

    def _playing(self, step: Step, state: State) -> np.ndarray:
        """[B] int32, the member that plays each row from this step on."""
        if not step.is_first.all():
            return np.asarray(state[MEMBER])
        players = _players(step.info.get("team"))
        if not players:
            return np.full(len(step.is_first), self.best, np.int32)
        key = np.asarray(state["seed"])[0].astype(np.uint32)
        rng, ratings = np.random.default_rng(key), self.ratings.numpy()
        matches = [
            league_lib.match(ratings, players, self.config, rng)
            for _ in range(len(step.is_first) // players)
        ]
        return np.concatenate(matches).astype(np.int32)


def part(batch: Any, member: int) -> dict[str, Any]:
    """Returns the window of a member in a batch, without its number; empty where it did not play."""
    prefix = f"{member}/"
    return {
        key.removeprefix(prefix): value
        for key, value in batch.items()
        if key.startswith(prefix)
    }


def _rows_of(playing: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for member in np.unique(playing):
        yield int(member), np.flatnonzero(playing == member)


def _take(state: State, rows: np.ndarray) -> State:
    """The rows of a state, without the field that says who plays them."""
    return {
        key: np.asarray(value)[rows] for key, value in state.items() if key != MEMBER
    }


def _players(team: np.ndarray | None) -> int:
    """Players of a game, both teams', whose rows stand together, team 0's first; 0 where rows are not of both teams."""
    if team is None or not {0, 1} <= set(np.unique(team).tolist()):
        return 0
    begins = np.flatnonzero((team == 0) & (np.roll(team, 1) == 1))
    return len(team) // len(begins)


def _results(step: Step, playing: np.ndarray) -> list[list[int]]:
    """The members of each game that this step ends, and its outcome for the first team."""
    players = _players(step.info.get("team")) if step.is_last.any() else 0
    if not players:
        return []
    ends = np.flatnonzero(step.is_last.reshape(-1, players).any(1))
    outcome = step.info["outcome"].reshape(-1, players)
    return [
        [*playing.reshape(-1, players)[game].tolist(), int(outcome[game, 0])]
        for game in ends
    ]
