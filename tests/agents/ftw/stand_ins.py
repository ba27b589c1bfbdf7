"""Members, arenas and a fleet that learn and play nothing, to see who calls whom and what happens when somebody dies."""

import numpy as np
import tensorflow as tf

from agents import training
from agents.api import Step
from agents.fleet import Died, Joined, LocalFleet, Lost
from agents.ftw import cluster, crew
from agents.ftw.arena_actor import Played
from agents.ftw.config import FTWConfig
from agents.ftw.league import League, LeagueConfig, Range
from agents.ftw.member import Studied
from agents.ftw.population import Population

STEPS = 10  # of a window


class World:
    """What happens to everybody, and what they saw.

    Attributes:
        results: Of the next windows, one after another.
        broken: Members whose updates fail.
        lags: Updates between the weights that acted and those that learned, of every update.
        sent: How many weights came to an arena with every window.
        said: What the cluster said.
        starts: Arena and seed of every start.
    """

    def __init__(self, members=3, arenas=2, max_lag=0, fleet=None, **league):
        self.results, self.broken = [], set()
        self.lags, self.sent, self.said, self.starts = [], [], [], []
        self.fleet = fleet or FragileFleet()
        self.population = StandInPopulation(self, members, league)
        more = {"arenas": arenas, "max_lag": max_lag, "population": members}
        settings = training.settings("ftw", "debug", env="ctf:small", **more)
        original = crew.Member, crew.ArenaActor
        self._classes = self._member(), self._arena()
        crew.Member, crew.ArenaActor = self._classes
        try:
            self.cluster = cluster.Cluster(
                self.population, settings, self.fleet, self.said.append
            )
        finally:
            crew.Member, crew.ArenaActor = original

    def run(self, windows, before=lambda number: None, seed=0):
        """The events of so many windows; `before` is called with the number of each."""
        events = []
        original = crew.Member, crew.ArenaActor
        crew.Member, crew.ArenaActor = self._classes
        try:
            until = self.population.env_steps + STEPS * windows
            for event in self.cluster.run(until, seed):
                events.append(event)
                before(len(events))
        finally:
            crew.Member, crew.ArenaActor = original
        return events

    def members(self):
        """The members' objects, in their processes."""
        number = len(self.population.members)
        return [self.fleet.there(f"member {i}") for i in range(number)]

    def _member(self):
        return lambda spaces, config, seed: StandInMember(self, seed)

    def _arena(self):
        return lambda settings, number: StandInArena(self, number)


class StandInMember(Joined):
    """Counts updates; its line says whose weights it has."""

    def __init__(self, world, number):
        self.world, self.number = world, number
        self.line, self.updates, self.hyper = [number], 0, {}

    def study(self, rows):
        if self.number in self.world.broken:
            return self.publish(broken="loss")
        assert rows["player"] == self.number
        if rows["line"] == self.line:
            self.world.lags.append(self.updates - rows["updates"])
        self.updates += 1
        return self.publish({"loss": float(self.updates)})

    def inherit(self, parent, hyper):
        self.line, self.updates = [*parent["line"], self.number], parent["updates"]
        self.hyper = hyper
        return self.publish()

    def restore(self, state, hyper=None):
        self.line, self.updates = list(state["line"]), state["updates"]
        self.hyper = state["hyper"] if hyper is None else hyper
        return self.publish()

    def publish(self, metrics=None, broken=""):
        state = self.get_state()
        return Studied(metrics or {}, broken, 8), state, dict(state)

    def get_state(self):
        return {"line": list(self.line), "updates": self.updates, "hyper": self.hyper}


class StandInArena(Joined):
    """Every member plays every window."""

    def __init__(self, world, number):
        self.world, self.number = world, number
        self.weights = [None] * len(world.population.members)

    def start(self, seed):
        self.world.starts.append((self.number, seed))

    def play(self, ratings, *weights):
        self.world.sent.append(sum(each is not None for each in weights))
        pairs = zip(weights, self.weights, strict=True)
        self.weights = [had if new is None else new for new, had in pairs]
        rows = [w | {"player": i} for i, w in enumerate(self.weights)]
        results = self.world.results.pop(0) if self.world.results else []
        players = list(range(len(rows)))
        return Played(_step(), [], STEPS, results, players, 100), *rows


class StandInPopulation(Population):
    """A league and members that learn nothing."""

    def __init__(self, world, members, league):
        given = {"burn_in": 10**6} | league
        self.members = [StandInMember(world, number) for number in range(members)]
        self.league = League(LeagueConfig(members, **given), {"rate": Range(1, 2)})
        self._ratings = tf.Variable(self.league.ratings, trainable=False)
        self.spaces, self.config = None, FTWConfig(population=members)


class FragileFleet(LocalFleet):
    """A fleet whose processes can be killed in the middle of a call, with or without all that they have made."""

    def __init__(self):
        super().__init__()
        self._calls, self._got = [], set()

    def there(self, who):
        return self._there[who]

    def call(self, who, method, *args, returns=1):
        refs = super().call(who, method, *args, returns=returns)
        self._calls.append((who, refs))
        return refs

    def get(self, ref):
        self._got.add(ref)
        return super().get(ref)

    def kill(self, who):
        super().kill(who)
        for refs in self._of(who):
            if refs[0] not in self._got:
                self._spoil(refs, Died(f"{who} was killed"))

    def lose(self, who):
        """Takes away all that a process has made."""
        for refs in self._of(who):
            self._spoil(refs, Lost("its machine is gone"))

    def _of(self, who):
        return [refs for name, refs in self._calls if name == who]

    def _spoil(self, refs, error):
        for ref in refs:
            object.__setattr__(ref, "error", error)


class LateFleet(FragileFleet):
    """A fleet whose members are done only when no arena is."""

    def wait(self, refs):
        plays = {made[0] for who, made in self._calls if "arena" in who}
        return next((ref for ref in refs if ref in plays), refs[0])


class LossyFleet(FragileFleet):
    """A fleet that loses the first member's rows of the third window."""

    windows = 0

    def get(self, ref):
        value = super().get(ref)
        self.windows += isinstance(value, Played)
        if isinstance(value, Played) and self.windows == 3:
            (refs,) = [made for _, made in self._calls if made[0] is ref]
            self._spoil(refs[1:2], Lost("its machine is gone"))
        return value


def _step():
    nothing = np.zeros(2, np.float32)
    return Step({}, nothing, nothing, nothing + 1, nothing > 0, nothing > 0)
