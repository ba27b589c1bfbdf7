"""The loop: environments and an agent, as a generator of events."""

import collections
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from agents.api import Agent, Metrics, Mode, State, Step, VectorEnv


class Episode(NamedTuple):
    """An episode that ended: its row, return (sum of rewards) and length in environment steps."""

    row: int
    score: float
    length: int


class Event(NamedTuple):
    """One turn of the loop.

    Attributes:
        step: The step that arrived.
        episodes: The episodes that ended with it.
        metrics: What `train` returned after the step was observed.
    """

    step: Step
    episodes: list[Episode]
    metrics: Metrics | None


class EpisodeTracker:
    """Adds up returns and lengths of the rows; an episode that was cut is forgotten."""

    def __init__(self, num_rows: int) -> None:
        self._score = np.zeros(num_rows, np.float64)
        self._length = np.zeros(num_rows, np.int64)

    def add(self, step: Step) -> list[Episode]:
        """Takes the arriving step; returns the episodes that it ends."""
        self._score = np.where(step.is_first, 0.0, self._score + step.reward)
        self._length = np.where(step.is_first, 0, self._length + 1)
        return [
            Episode(int(row), float(self._score[row]), int(self._length[row]))
            for row in np.flatnonzero(step.is_last)
        ]


def run(
    agent: Agent,
    envs: VectorEnv,
    *,
    until: int | None = None,
    seed: int | None = None,
    mode: Mode | None = None,
    learn: bool = True,
) -> Iterator[Event]:
    """Resets the environments and runs them against the agent, one event per vector step.

    Args:
        agent: Who acts; it observes and trains too when `learn` is True.
        envs: The environments, one row per agent row.
        until: Ends when `agent.env_steps` has reached this number; never when None.
        seed: Seeds environments and policy noise; None goes on with the environments' own streams.
        mode: How to act; the agent's `collect_mode` when None.
        learn: False only acts: nothing is stored, nothing trained.

    Yields:
        Events; the caller may stop between any two. An agent that learns has observed the event's step and made
        the updates that were due.
    """
    step = envs.reset(seed=seed)
    state = agent.initial_state(envs.num_envs, seed=seed or 0)
    tracker = EpisodeTracker(envs.num_envs)
    while True:
        metrics: Metrics | None = None
        if learn:
            agent.observe(step, state)
            # Before the next action: what is learned on-policy is then of the policy that acted, to the last step.
            metrics = agent.train()
        yield Event(step, tracker.add(step), metrics)
        if until is not None and agent.env_steps >= until:
            return
        action, state = agent.act(step, state, mode or agent.collect_mode)
        step = envs.step(action)


def play(
    agent: Agent, envs: VectorEnv, episodes: int, *, seed: int, mode: Mode
) -> Iterator[tuple[Step, list[Episode]]]:
    """Plays whole episodes without learning, an equal share per row (short ones get no head start).

    Args:
        agent: Who acts.
        envs: The environments; the first rows play one more where the share is not whole.
        episodes: How many episodes to play.
        seed: Seeds environments and policy noise.
        mode: 'sample' | 'greedy' | 'random'.

    Yields:
        The arriving step and those of its ended episodes that count.
    """
    left = np.full(envs.num_envs, episodes // envs.num_envs)
    left[: episodes % envs.num_envs] += 1
    if not left.any():
        return
    for event in run(agent, envs, seed=seed, mode=mode, learn=False):
        counted = [episode for episode in event.episodes if left[episode.row] > 0]
        for episode in counted:
            left[episode.row] -= 1
        yield event.step, counted
        if not left.any():
            return


@dataclasses.dataclass
class Team(Agent):
    """Several agents behind one: row i is played, observed and learned by `agents[rows[i]]`.

    Attributes:
        agents: The agents; each sees its own rows as one batch.
        rows: [B] index into `agents`.
    """

    agents: Sequence[Agent]
    rows: np.ndarray

    def __post_init__(self) -> None:
        self.rows = np.asarray(self.rows)
        self.spaces = self.agents[0].spaces
        self._mine = [np.flatnonzero(self.rows == i) for i in range(len(self.agents))]

    @property
    def env_steps(self) -> int:  # type: ignore[override]
        """Environment steps of all agents together."""
        return sum(agent.env_steps for agent in self.agents)

    @property
    def collect_mode(self) -> Mode:  # type: ignore[override]
        """'random' while any of the agents wants it."""
        wanted = {agent.collect_mode for agent in self.agents}
        return "random" if "random" in wanted else "sample"

    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns each agent's state under its number; raises ValueError on another batch size."""
        if batch != len(self.rows):
            raise ValueError(f"{batch} rows came, but {len(self.rows)} are assigned")
        return {
            str(i): agent.initial_state(len(mine), seed=seed + i)
            for i, (agent, mine) in enumerate(zip(self.agents, self._mine, strict=True))
        }

    def act(
        self, step: Step, state: State, mode: Mode = "sample"
    ) -> tuple[np.ndarray, State]:
        """Acts per agent and puts the rows together again."""
        parts = [
            agent.act(take_rows(step, mine), state[str(i)], mode)
            for i, (agent, mine) in enumerate(zip(self.agents, self._mine, strict=True))
        ]
        action = np.zeros((len(self.rows), *parts[0][0].shape[1:]), parts[0][0].dtype)
        for (part, _), mine in zip(parts, self._mine, strict=True):
            action[mine] = part
        return action, {str(i): part for i, (_, part) in enumerate(parts)}

    def observe(self, step: Step, state: State) -> None:
        """Shows each agent its rows."""
        for i, (agent, mine) in enumerate(zip(self.agents, self._mine, strict=True)):
            agent.observe(take_rows(step, mine), state[str(i)])

    def train(self) -> Metrics | None:
        """Trains each agent; keys are prefixed by its number."""
        metrics: Metrics = {}
        for i, agent in enumerate(self.agents):
            for key, value in (agent.train() or {}).items():
                metrics[f"{i}/{key}"] = value
        return metrics or None

    def update(self, batch: Any) -> Any:
        """Updates every agent whose number has a batch: {'0': batch, ...}."""
        return {key: self.agents[int(key)].update(part) for key, part in batch.items()}

    def get_state(self) -> dict[str, Any]:
        """Returns each agent's state under its number."""
        return {str(i): agent.get_state() for i, agent in enumerate(self.agents)}

    def set_state(self, tree: dict[str, Any], learn: bool = True) -> None:
        """Inverts `get_state`."""
        for i, agent in enumerate(self.agents):
            agent.set_state(tree[str(i)], learn)


def take_rows(step: Step, rows: np.ndarray) -> Step:
    """Returns the given rows of a step."""
    fields: dict[str, Any] = collections.OrderedDict(step._asdict())
    for name, value in fields.items():
        if isinstance(value, dict):
            fields[name] = {key: part[rows] for key, part in value.items()}
        else:
            fields[name] = value[rows]
    return Step(**fields)
