"""A population on many machines: members that learn and arenas that play, each a process, and the league that calls them.

Rows go from arenas to members and weights from members to arenas without passing here: what is called with what is decided by the
names of things (references), and only results, metrics and saves come.
"""

import collections
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from agents import driver
from agents.api import Metrics
from agents.fleet import Died, Fleet, Lost, RayFleet, Ref, Usage
from agents.ftw.arena import MEMBER
from agents.ftw.arena_actor import Played
from agents.ftw.crew import Crew
from agents.ftw.league import Exploit
from agents.ftw.member import Studied
from agents.ftw.population import Population
from agents.learner import NonFiniteError
from agents.settings import Settings

_PLAY, _STUDY, _INHERIT = "play", "study", "inherit"  # methods, and kinds of jobs


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


class Cluster:
    """Trains a population whose members and arenas are processes.

    Each arena plays a window of all its games with the newest weights, and each member makes an update on its rows of every
    window, in the order they come; nobody waits for others, but for weights that would act too long: none is learned from
    that is more than `max_lag` updates old.

    Processes that die are started anew (see `Crew`); rows that a member had not learned from then are lost.

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
        self._max_lag = max_lag(settings)
        self._crew = Crew(population, settings, fleet, say)
        self._jobs: dict[Ref, Job] = {}
        self._found: dict[str, list[float]] = collections.defaultdict(list)
        self._broken = 0  # updates in a row, of whomever
        self.row_bytes = self.weight_bytes = 0

    @property
    def calls(self) -> int:
        """How many were made."""
        return self._fleet.calls

    def usage(self) -> dict[str, Usage]:
        """Returns what each process has taken."""
        return self._crew.usage()

    def run(self, until: int, seed: int) -> Iterator[driver.Event]:
        """Trains until the population's `env_steps` reach this number; an event per window, with the metrics since the last."""
        self._jobs = {r: job for r, job in self._jobs.items() if job.kind != _PLAY}
        self._crew.new_games(seed)
        while True:
            for number, table in enumerate(self._crew.tables):
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
            while True:
                try:
                    member.restore(self._crew.state(number))
                    break
                except Lost:
                    self._publish_anew()

    def close(self) -> None:
        """Ends all processes."""
        self._crew.close()

    def _may_play(self) -> bool:
        """Whether, with one more arena playing, no window can come too late for any member."""
        learners, tables = self._crew.learners, self._crew.tables
        flying = [table.acting for table in tables if table.acting is not None]
        now = [learner.made for learner in learners]
        return all(
            learner.asked - made + len(flying) <= self._max_lag
            for acting in (now, *flying)
            for learner, made in zip(learners, acting, strict=True)
        )

    def _play(self, number: int) -> None:
        table, learners = self._crew.tables[number], self._crew.learners
        there = [each.weights for each in learners]
        pairs = zip(there, table.sent, strict=True)
        new = [None if weights is had else weights for weights, had in pairs]
        table.acting, table.sent = [each.made for each in learners], there
        self.weight_bytes += self._crew.size * sum(each is not None for each in new)
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
                self._crew.revive_arena(job.number, error)
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
        table, population = self._crew.tables[job.number], self._population
        self._crew.lives(table.name)
        assert table.acting is not None
        lag = [self._crew.learners[i].asked - table.acting[i] for i in played.members]
        table.acting = None
        self.row_bytes += played.bytes
        population.env_steps += played.env_steps
        population.updates += 1
        for number in played.members:
            learner = self._crew.learners[number]
            refs = self._crew.call(learner, _STUDY, job.refs[1 + number])
            self._jobs[refs[0]] = Job(_STUDY, number, refs, learner.asked)
            learner.asked += 1
        self._evolve(population.judge(played.results))
        metrics = {key: float(np.mean(each)) for key, each in self._found.items()}
        self._found.clear()
        metrics |= population.figures() | {"lag": float(np.mean(lag))}
        return driver.Event(played.step, played.episodes, metrics)

    def _take_member(self, job: Job, studied: Studied) -> None:
        learner = self._crew.learners[job.number]
        self._crew.lives(learner.name)
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
        if self._broken >= 2 * len(self._crew.learners):
            raise NonFiniteError("no member's loss is finite: there is none to copy")
        self._evolve(self._population.judge((), [job.number]))

    def _add(self, number: int, metrics: Metrics) -> None:
        self._found["loss"].append(metrics["loss"])
        for key, value in metrics.items():
            self._found[f"{MEMBER}{number}/{key}"].append(value)

    def _evolve(self, exploits: Sequence[Exploit]) -> None:
        for exploit in exploits:
            learner = self._crew.learners[exploit.member]
            learner.due, learner.since = exploit, learner.asked
            self._inherit(exploit)

    def _inherit(self, exploit: Exploit) -> None:
        learner = self._crew.learners[exploit.member]
        parent = self._crew.learners[exploit.parent]
        # A parent that is about to become a copy itself is copied as it will be.
        state = parent.state if parent.coming is None else parent.coming
        refs = self._crew.call(learner, _INHERIT, state, exploit.hyper)
        learner.coming = refs[2]
        self._jobs[refs[0]] = Job(_INHERIT, exploit.member, refs)

    def _mend(self, job: Job, error: Exception) -> None:
        """Goes on where what a call was to be given has gone."""
        if job.kind == _STUDY:
            self._crew.learners[job.number].made += 1
            self._say(f"rows of member {job.number} are lost: {error}")
            return
        self._publish_anew()
        if job.kind == _PLAY:
            self._crew.tables[job.number].forget(len(self._crew.learners))
        elif (due := self._crew.learners[job.number].due) is not None:
            self._inherit(due)

    def _publish_anew(self) -> None:
        for number, error in self._crew.publish_anew().items():
            self._revive_member(number, error)

    def _revive_member(self, number: int, error: Exception) -> None:
        """Starts one that died anew; what it was to do is forgotten, but not whom it was to copy."""
        learner = self._crew.learners[number]
        self._jobs = {
            ref: job
            for ref, job in self._jobs.items()
            if job.kind == _PLAY or job.number != number
        }
        learner.made, learner.coming = learner.asked, None
        self._crew.revive_member(number, error)
        if learner.due is not None:
            self._inherit(learner.due)


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
