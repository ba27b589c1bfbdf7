"""Actors and a learner: others collect windows, with weights that are at most some updates old."""

import collections
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from agents import driver, registry
from agents.api import Agent, Batch, Step
from agents.fleet import RESTARTS, Died, Joined, RayFleet, Ref
from agents.on_policy import OnPolicyAgent
from agents.settings import Settings, make_envs

Weights = Mapping[str, np.ndarray]


class Window(NamedTuple):
    """What an actor collected.

    Attributes:
        batch: For `update`.
        version: The learner's updates when its weights were taken.
        env_steps: Environment steps in it.
        episodes: Those that ended.
        step: The last step that arrived.
    """

    batch: Batch
    version: int
    env_steps: int
    episodes: list[driver.Episode]
    step: Step


class Actor(Joined):
    """Environments and a copy of the agent, which acts in them and learns nothing.

    The same class works in this process (`LocalPool`) and in one of its own (`RayPool`).

    Args:
        settings: Of the run.
        number: Which one of the actors it is.
    """

    def __init__(self, settings: Settings, number: int) -> None:
        self._number = number
        self._envs = make_envs(settings.run)
        seed = settings.run.seed + number
        agent = registry.build(
            settings.agent, self._envs.spaces, settings.config, seed, None
        )
        assert isinstance(agent, OnPolicyAgent)
        self._agent = agent
        self._events: Iterator[driver.Event] | None = None
        self._taken: list[Batch] = []
        agent.train = self._keep  # type: ignore[method-assign]

    def start(self, seed: int) -> None:
        """Starts new episodes, from seeds that depend on this one and the actor's number alone."""
        mixed = np.random.SeedSequence([seed, self._number]).generate_state(1)[0] >> 1
        self._agent.drop_window()
        self._events = driver.run(self._agent, self._envs, seed=int(mixed))

    def collect(self, version: int, weights: Weights) -> Window:
        """Acts with the weights until a window is full."""
        self._agent.set_state(
            {"env_steps": 0, "updates": version, "variables": weights}, learn=False
        )
        return self._collect(version)

    def _collect(self, version: int) -> Window:
        """Acts until a window is full."""
        assert self._events is not None
        self._agent.env_steps = 0
        self._taken.clear()
        episodes: list[driver.Episode] = []
        for event in self._events:
            episodes += event.episodes
            if self._taken:
                made = self._agent.env_steps
                return Window(self._taken[0], version, made, episodes, event.step)
        raise AssertionError("the loop has no end")

    def _keep(self) -> None:
        """Stands in for `train`: keeps a full window for the learner."""
        if self._agent.updates_due():
            self._taken.append(self._agent.take_window())


class Pool(Protocol):
    """Actors that are asked for windows, one at a time each."""

    size: int

    def start(self, seed: int) -> None:
        """Starts new episodes everywhere."""

    def request(self, actor: int, version: int, weights: Weights) -> None:
        """Asks an actor for a window."""

    def wait(self, actor: int | None) -> tuple[int, Window]:
        """Returns the actor and its window: of this actor, or of the first that has one."""

    def close(self) -> None:
        """Ends them."""


class LocalPool:
    """Actors in this process, which collect when they are waited for; for tests and for looking at.

    Args:
        settings: Of the run.
        size: How many.
    """

    def __init__(self, settings: Settings, size: int) -> None:
        self.size = size
        self._actors = [Actor(settings, i) for i in range(size)]
        self._asked: collections.OrderedDict[int, tuple] = collections.OrderedDict()

    def start(self, seed: int) -> None:
        """See `Pool`."""
        for actor in self._actors:
            actor.start(seed)

    def request(self, actor: int, version: int, weights: Weights) -> None:
        """See `Pool`."""
        self._asked[actor] = (version, weights)

    def wait(self, actor: int | None) -> tuple[int, Window]:
        """See `Pool`."""
        chosen = next(iter(self._asked)) if actor is None else actor
        return chosen, self._actors[chosen].collect(*self._asked.pop(chosen))

    def close(self) -> None:
        """See `Pool`."""


class RayPool:
    """Actors in processes of their own, of Ray, each with one thread; one that dies is started anew.

    Args:
        settings: Of the run.
        size: How many.
        address: Of a running cluster; empty: processes of this machine.
        say: Takes a line of text.
    """

    def __init__(
        self, settings: Settings, size: int, address: str = "", say: Any = print
    ) -> None:
        self.size = size
        self._settings, self._say = settings, say
        self._fleet = RayFleet(address, size, say=say)
        self._names = [f"actor {i}" for i in range(size)]
        for i, name in enumerate(self._names):
            self._fleet.start(name, Actor, settings, i)
        self._fleet.join(self._names)
        self._asked: dict[int, tuple] = {}
        self._seed, self._dead = 0, 0

    def start(self, seed: int) -> None:
        """See `Pool`; windows that were asked for before are dropped."""
        self._seed = seed
        self._asked.clear()
        for (ref,) in [self._fleet.call(name, "start", seed) for name in self._names]:
            self._fleet.get(ref)

    def request(self, actor: int, version: int, weights: Weights) -> None:
        """See `Pool`."""
        self._request(actor, version, self._fleet.put(dict(weights)))

    def _request(self, actor: int, version: int, weights: Ref) -> None:
        (ref,) = self._fleet.call(self._names[actor], "collect", version, weights)
        self._asked[actor] = (ref, version, weights)

    def wait(self, actor: int | None) -> tuple[int, Window]:
        """See `Pool`."""
        while True:
            chosen = actor
            if chosen is None:
                owners = {asked[0]: i for i, asked in self._asked.items()}
                chosen = owners[self._fleet.wait(list(owners))]
            ref, version, weights = self._asked.pop(chosen)
            try:
                found = self._fleet.get(ref)
            except Died as error:
                self._restart(chosen, error)
                self._request(chosen, version, weights)
                continue
            self._dead = 0
            return chosen, found

    def _restart(self, actor: int, error: Exception) -> None:
        self._dead += 1
        if self._dead > RESTARTS:
            raise RuntimeError(
                f"actors died {self._dead} times in a row, the last with: {error}. "
                "Start one with --actors=0 to see why"
            ) from error
        name = self._names[actor]
        self._say(f"{name} died and is started anew")
        self._fleet.start(name, Actor, self._settings, actor)
        self._fleet.join([name])
        self._fleet.get(self._fleet.call(name, "start", self._seed + self._dead)[0])

    def close(self) -> None:
        """See `Pool`."""
        self._fleet.close()


