"""The processes of a population: started, given what they go on from, and started anew when they die."""

import collections
import dataclasses
from typing import Any

from agents.api import Tree
from agents.fleet import RESTARTS, Died, Fleet, Lost, Ref, Usage
from agents.ftw.arena_actor import ArenaActor
from agents.ftw.league import Exploit
from agents.ftw.member import Member
from agents.ftw.population import Population, member_config
from agents.settings import Settings


@dataclasses.dataclass
class Learner:
    """A member's process.

    Attributes:
        weights, state: Of its last finished call.
        asked, made: Updates.
        since: Updates asked for before this number are of what it was before it copied another.
        due: The copy that is under way.
        coming: Its state after that.
    """

    name: str
    weights: Ref = None
    state: Ref = None
    asked: int = 0
    made: int = 0
    since: int = 0
    due: Exploit | None = None
    coming: Ref = None


@dataclasses.dataclass
class Table:
    """An arena's process.

    Attributes:
        acting: The updates that the weights which act were made by, of each member; None where it is not playing.
        sent: The weights it has.
    """

    name: str
    acting: list[int] | None = None
    sent: list[Ref] = dataclasses.field(default_factory=list)

    def forget(self, members: int) -> None:
        """Notes that it is not playing, and has no weights."""
        self.acting, self.sent = None, [None] * members


class Crew:
    """A population's members and arenas as processes.

    A process that dies is started anew. An arena loses the games under way. A member goes on from its last update, or, where that
    has gone with its machine, from the last save.

    Args:
        population: Its own members are what was saved last.
        settings: Of the run.
        fleet: Where processes are.
        say: Takes a line of text.

    Attributes:
        learners: Of each member, what is known of its process.
        tables: Of each arena.
        size: Bytes of the weights that acting with a member reads.
    """

    def __init__(
        self, population: Population, settings: Settings, fleet: Fleet, say: Any
    ) -> None:
        self._population, self._fleet, self._say = population, fleet, say
        self._settings = settings._replace(config=population.config)
        self._deaths: collections.Counter[str] = collections.Counter()
        self._seed, self.size = 0, 0
        members, arenas = len(population.members), settings.run.arenas
        self.learners = [Learner(f"member {i}") for i in range(members)]
        self.tables = [Table(f"arena {i}") for i in range(arenas)]
        for number in range(members):
            self._start_member(number)
        for number in range(arenas):
            self._start_arena(number)
        fleet.join(self._names)
        for number in range(members):
            self._restore(number)

    @property
    def _names(self) -> list[str]:
        members = [learner.name for learner in self.learners]
        return members + [table.name for table in self.tables]

    def usage(self) -> dict[str, Usage]:
        """Returns what each process has taken."""
        asked = {name: self._fleet.call(name, "usage")[0] for name in self._names}
        return {name: self._fleet.get(ref) for name, ref in asked.items()}

    def lives(self, name: str) -> None:
        """Notes that a process made something."""
        self._deaths.pop(name, None)

    def call(self, learner: Learner, method: str, *args: Any) -> list[Ref]:
        """Calls a method of a member that returns `Published`."""
        return self._fleet.call(learner.name, method, *args, returns=3)

    def new_games(self, seed: int) -> None:
        """Starts new games in all arenas."""
        self._seed, started = seed, []
        for table in self.tables:
            table.forget(len(self.learners))
            started.append(self._fleet.call(table.name, "start", seed)[0])
        for number, ref in enumerate(started):
            try:
                self._fleet.get(ref)
            except Died as error:
                self.revive_arena(number, error)

    def revive_arena(self, number: int, error: Exception) -> None:
        """Starts one that died anew, with new games."""
        table, alive = self.tables[number], False
        while not alive:
            self._count_death(table.name, error)
            self._start_arena(number)
            try:
                self._fleet.join([table.name])
                seed = self._seed + self._deaths[table.name]
                self._fleet.get(self._fleet.call(table.name, "start", seed)[0])
                alive = True
            except Died as again:
                error = again
        table.forget(len(self.learners))
        self._say(f"{table.name} died and is started anew; its games are lost")

    def revive_member(self, number: int, error: Exception) -> None:
        """Starts one that died anew."""
        learner, source = self.learners[number], ""
        while not source:
            self._count_death(learner.name, error)
            self._start_member(number)
            try:
                self._fleet.join([learner.name])
                source = self._restore(number)
            except Died as again:
                error = again
        self._say(f"{learner.name} died and is started anew from {source}")

    def publish_anew(self) -> dict[int, Died]:
        """Has all members give their weights and states again; returns those that are dead."""
        dead = {}
        for number, learner in enumerate(self.learners):
            refs = self.call(learner, "publish")
            try:
                self._fleet.get(refs[0])
            except Died as error:
                dead[number] = error
            else:
                _, learner.weights, learner.state = refs
        return dead

    def state(self, number: int) -> Tree:
        """Returns what a member is; raises Lost where that has gone with its machine."""
        return self._fleet.get(self.learners[number].state)

    def close(self) -> None:
        """Ends all processes."""
        self._fleet.close()

    def _start_member(self, number: int) -> None:
        population, run = self._population, self._settings.run
        self._fleet.start(
            self.learners[number].name,
            Member,
            population.spaces,
            member_config(population.config),
            run.seed + number,
            gpus=run.gpus_per_member,
        )

    def _start_arena(self, number: int) -> None:
        table = self.tables[number]
        self._fleet.start(table.name, ArenaActor, self._settings, number)

    def _restore(self, number: int) -> str:
        """Gives a new process its last state that is still there; returns which."""
        learner = self.learners[number]
        saved = self._population.members[number].get_state()
        sources = {"its last update": learner.state, "the last save": saved}
        for text, state in sources.items():
            if state is None:
                continue
            hyper = self._population.league.hyper[number]
            refs = self.call(learner, "restore", state, hyper)
            try:
                self.size = self._fleet.get(refs[0]).bytes
            except Lost:
                continue
            _, learner.weights, learner.state = refs
            return text
        raise AssertionError("what was saved is here")

    def _count_death(self, name: str, error: Exception) -> None:
        self._deaths[name] += 1
        if self._deaths[name] > RESTARTS:
            raise RuntimeError(
                f"{name} died {self._deaths[name]} times in a row, the last with: {error}. "
                "Start with --arenas=0 to see why"
            ) from error
