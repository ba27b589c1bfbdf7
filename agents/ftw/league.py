"""The league of a population: ratings, matches and evolution; nothing in it learns, and it knows only who won.

References: Jaderberg et al. 2019 (arXiv 1807.01281), 'Population based training' and 'Matchmaking'.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from agents.api import Tree
from agents.ratings import SCALE

Hyper = dict[str, np.ndarray]  # name -> float64, [] or [n]


class Range(NamedTuple):
    """Where a hyperparameter is drawn, and where it stays.

    Attributes:
        low: Least magnitude.
        high: Largest magnitude.
        integer: Drawn uniformly from the whole numbers from low to high, and anew when it mutates; else log-uniform, and
            changed by a factor.
        signs: Of the numbers of a vector, 1 or -1 each; empty: one positive number.
    """

    low: float
    high: float
    integer: bool = False
    signs: tuple[int, ...] = ()

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Returns a new value, [] or [n]."""
        if self.integer:
            return np.asarray(float(rng.integers(int(self.low), int(self.high) + 1)))
        shape = (len(self.signs),) if self.signs else ()
        magnitude = np.exp(rng.uniform(math.log(self.low), math.log(self.high), shape))
        return np.asarray(magnitude * (np.array(self.signs) if self.signs else 1.0))

    def mutate(
        self, value: np.ndarray, rng: np.random.Generator, rate: float, change: float
    ) -> np.ndarray:
        """Returns a value of which each number has changed with a probability of `rate`: by a factor 1 +- `change`."""
        hit = rng.uniform(size=np.shape(value)) < rate
        if self.integer:
            return np.where(hit, self.draw(rng), value)
        up = rng.uniform(size=np.shape(value)) < 0.5
        changed = np.abs(value) * np.where(up, 1 + change, 1 - change)
        within = np.sign(value) * np.clip(changed, self.low, self.high)
        return np.where(hit, within, value)


class Exploit(NamedTuple):
    """A member takes over what another one is.

    Attributes:
        member: Who is replaced.
        parent: Whose weights and hyperparameters it gets.
        hyper: Its hyperparameters from now on, the parent's mutated.
        mutated: Names of those that differ from the parent's.
        win_probability: That of the member against the parent, before.
        games: All games that the league had played.
    """

    member: int
    parent: int
    hyper: Hyper
    mutated: tuple[str, ...]
    win_probability: float
    games: int


@dataclasses.dataclass(frozen=True)
class LeagueConfig:
    """How a league matches and evolves.

    Attributes:
        population: Members.
        start: Rating of a new member, in Elo points.
        step: K: points that a match between equals moves.
        match_mean: Opponents are drawn by the density, at their probability to win, of a normal distribution with this mean,
        match_std: and this deviation.
        burn_in: Games of a member before it is looked at, and between two looks.
        exploit_below: A member that is looked at copies another one, drawn at random, if its own probability to win
            against it is lower; 0: never.
        mutation_rate: Probability that a number mutates when it is copied.
        mutation_change: By which factor, 1 +- this.
    """

    population: int
    start: float = 1000.0
    # Open: the paper's constant is not at hand.
    step: float = 8.0
    match_mean: float = 0.5
    match_std: float = 1 / 6
    burn_in: int = 1000
    # Open: the paper's 70 % are read as the better one's: a member copies one that beats it in 70 % of games. Read as the
    # member's own, equals would copy each other all the time.
    exploit_below: float = 0.3
    mutation_rate: float = 0.05
    mutation_change: float = 0.2


