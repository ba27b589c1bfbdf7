"""A population of FTW agents as one agent: its members play each other, learn each from their own rows, and evolve.

References: Jaderberg et al. 2019 (arXiv 1807.01281).
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from agents import random_policy
from agents.actors import Workers
from agents.api import Agent, Batch, Metrics, Mode, Spaces, State, Step, Tree
from agents.ftw.arena import MEMBER, RESULTS, Arena, part
from agents.ftw.config import FTWConfig
from agents.ftw.league import Exploit, League, LeagueConfig, Range
from agents.ftw.member import Member
from agents.learner import Distribution, NonFiniteError, Policy
from agents.on_policy import OnPolicyAgent
from agents.settings import Settings

__all__ = [
    "MEMBER",
    "RESULTS",
    "Population",
    "league_config",
    "member_config",
    "ranges",
]


class Population(OnPolicyAgent):
    """Members that learn from internal rewards of their own, and are selected by who wins.

    Its parts are those of a league on many machines: members (agents/ftw/member.py), an arena where they play
    (agents/ftw/arena.py), and the league (agents/ftw/league.py); there `distribute` puts members and arenas into processes
    of their own.

    Members are matched anew when all games begin at once: at every game of capture the flag, whose games have one
    length, and elsewhere at every save. A batch holds 'N/KEY' for each member N that played, and 'results' [games, players + 1]
    int64: the members of each game that ended, and its outcome for the first team.

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
    launchers = ("league", "match")

    def __init__(
        self, spaces: Spaces, config: FTWConfig, seed: int = 0, folder: Any = None
    ) -> None:
        super().__init__(spaces, config.length, seed)
        if not {"team", "outcome"} <= spaces.info.keys():
            raise ValueError(
                f"population={config.population} came, but this environment has no teams: members play each other "
                "in games with `team` and `outcome` in their info, as capture the flag has them"
            )
        single = member_config(config)
        self.members = [
            Member(spaces, single, seed + number) for number in range(config.population)
        ]
        for number, member in enumerate(self.members):
            member.name, member.seed = "ftw", seed + number
        precision = self.members[0].config.precision
        self.config = dataclasses.replace(config, precision=precision)
        self.league = League(league_config(config), ranges(config), seed)
        self._ratings = tf.Variable(self.league.ratings, trainable=False)
        self.arena = Arena(self.members, self.league.config, self._ratings)
        for member, hyper in zip(self.members, self.league.hyper, strict=True):
            member.set_hyper(hyper)

    @property
    def parameters(self) -> int:  # type: ignore[override]
        """Those of all members."""
        return sum(member.parameters for member in self.members)

    def player(self) -> Agent:
        """Returns the member with the highest rating."""
        return self.arena.player()

    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns the state of FTW, a seed for each row, and the best member for all."""
        return self.arena.initial_state(batch, seed)

    def act(
        self, step: Step, state: State, mode: Mode = "sample"
    ) -> tuple[np.ndarray, State]:
        """Acts member by member; see `Arena`."""
        if mode == "random":
            return random_policy.act(self.spaces.action, state)
        return self.arena.act(step, state, mode)

    def observe(self, step: Step, state: State) -> None:
        """Shows each member its rows; where all games begin, windows begin too."""
        self.arena.observe(step, state)
        self.env_steps += int(np.count_nonzero(~step.is_first))

    def updates_due(self) -> int:
        """Returns 1 when the members' windows are full, all at once."""
        return self.arena.updates_due()

    def take_window(self) -> dict[str, Any]:
        """Returns the windows of all members that played, and the results since the last ones."""
        return self.arena.take_window()

    def drop_window(self) -> None:
        """Forgets the rows collected so far."""
        self.arena.drop_window()

    def learn(self, batch: Mapping[str, Any]) -> Metrics:
        """Makes an update of each member that has rows, then takes the results, and lets members copy others.

        A member whose loss is not finite copies the best other one instead.
        """
        metrics: Metrics = {}
        losses, broken = [], []
        for number, member in enumerate(self.members):
            rows = part(batch, number)
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
        for exploit in self.judge(np.asarray(batch[RESULTS]).tolist(), broken):
            parent = self.members[exploit.parent].get_state()
            self.members[exploit.member].inherit(parent, exploit.hyper)
        self.updates += 1
        return metrics | self.figures() | {"loss": float(np.mean(losses))}

    def judge(
        self, results: Iterable[Sequence[int]], broken: Sequence[int] = ()
    ) -> list[Exploit]:
        """Rates the games that are over.

        Args:
            results: The members of each game, and its outcome for the first team.
            broken: Members that cannot go on.

        Returns:
            Who copies whom from now on, in this order: those that cannot go on, and the weak.
        """
        for *players, outcome in results:
            self.league.report(players, outcome)
        made = [self.league.replace(each, not_in(broken)) for each in broken]
        made += self.league.exploits()
        self._ratings.assign(self.league.ratings)
        for each in made:
            logging.info(
                "member %d copies member %d, against which it wins %.0f %% of games; changed: %s",
                each.member,
                each.parent,
                100 * each.win_probability,
                ", ".join(each.mutated) or "nothing",
            )
        return made

    def distribute(self, settings: Settings, say: Any) -> Workers:
        """Puts the members and `arenas` arenas into processes of Ray."""
        from agents.ftw import cluster

        return cluster.make(self, settings, say)

    def update(self, batch: Batch) -> Mapping[str, Any]:
        """The members' updates: rows 'N/KEY' -> their scalars under the same prefix, and the mean `loss`."""
        found: dict[str, Any] = {}
        for number, member in enumerate(self.members):
            if rows := part(batch, number):
                made = member.update(rows)
                found |= {f"{number}/{key}": value for key, value in made.items()}
        losses = [value for key, value in found.items() if key.endswith("/loss")]
        return found | {"loss": tf.reduce_mean(tf.stack(losses))}

    def policy(self, mode: Mode) -> Policy:
        """Returns that of the best member."""
        return self.members[self.arena.best].policy(mode)

    def distribution(self) -> Distribution:
        """Returns that of the best member."""
        return self.members[self.arena.best].distribution()

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

    def figures(self) -> Metrics:
        """Returns ratings, games and hyperparameters of each member."""
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


def member_config(config: FTWConfig) -> FTWConfig:
    """Returns the settings of each member of a population of these settings."""
    return dataclasses.replace(config, population=1, exploits="auto")


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


def not_in(broken: Sequence[int]) -> Any:
    """Returns a predicate: whether a member is none of these."""
    return lambda member: member not in broken
