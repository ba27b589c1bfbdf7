"""A population on many machines: members that learn and arenas that play, each a process, and the league that calls them.

Rows go from arenas to members and weights from members to arenas without passing here: what is called with what is decided by the
names of things (references), and only results, metrics and saves come.
"""

import collections
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from agents import driver
from agents.actors import Actor
from agents.api import Metrics, Step, Tree
from agents.fleet import RESTARTS, Died, Fleet, Lost, RayFleet, Ref, Usage
from agents.ftw.arena import MEMBER, RESULTS, part
from agents.ftw.league import Exploit
from agents.ftw.member import Member, Studied
from agents.ftw.population import Population, member_config
from agents.learner import NonFiniteError
from agents.settings import Settings

_PLAY, _STUDY, _INHERIT = "play", "study", "inherit"  # methods, and kinds of jobs


class Played(NamedTuple):
    """What is known of a window whose rows are elsewhere.

    Attributes:
        step: The last step that arrived, without observation and info.
        episodes: Those that ended.
        env_steps: Environment steps in it.
        results: Of the games that ended, as `Population.judge` takes them.
        members: Who played.
        bytes: Of the rows.
    """

    step: Step
    episodes: list[driver.Episode]
    env_steps: int
    results: list[list[int]]
    members: list[int]
    bytes: int


class ArenaActor(Actor):
    """An arena as a process: its games, and copies of all members, which play with the weights that it is given."""

    def play(self, ratings: np.ndarray, *weights: Tree | None) -> tuple[Any, ...]:
        """Plays until a window is full.

        Args:
            ratings: [N], by which members are matched.
            *weights: Of each member; None: those that it has.

        Returns:
            `Played`, and for each member the rows that it played, or None.
        """
        population = self._agent
        assert isinstance(population, Population)
        population.arena.ratings.assign(ratings)
        for member, saved in zip(population.members, weights, strict=True):
            if saved is not None:
                member.set_state(saved, learn=False)
        window = self._collect(version=0)
        parts = [part(window.batch, i) or None for i in range(len(weights))]
        played = Played(
            window.step._replace(observation={}, info={}),
            window.episodes,
            window.env_steps,
            window.batch[RESULTS].tolist(),
            [i for i, rows in enumerate(parts) if rows],
            sum(value.nbytes for rows in parts if rows for value in rows.values()),
        )
        return played, *parts


class Job(NamedTuple):
    """A call under way.

    Attributes:
        kind: Of an arena 'play', of a member 'study' or 'inherit'.
        number: Of the arena or member.
        refs: What it returns.
        nth: Of an update, how many were asked for before.
    """

    kind: str
    number: int
    refs: Sequence[Ref]
    nth: int = 0


@dataclasses.dataclass
class _Learner:
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
class _Table:
    """An arena's process.

    Attributes:
        acting: The updates that the weights which act were made by, of each member; None where it is not playing.
        sent: The weights it has.
    """

    name: str
    acting: list[int] | None = None
    sent: list[Ref] = dataclasses.field(default_factory=list)