class Workers(Protocol):
    """Who acts, and may learn, for the agent of a run in processes of their own."""

    def run(self, until: int, seed: int) -> Iterator[driver.Event]:
        """Trains the agent until its `env_steps` reach this number."""

    def settle(self) -> None:
        """Returns when what others have learned is the agent's own."""

    def close(self) -> None:
        """Ends them."""


class Collectors:
    """Actors that collect for an agent, which learns in this process.

    Args:
        agent: Who learns.
        pool: Who acts.
        max_lag: See `run`; 0: twice as many as there are actors.
    """

    def __init__(self, agent: OnPolicyAgent, pool: Pool, max_lag: int = 0) -> None:
        self._agent, self._pool = agent, pool
        self._max_lag = max_lag or 2 * pool.size

    def run(self, until: int, seed: int) -> Iterator[driver.Event]:
        """See `Workers`."""
        lag = self._max_lag
        return run(self._agent, self._pool, until=until, seed=seed, max_lag=lag)

    def settle(self) -> None:
        """See `Workers`; it learns itself."""

    def close(self) -> None:
        """See `Workers`."""
        self._pool.close()


def make_workers(agent: Agent, settings: Settings, say: Any) -> Workers | None:
    """Returns who acts for the agent, as the settings say; None where it acts itself.

    Raises:
        ValueError: On settings that contradict each other or the agent.
        ConnectionError: If the cluster is not there.
    """
    run = settings.run
    if run.actors and run.arenas:
        raise ValueError(
            f"actors={run.actors} and arenas={run.arenas} came; give one: actors play for members that learn in this "
            "process, arenas for members that learn in processes of their own"
        )
    if run.gpus_per_member and not run.arenas:
        raise ValueError(
            f"gpus_per_member={run.gpus_per_member} came without --arenas: members in one process share its GPU"
        )
    if run.arenas:
        return agent.distribute(settings, say)
    if not run.actors:
        return None
    if not isinstance(agent, OnPolicyAgent):
        raise ValueError(
            f"actors={run.actors} came, but {agent.name} learns from a replay of its own steps: actors "
            "collect for agents that learn from windows, such as impala"
        )
    pool = RayPool(settings, run.actors, run.ray_address, say)
    return Collectors(agent, pool, run.max_lag)


def run(
    agent: OnPolicyAgent, pool: Pool, *, until: int, seed: int, max_lag: int
) -> Iterator[driver.Event]:
    """Learns from the windows of a pool, as they come, and from those of slow actors before their weights are too old.

    Args:
        agent: Who learns.
        pool: Who acts.
        until: Ends when `agent.env_steps` has reached this number.
        seed: Seeds the pool.
        max_lag: Largest number of updates between the weights that acted and those that learn; at least the number of
            actors, each of which has a window under way.

    Yields:
        An event per window; its metrics hold `lag`, the age of its weights in updates.
    """
    if max_lag < pool.size:
        raise ValueError(
            f"max_lag={max_lag} came, but {pool.size} actors need at least {pool.size}: as many updates pass until "
            "the windows under way have been learned from"
        )
    pool.start(seed)
    versions = dict.fromkeys(range(pool.size), agent.updates)
    weights = acting_weights(agent)
    for actor in versions:
        pool.request(actor, agent.updates, weights)
    while True:
        by_age = sorted(versions, key=versions.__getitem__)
        # Were another one taken now, the i-th oldest would be learned from at the (i + 1)-th update from here.
        is_due = any(
            versions[actor] + max_lag < agent.updates + 1 + i
            for i, actor in enumerate(by_age[:-1])
        )
        actor, window = pool.wait(by_age[0] if is_due else None)
        # Asked before the update, so that it acts while the learner learns.
        versions[actor] = agent.updates
        pool.request(actor, agent.updates, acting_weights(agent))
        metrics = agent.learn(window.batch)
        metrics["lag"] = float(agent.updates - 1 - window.version)
        agent.env_steps += window.env_steps
        yield driver.Event(window.step, window.episodes, metrics)
        if agent.env_steps >= until:
            return


def acting_weights(agent: OnPolicyAgent) -> dict[str, np.ndarray]:
    """Returns copies of the variables that acting reads."""
    return agent.acting_state(report=False)["variables"]
