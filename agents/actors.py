"""Actors and a learner: others collect windows, with weights that are at most some updates old."""

import collections
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from agents import driver, registry, score
from agents.api import Batch, Step
from agents.on_policy import OnPolicyAgent
from agents.settings import Settings, make_envs
from agents.version import VERSION
from envs.extras import require

Weights = Mapping[str, np.ndarray]
RESTARTS = 10  # of dead actors, in a row without a window between them


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


class Actor:
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

    def origin(self) -> Mapping[str, str]:
        """Returns which code it runs; see `origin`."""
        return origin()

    def start(self, seed: int) -> None:
        """Starts new episodes, from seeds that depend on this one and the actor's number alone."""
        mixed = np.random.SeedSequence([seed, self._number]).generate_state(1)[0] >> 1
        self._agent.drop_window()
        self._events = driver.run(self._agent, self._envs, seed=int(mixed))

    def collect(self, version: int, weights: Weights) -> Window:
        """Acts with the weights until a window is full."""
        assert self._events is not None
        self._agent.set_state(
            {"env_steps": 0, "updates": version, "variables": weights}, learn=False
        )
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


def origin() -> dict[str, str]:
    """Returns which code this process runs: zoo, commit, TensorFlow, Python."""
    versions = score.versions()
    return {
        "zoo": VERSION,
        "commit": score.commit(),
        "tensorflow": versions["tensorflow"],
        "python": versions["python"],
    }


def refuse_other_origin(
    here: Mapping[str, str], there: Mapping[str, str], who: str
) -> None:
    """Raises ValueError, with both values, where a process that joins runs other code."""
    differing = [
        f"{key} {there.get(key) or 'unknown'} there, {value or 'unknown'} here"
        for key, value in here.items()
        if there.get(key) != value
    ]
    if differing:
        raise ValueError(
            f"{who} runs other code: {'; '.join(differing)}. Install the same on every machine"
        )


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
        self._ray = require("ray", "ray", "--actors")
        if not self._ray.is_initialized():
            self._connect(address)
        threads = (
            "TF_NUM_INTRAOP_THREADS",
            "TF_NUM_INTEROP_THREADS",
            "OMP_NUM_THREADS",
        )
        self._remote = self._ray.remote(Actor).options(
            num_cpus=1, runtime_env={"env_vars": dict.fromkeys(threads, "1")}
        )
        self._actors = [self._remote.remote(settings, i) for i in range(size)]
        for i in range(size):
            self._check(i)
        self._asked: dict[int, tuple] = {}
        self._seed, self._dead = 0, 0

    def _connect(self, address: str) -> None:
        options: dict[str, Any] = {"address": address}
        if not address:
            options = {"num_cpus": max(self.size, os.cpu_count() or 1)}
            options["include_dashboard"] = False
        try:
            self._ray.init(log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            if not address:
                raise
            text = str(error).strip().partition("\n")[0]
            raise ConnectionError(
                f"ray_address={address} came, but no cluster answers there ({text}): start one with `ray start --head`, "
                "or leave --ray_address out for processes of this machine"
            ) from error

    def _check(self, actor: int) -> None:
        """Raises ValueError if an actor runs other code than this process."""
        there = self._ray.get(self._actors[actor].origin.remote())
        refuse_other_origin(origin(), there, f"actor {actor}")

    def start(self, seed: int) -> None:
        """See `Pool`; windows that were asked for before are dropped."""
        self._seed = seed
        self._asked.clear()
        self._ray.get([actor.start.remote(seed) for actor in self._actors])

    def request(self, actor: int, version: int, weights: Weights) -> None:
        """See `Pool`."""
        shared = self._ray.put(dict(weights))
        window = self._actors[actor].collect.remote(version, shared)
        self._asked[actor] = (window, version, weights)

    def wait(self, actor: int | None) -> tuple[int, Window]:
        """See `Pool`."""
        while True:
            chosen = actor
            if chosen is None:
                owners = {asked[0]: i for i, asked in self._asked.items()}
                ready, _ = self._ray.wait(list(owners))
                chosen = owners[ready[0]]
            window, version, weights = self._asked.pop(chosen)
            try:
                found = self._ray.get(window)
            except self._ray.exceptions.RayActorError as error:
                self._restart(chosen, error)
                self.request(chosen, version, weights)
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
        self._say(f"actor {actor} died and is started anew")
        self._actors[actor] = self._remote.remote(self._settings, actor)
        self._check(actor)
        self._ray.get(self._actors[actor].start.remote(self._seed + self._dead))

    def close(self) -> None:
        """See `Pool`."""
        for actor in self._actors:
            self._ray.kill(actor)


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