class Cluster:
    """Trains a population whose members and arenas are processes.

    Each arena plays a window of all its games with the newest weights, and each member makes an update on its rows of every
    window, in the order they come; nobody waits for others, but for weights that would act too long: none is learned from
    that is more than `max_lag` updates old.

    A process that dies is started anew. An arena loses the games under way. A member goes on from its last update, or, where that
    has gone with its machine, from the last save; rows that it had not learned from are lost.

    Args:
        population: Whose members learn elsewhere: its own are what they were at the last `settle`.
        settings: Of the run.
        fleet: Where processes are.
        say: Takes a line of text.

    Attributes:
        row_bytes, weight_bytes: What was sent from arenas to members, and from members to arenas.
    """

    def __init__(
        self, population: Population, settings: Settings, fleet: Fleet, say: Any = print
    ) -> None:
        self._population, self._fleet, self._say = population, fleet, say
        self._settings = settings._replace(config=population.config)
        self._max_lag = max_lag(settings)
        self._learners = [
            _Learner(f"member {i}") for i in range(len(population.members))
        ]
        self._tables = [_Table(f"arena {i}") for i in range(settings.run.arenas)]
        self._jobs: dict[Ref, Job] = {}
        self._found: dict[str, list[float]] = collections.defaultdict(list)
        self._deaths: collections.Counter[str] = collections.Counter()
        self._seed, self._broken, self._size = 0, 0, 0
        self.row_bytes = self.weight_bytes = 0
        for number in range(len(self._learners)):
            self._start_member(number)
        for number in range(len(self._tables)):
            self._start_arena(number)
        fleet.join([each.name for each in (*self._learners, *self._tables)])
        for number in range(len(self._learners)):
            self._restore(number)

    @property
    def calls(self) -> int:
        """How many were made."""
        return self._fleet.calls

    def usage(self) -> dict[str, Usage]:
        """Returns what each process has taken."""
        names = [each.name for each in (*self._learners, *self._tables)]
        asked = {name: self._fleet.call(name, "usage")[0] for name in names}
        return {name: self._fleet.get(ref) for name, ref in asked.items()}

    def run(self, until: int, seed: int) -> Iterator[driver.Event]:
        """Trains until the population's `env_steps` reach this number; an event per window, with the metrics since the last."""
        self._begin(seed)
        while True:
            for number, table in enumerate(self._tables):
                if table.acting is None and self._may_play():
                    self._play(number)
            event = self._take(self._jobs.pop(self._fleet.wait(list(self._jobs))))
            if event is None:
                continue
            yield event
            if self._population.env_steps >= until:
                return

    def settle(self) -> None:
        """Waits until all rows are learned from, and takes the members' states."""
        while refs := [ref for ref, job in self._jobs.items() if job.kind != _PLAY]:
            self._take(self._jobs.pop(self._fleet.wait(refs)))
        for number, member in enumerate(self._population.members):
            member.restore(self._state(number))

    def close(self) -> None:
        """Ends all processes."""
        self._fleet.close()

    def _begin(self, seed: int) -> None:
        """Starts new games everywhere; windows under way are dropped."""
        self._seed = seed
        self._jobs = {r: job for r, job in self._jobs.items() if job.kind != _PLAY}
        started = []
        for table in self._tables:
            table.acting, table.sent = None, [None] * len(self._learners)
            started.append(self._fleet.call(table.name, "start", seed)[0])
        for number, ref in enumerate(started):
            try:
                self._fleet.get(ref)
            except Died as error:
                self._revive_arena(number, error)

    def _may_play(self) -> bool:
        """Whether, with one more arena playing, no window can come too late for any member."""
        flying = [table.acting for table in self._tables if table.acting is not None]
        now = [learner.made for learner in self._learners]
        return all(
            learner.asked - made + len(flying) <= self._max_lag
            for acting in (now, *flying)
            for learner, made in zip(self._learners, acting, strict=True)
        )

    def _play(self, number: int) -> None:
        table, there = self._tables[number], [each.weights for each in self._learners]
        new = [
            None if w is had else w for w, had in zip(there, table.sent, strict=True)
        ]
        table.acting, table.sent = [each.made for each in self._learners], there
        self.weight_bytes += self._size * sum(each is not None for each in new)
        ratings = self._population.league.ratings.copy()
        refs = self._fleet.call(
            table.name, _PLAY, ratings, *new, returns=1 + len(there)
        )
        self._jobs[refs[0]] = Job(_PLAY, number, refs)

    def _take(self, job: Job) -> driver.Event | None:
        """Takes what a call has made, or sees to it that it can be made."""
        try:
            made = self._fleet.get(job.refs[0])
        except Died as error:
            if job.kind == _PLAY:
                self._revive_arena(job.number, error)
            else:
                self._revive_member(job.number, error)
            return None
        except Lost as error:
            self._mend(job, error)
            return None
        if job.kind == _PLAY:
            return self._take_window(job, made)
        self._take_member(job, made)
        return None

    def _take_window(self, job: Job, played: Played) -> driver.Event:
        """Has the members learn from their rows, and the league judge."""
        table, population = self._tables[job.number], self._population
        self._deaths.pop(table.name, None)
        assert table.acting is not None
        lag = [self._learners[i].asked - table.acting[i] for i in played.members]
        table.acting = None
        self.row_bytes += played.bytes
        population.env_steps += played.env_steps
        population.updates += 1
        for number in played.members:
            learner = self._learners[number]
            refs = self._call(learner, _STUDY, job.refs[1 + number])
            self._jobs[refs[0]] = Job(_STUDY, number, refs, learner.asked)
            learner.asked += 1
        self._evolve(population.judge(played.results))
        metrics = {key: float(np.mean(each)) for key, each in self._found.items()}
        self._found.clear()
        metrics |= population.figures() | {"lag": float(np.mean(lag))}
        return driver.Event(played.step, played.episodes, metrics)

    def _take_member(self, job: Job, studied: Studied) -> None:
        learner = self._learners[job.number]
        self._deaths.pop(learner.name, None)
        _, learner.weights, learner.state = job.refs
        if job.kind == _INHERIT:
            if learner.coming is learner.state:
                learner.due = learner.coming = None
            return
        learner.made += 1
        if job.nth < learner.since:
            return
        if not studied.broken:
            self._broken = 0
            self._add(job.number, studied.metrics)
            return
        logging.warning("%s: %s", learner.name, studied.broken)
        self._broken += 1
        if self._broken >= 2 * len(self._learners):
            raise NonFiniteError("no member's loss is finite: there is none to copy")
        self._evolve(self._population.judge((), [job.number]))

    def _add(self, number: int, metrics: Metrics) -> None:
        self._found["loss"].append(metrics["loss"])
        for key, value in metrics.items():
            self._found[f"{MEMBER}{number}/{key}"].append(value)

    def _evolve(self, exploits: Sequence[Exploit]) -> None:
        for exploit in exploits:
            learner = self._learners[exploit.member]
            learner.due, learner.since = exploit, learner.asked
            self._inherit(exploit)

    def _inherit(self, exploit: Exploit) -> None:
        learner, parent = (
            self._learners[each] for each in (exploit.member, exploit.parent)
        )
        # A parent that is about to become a copy itself is copied as it will be.
        state = parent.state if parent.coming is None else parent.coming
        refs = self._call(learner, _INHERIT, state, exploit.hyper)
        learner.coming = refs[2]
        self._jobs[refs[0]] = Job(_INHERIT, exploit.member, refs)

    def _call(self, learner: _Learner, method: str, *args: Any) -> list[Ref]:
        return self._fleet.call(learner.name, method, *args, returns=3)

    def _state(self, number: int) -> Tree:
        while True:
            try:
                return self._fleet.get(self._learners[number].state)
            except Lost:
                self._publish_anew()

    def _mend(self, job: Job, error: Exception) -> None:
        """Goes on where what a call was to be given has gone."""
        if job.kind == _STUDY:
            self._learners[job.number].made += 1
            self._say(f"rows of member {job.number} are lost: {error}")
            return
        self._publish_anew()
        if job.kind == _PLAY:
            table = self._tables[job.number]
            table.acting, table.sent = None, [None] * len(self._learners)
        elif (due := self._learners[job.number].due) is not None:
            self._learners[due.parent].coming = None
            self._inherit(due)

    def _publish_anew(self) -> None:
        """Has all members give their weights and states again; those that are dead are started anew."""
        for number, learner in enumerate(self._learners):
            refs = self._call(learner, "publish")
            try:
                self._fleet.get(refs[0])
            except Died as error:
                self._revive_member(number, error)
            else:
                _, learner.weights, learner.state = refs

    def _start_member(self, number: int) -> None:
        population, run = self._population, self._settings.run
        self._fleet.start(
            self._learners[number].name,
            Member,
            population.spaces,
            member_config(population.config),
            run.seed + number,
            gpus=run.gpus_per_member,
        )

    def _start_arena(self, number: int) -> None:
        table = self._tables[number]
        self._fleet.start(table.name, ArenaActor, self._settings, number)

    def _revive_arena(self, number: int, error: Exception) -> None:
        table, alive = self._tables[number], False
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
        table.acting, table.sent = None, [None] * len(self._learners)
        self._say(f"{table.name} died and is started anew; its games are lost")

    def _revive_member(self, number: int, error: Exception) -> None:
        learner, source = self._learners[number], ""
        self._jobs = {
            ref: job
            for ref, job in self._jobs.items()
            if job.kind == _PLAY or job.number != number
        }
        learner.made, learner.coming = learner.asked, None
        while not source:
            self._count_death(learner.name, error)
            self._start_member(number)
            try:
                self._fleet.join([learner.name])
                source = self._restore(number)
            except Died as again:
                error = again
        self._say(f"{learner.name} died and is started anew from {source}")
        if learner.due is not None:
            self._inherit(learner.due)

    def _restore(self, number: int) -> str:
        """Gives a new process its last state that is still there; returns which."""
        learner = self._learners[number]
        saved = self._population.members[number].get_state()
        sources = {"its last update": learner.state, "the last save": saved}
        for text, state in sources.items():
            if state is None:
                continue
            hyper = self._population.league.hyper[number]
            refs = self._call(learner, "restore", state, hyper)
            try:
                self._size = self._fleet.get(refs[0]).bytes
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


def make(population: Population, settings: Settings, say: Any) -> Cluster:
    """Puts a population on Ray, as the settings say."""
    run, members = settings.run, len(population.members)
    max_lag(settings)
    fleet = RayFleet(
        run.ray_address, members + run.arenas, members * run.gpus_per_member, say
    )
    return Cluster(population, settings, fleet, say)


def max_lag(settings: Settings) -> int:
    """Returns how many updates old weights that act may be; raises ValueError where arenas need more."""
    run = settings.run
    found = run.max_lag or 2 * run.arenas
    if found < run.arenas:
        raise ValueError(
            f"max_lag={found} came, but {run.arenas} arenas need at least {run.arenas}: as many windows are under way"
        )
    return found
