"""A population of FTW agents as one agent: its members play each other, learn each from their own rows, and evolve.

References: Jaderberg et al. 2019 (arXiv 1807.01281).
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from agents import random_policy
from agents.api import Agent, Batch, Metrics, Mode, Spaces, State, Step, Tree
from agents.driver import take_rows
from agents.ftw import league as league_lib
from agents.ftw.agent import FTW
from agents.ftw.config import FTWConfig
from agents.ftw.league import Exploit, League, LeagueConfig, Range
from agents.learner import Distribution, NonFiniteError, Policy
from agents.on_policy import OnPolicyAgent

MEMBER = "member"  # field of the state, and prefix of metrics
RESULTS = "results"  # key of a batch


class Population(OnPolicyAgent):
    """Members that learn from internal rewards of their own, and are selected by who wins.

    A row is played by the member that its state names. Members are matched anew when all games begin at once: at every game of
    capture the flag, whose games have one length, and elsewhere at every save. Where rows are not of both teams, as in
    a match against others, the best member plays them all.

    A batch holds 'N/KEY' for each member N that played, and 'results' [games, players + 1] int64: the members of each
    game that ended, and its outcome for the first team.

    Args:
        spaces: The spaces of one row: as FTW takes them, with `team` and `outcome` in info.
        config: The settings; what evolves is drawn by the league.
        seed: Seeds members, matches and evolution.
        folder: Not used.

    Attributes:
        members: The agents.
        league: Who is how strong, and who copied whom.

    Raises:
        ValueError: On spaces it cannot use.
    """

    config: FTWConfig

    def __init__(
        self, spaces: Spaces, config: FTWConfig, seed: int = 0, folder: Any = None
    ) -> None:
        super().__init__(spaces, config.length, seed)
        if not {"team", "outcome"} <= spaces.info.keys():
            raise ValueError(
                f"population={config.population} came, but this environment has no teams: members play each other "
                "in games with `team` and `outcome` in their info, as capture the flag has them"
            )
        single = dataclasses.replace(config, population=1, exploits="auto")
        self.members = [
            FTW(spaces, single, seed + number) for number in range(config.population)
        ]
        for number, member in enumerate(self.members):
            member.name, member.seed = "ftw", seed + number
        precision = self.members[0].config.precision
        self.config = dataclasses.replace(config, precision=precision)
        self.league = League(league_config(config), ranges(config), seed)
        self._ratings = tf.Variable(self.league.ratings, trainable=False)
        for member, hyper in zip(self.members, self.league.hyper, strict=True):
            member.set_hyper(hyper)
        self._results: list[list[int]] = []

    @property
    def parameters(self) -> int:  # type: ignore[override]
        """Those of all members."""
        return sum(member.parameters for member in self.members)

    def player(self) -> Agent:
        """Returns the member with the highest rating."""
        return self.members[self.league_best()]

    def league_best(self) -> int:
        """Returns its number."""
        return int(np.argmax(self._ratings.numpy()))

    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns the state of FTW, a seed for each row, and the best member for all."""
        first = self.members[0].initial_state(batch)
        state = {key: np.array(value) for key, value in first.items()}
        mixed = np.random.SeedSequence(seed).generate_state(batch) >> 1
        state["seed"] = np.stack([mixed, np.zeros_like(mixed)], -1).astype(np.int32)
        return state | {MEMBER: np.full(batch, self.league_best(), np.int32)}

    def act(
        self, step: Step, state: State, mode: Mode = "sample"
    ) -> tuple[np.ndarray, State]:
        """Acts member by member; reads `team` in info too, to match them where all games begin."""
        if mode == "random":
            return random_policy.act(self.spaces.action, state)
        playing = self._playing(step, state)
        action: np.ndarray | None = None
        after = {key: np.array(value) for key, value in state.items()}
        after[MEMBER] = playing
        for member, rows in _rows_of(playing):
            chosen, part = self.members[member].act(
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
            self.members[member].observe(take_rows(step, rows), _take(state, rows))
        self._present = np.unique(playing)
        self.env_steps += int(np.count_nonzero(~step.is_first))
        self._results += _results(step, playing)

    def updates_due(self) -> int:
        """Returns 1 when the members' windows are full, all at once."""
        return self.members[self._present[0]].updates_due()

    def take_window(self) -> dict[str, Any]:
        """Returns the windows of all members that played, and the results since the last ones."""
        found: dict[str, Any] = {}
        for member in self._present:
            window = self.members[member].take_window()
            found |= {f"{member}/{key}": value for key, value in window.items()}
        found[RESULTS] = np.array(self._results, np.int64)
        self._results = []
        return found

    def drop_window(self) -> None:
        """Forgets the rows collected so far."""
        for member in self.members:
            member.drop_window()

    def learn(self, batch: Mapping[str, Any]) -> Metrics:
        """Makes an update of each member that has rows, then takes the results, and lets members copy others.

        A member whose loss is not finite copies the best other one instead.
        """
        metrics: Metrics = {}
        losses, broken = [], []
        for number, member in enumerate(self.members):
            rows = _part(batch, f"{number}/")
            if not rows:
                continue
            try:
                found = member.learn(rows)
            except NonFiniteError as error:
                broken.append(number)
                logging.warning("member %d: %s", number, error)
                continue
            losses.append(found["loss"])
            metrics |= {f"{MEMBER}{number}/{key}": v for key, v in found.items()}
        if not losses:
            raise NonFiniteError("no member's loss is finite: there is none to copy")
        for *players, outcome in np.asarray(batch[RESULTS]).tolist():
            self.league.report(players, outcome)
        for number in broken:
            self._inherit(self.league.replace(number, healthy=not_in(broken)))
        for exploit in self.league.exploits():
            self._inherit(exploit)
        self._ratings.assign(self.league.ratings)
        self.updates += 1
        return metrics | self._figures() | {"loss": float(np.mean(losses))}

    def update(self, batch: Batch) -> Mapping[str, Any]:
        """The members' updates: rows 'N/KEY' -> their scalars under the same prefix, and the mean `loss`."""
        found: dict[str, Any] = {}
        for number, member in enumerate(self.members):
            if rows := _part(batch, f"{number}/"):
                made = member.update(rows)
                found |= {f"{number}/{key}": value for key, value in made.items()}
        losses = [value for key, value in found.items() if key.endswith("/loss")]
        return found | {"loss": tf.reduce_mean(tf.stack(losses))}

    def policy(self, mode: Mode) -> Policy:
        """Returns that of the best member."""
        return self.members[self.league_best()].policy(mode)

    def distribution(self) -> Distribution:
        """Returns that of the best member."""
        return self.members[self.league_best()].distribution()

    def variables(self) -> Mapping[str, Any]:
        """Returns those of each member behind its number, and the ratings."""
        found: dict[str, Any] = {"league/ratings": self._ratings}
        for number, member in enumerate(self.members):
            own = member.variables()
            found |= {f"{number}/{name}": value for name, value in own.items()}
        return found

    def acting_names(self) -> set[str]:
        """Returns what the members' `act` reads, and the ratings, by which they are matched."""
        found = {"league/ratings"}
        for number, member in enumerate(self.members):
            found |= {f"{number}/{name}" for name in member.acting_names()}
        return found

    def get_state(self) -> Tree:
        """Returns the members, the league and the counters; games under way are not among it."""
        counters = [
            {"env_steps": member.env_steps, "updates": member.updates}
            for member in self.members
        ]
        league = self.league.get_state()
        return super().get_state() | {"league": league, "members": counters}

    def set_state(self, tree: Tree, learn: bool = True) -> None:
        """Inverts `get_state`."""
        super().set_state(tree, learn)
        if not learn:  # then one of them plays, as the population of that step
            for member in self.members:
                member.env_steps, member.updates = self.env_steps, self.updates
        else:
            self.league.set_state(tree["league"])
            for member, saved in zip(self.members, tree["members"], strict=True):
                member.env_steps, member.updates = saved["env_steps"], saved["updates"]

    def _playing(self, step: Step, state: State) -> np.ndarray:
        """[B] int32, the member that plays each row from this step on."""
        if not step.is_first.all():
            return np.asarray(state[MEMBER])
        players = _players(step.info.get("team"))
        if not players:
            return np.full(len(step.is_first), self.league_best(), np.int32)
        key = np.asarray(state["seed"])[0].astype(np.uint32)
        rng, ratings = np.random.default_rng(key), self._ratings.numpy()
        matches = [
            league_lib.match(ratings, players, self.league.config, rng)
            for _ in range(len(step.is_first) // players)
        ]
        return np.concatenate(matches).astype(np.int32)

    def _inherit(self, exploit: Exploit) -> None:
        """Copies weights, moments and counters of a parent, and sets the child's hyperparameters."""
        child, parent = self.members[exploit.member], self.members[exploit.parent]
        state = parent.get_state() | {"env_steps": child.env_steps, "rollout": None}
        child.set_state(state)
        child.set_hyper(exploit.hyper)
        logging.info(
            "member %d copies member %d, against which it wins %.0f %% of games; changed: %s",
            exploit.member,
            exploit.parent,
            100 * exploit.win_probability,
            ", ".join(exploit.mutated) or "nothing",
        )

    def _figures(self) -> Metrics:
        """Ratings, games and hyperparameters of each member."""
        league = self.league
        found: Metrics = {
            "games": float(league.played),
            "exploits": float(len(league.lineage)),
        }
        for number, hyper in enumerate(league.hyper):
            prefix = f"{MEMBER}{number}/"
            found[prefix + "elo"] = float(league.ratings[number])
            for name, value in hyper.items():
                if value.ndim == 0:
                    found[prefix + name] = float(value)
                else:
                    for i, each in enumerate(value):
                        found[f"{prefix}{name}_{i}"] = float(each)
        return found


def league_config(config: FTWConfig) -> LeagueConfig:
    """Returns how a population of these settings is matched and evolves."""
    return LeagueConfig(
        population=config.population,
        step=config.elo_step,
        burn_in=config.burn_in,
        exploit_below=0.0 if config.exploits == "off" else config.exploit_below,
        mutation_rate=config.mutation_rate,
    )


def ranges(config: FTWConfig) -> dict[str, Range]:
    """Returns what evolves, and where: of what the settings leave out, nothing.

    Open: the paper's ranges are not at hand; these are those of others who built it.
    """
    found = {"learning_rate": Range(1e-5, 5e-3), "entropy_scale": Range(5e-4, 1e-2)}
    if config.hierarchy:
        found |= {
            "kl_scale": Range(1e-3, 1.0),
            "prior_scale": Range(1e-4, 0.1),
            "slow_gradient": Range(0.1, 1.0),
            "period": Range(5, 20, integer=True),
        }
    if config.pixel_scale:
        found["pixel_scale"] = Range(0.01, 0.1)
    if config.prediction_scale:
        found["prediction_scale"] = Range(0.1, 1.0)
    if config.rewards == "events":
        signs = tuple(1 if weight > 0 else -1 for weight in config.weights())
        found["rewards"] = Range(0.1, 1.0, signs=signs)
    return found


def not_in(broken: list[int]) -> Any:
    """Returns a predicate: whether a member is none of these."""
    return lambda member: member not in broken


def _rows_of(playing: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for member in np.unique(playing):
        yield int(member), np.flatnonzero(playing == member)


def _take(state: State, rows: np.ndarray) -> State:
    """The rows of a state, without the field that says who plays them."""
    return {
        key: np.asarray(value)[rows] for key, value in state.items() if key != MEMBER
    }


def _part(batch: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        key.removeprefix(prefix): value
        for key, value in batch.items()
        if key.startswith(prefix)
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