class League:
    """Who plays whom, who is how strong, and who copies whom.

    Everything random is a function of the seed and of how often something was drawn, so that a league that was saved goes
    on as if nothing had happened.

    Args:
        config: See `LeagueConfig`.
        ranges: Of the hyperparameters that evolve, by name.
        seed: Seeds it.

    Attributes:
        ratings: [N] Elo points.
        games: [N] games that each member played.
        hyper: Of each member.
        lineage: Every exploit so far.
    """

    def __init__(
        self, config: LeagueConfig, ranges: Mapping[str, Range], seed: int = 0
    ) -> None:
        self.config, self.ranges, self._seed = config, dict(ranges), seed
        self._draws = 0
        number = config.population
        self.ratings = np.full(number, config.start)
        self.games = np.zeros(number, np.int64)
        self.played = 0
        self._seen_at = np.zeros(number, np.int64)
        self.lineage: list[Exploit] = []
        self.hyper: list[Hyper] = []
        for _ in range(number):
            rng = self._rng()
            self.hyper.append({k: r.draw(rng) for k, r in self.ranges.items()})

    @property
    def best(self) -> int:
        """The member with the highest rating, the first of equals."""
        return int(np.argmax(self.ratings))

    def report(self, players: Sequence[int], outcome: int) -> None:
        """Takes a game that is over.

        Args:
            players: The member that each player was, the first team's first; teams of one size.
            outcome: 1 if the first team won, -1 if the second did, 0 for a draw.
        """
        size = len(players) // 2
        first, second = list(players[:size]), list(players[size:])
        moved = self.config.step * ((1 + outcome) / 2 - expected(self.ratings, players))
        change = np.zeros_like(self.ratings)
        np.add.at(change, first, moved)
        np.add.at(change, second, -moved)
        self.ratings = self.ratings + change
        self.games[np.unique(players)] += 1
        self.played += 1

    def exploits(self) -> list[Exploit]:
        """Looks at the members that have played their `burn_in` games, and returns who copies whom; it is noted as done."""
        config, found = self.config, []
        if config.population < 2 or config.exploit_below <= 0:
            return []
        for member in range(config.population):
            if self.games[member] - self._seen_at[member] < config.burn_in:
                continue
            self._seen_at[member] = self.games[member]
            rng = self._rng()
            other = int(rng.integers(config.population - 1))
            other += other >= member
            chance = float(win_probability(self.ratings[member], self.ratings[other]))
            if chance < config.exploit_below:
                found.append(self._exploit(member, other, chance, rng))
        return found

    def replace(
        self, member: int, healthy: Callable[[int], bool] = lambda other: True
    ) -> Exploit:
        """Lets a member that cannot go on copy the best other one that can."""
        numbers = range(self.config.population)
        others = [m for m in numbers if m != member and healthy(m)]
        parent = max(others, key=lambda m: self.ratings[m])
        chance = win_probability(self.ratings[member], self.ratings[parent])
        return self._exploit(member, parent, float(chance), self._rng())

    def _exploit(
        self, member: int, parent: int, chance: float, rng: np.random.Generator
    ) -> Exploit:
        config, before = self.config, self.hyper[parent]
        hyper = {
            name: each.mutate(
                before[name], rng, config.mutation_rate, config.mutation_change
            )
            for name, each in self.ranges.items()
        }
        mutated = tuple(k for k in hyper if not np.array_equal(hyper[k], before[k]))
        made = Exploit(member, parent, hyper, mutated, chance, self.played)
        self.hyper[member] = hyper
        self.ratings[member] = self.ratings[parent]
        self._seen_at[member] = self.games[member]
        self.lineage.append(made)
        return made

    def _rng(self) -> np.random.Generator:
        self._draws += 1
        return np.random.default_rng([self._seed, self._draws])

    def get_state(self) -> Tree:
        """Returns all that it knows."""
        return {
            "draws": self._draws,
            "ratings": self.ratings.copy(),
            "games": self.games.copy(),
            "played": self.played,
            "seen_at": self._seen_at.copy(),
            "hyper": [dict(each) for each in self.hyper],
            "lineage": [
                each._asdict() | {"mutated": list(each.mutated)}
                for each in self.lineage
            ],
        }

    def set_state(self, tree: Tree) -> None:
        """Inverts `get_state`."""
        self._draws, self.played = tree["draws"], tree["played"]
        self.ratings = np.array(tree["ratings"], np.float64)
        self.games = np.array(tree["games"], np.int64)
        self._seen_at = np.array(tree["seen_at"], np.int64)
        self.hyper = [_arrays(each) for each in tree["hyper"]]
        self.lineage = [
            Exploit(
                **each
                | {"hyper": _arrays(each["hyper"]), "mutated": tuple(each["mutated"])}
            )
            for each in tree["lineage"]
        ]


def win_probability(rating: Any, other: Any) -> Any:
    """Returns the probability that `rating` beats `other`, in Elo points: 1 / (1 + 10^((other - rating) / 400))."""
    return 1 / (1 + 10 ** ((np.asarray(other) - rating) / SCALE))


def expected(ratings: np.ndarray, players: Sequence[int]) -> float:
    """Returns the expected points of the first team, whose strength is the mean of its members' ratings."""
    size = len(players) // 2
    first, second = ratings[list(players[:size])], ratings[list(players[size:])]
    return float(win_probability(first.mean(), second.mean()))


def match(
    ratings: np.ndarray, players: int, config: LeagueConfig, rng: np.random.Generator
) -> np.ndarray:
    """Returns the members that play a game, [players] int64, the first team's first.

    The first is drawn uniformly; the others without replacement, those whose probability to win against it is near
    `match_mean` more often; then all are shuffled into two teams. Where a population has fewer members than a game has
    players, each team is one member many times over, of different members where there are two.
    """
    number = len(ratings)
    first = int(rng.integers(number))
    if number == 1:
        return np.zeros(players, np.int64)
    others = np.delete(np.arange(number), first)
    chance = win_probability(ratings[others], ratings[first])
    log_weight = -0.5 * ((chance - config.match_mean) / config.match_std) ** 2
    weight = np.exp(log_weight - log_weight.max())
    wanted = min(players, number) - 1 if number >= players else 1
    drawn = rng.choice(others, wanted, replace=False, p=weight / weight.sum())
    if number < players:
        pair = rng.permutation([first, int(drawn[0])])
        return np.repeat(pair, players // 2)
    return rng.permutation(np.array([first, *drawn]))


def _arrays(values: Mapping[str, Any]) -> Hyper:
    return {name: np.asarray(value, np.float64) for name, value in values.items()}
