"""What a pettingzoo ParallelEnv must tell to be a game of two teams, read and checked."""

import difflib
from collections import Counter
from typing import Any

import gymnasium
import numpy as np

from envs.errors import EnvError

EVENTS, OUTCOME = "events", "outcome"  # keys of infos[agent]


def agents_by_team(env: Any) -> dict[Any, int]:
    """Returns agent -> 0 or 1, the first team's agents first, each team's in the order of `possible_agents`.

    Raises:
        ValueError: If it is turn-based, an agent has no team, or the teams are not two of one size.
    """
    if hasattr(env, "agent_iter"):
        raise ValueError(
            "it is a turn-based AECEnv; expected a ParallelEnv, such as pettingzoo.utils.aec_to_parallel makes"
        )
    agents, teams = list(env.possible_agents), _told(env, "teams")
    if not isinstance(teams, dict):
        raise ValueError(
            f"it does not say who plays with whom: got teams={teams!r}; expected an attribute `teams`, a dict with "
            f"the team, 0 or 1, of each agent of {agents}"
        )
    if lacking := [agent for agent in agents if agent not in teams]:
        raise ValueError(
            f"teams: got none for {lacking}; expected the team, 0 or 1, of every agent"
        )
    sizes = Counter(teams[agent] for agent in agents)
    if set(sizes) != {0, 1} or sizes[0] != sizes[1]:
        got = ", ".join(f"{size} of team {team!r}" for team, size in sizes.items())
        raise ValueError(
            f"teams: got {got or 'no agents'}; expected two teams, 0 and 1, of one size"
        )
    return {agent: team for team in (0, 1) for agent in agents if teams[agent] == team}


def _told(env: Any, name: str) -> Any:
    """Returns an attribute, also one that wrappers hide; None where there is none."""
    inner = getattr(env, "unwrapped", env)
    return getattr(env, name, getattr(inner, name, None))


def shared_space(env: Any, agents: list[Any], what: str) -> gymnasium.Space:
    """Returns the space that all agents have; `what` is 'observation_space' or 'action_space'.

    Raises:
        ValueError: If they differ.
    """
    spaces = {agent: getattr(env, what)(agent) for agent in agents}
    first = spaces[agents[0]]
    for agent, space in spaces.items():
        if space != first:
            raise ValueError(
                f"{what}: got {first} for {agents[0]!r} and {space} for {agent!r}; expected one for all agents, as "
                "one network plays them all (pad the smaller one)"
            )
    return first


class EventReader:
    """Reads the counts of `infos[agent]['events']`: in order, or by name where there are names.

    Args:
        env: The environment; its `event_names` say which events there are.
        infos: Those of a reset, which say how many events there are where no names do.

    Attributes:
        count: Kinds of events.

    Raises:
        ValueError: If neither says so.
    """

    def __init__(self, env: Any, infos: Any):
        self._names = tuple(_told(env, "event_names") or ())
        self.count = len(self._names)
        if not self._names:
            found = [
                info.get(EVENTS) for info in infos.values() if isinstance(info, dict)
            ]
            counts = found[0] if found else None
            if counts is None or isinstance(counts, dict) or np.ndim(counts) != 1:
                raise ValueError(
                    f"it does not say which events there are: got {EVENTS}={counts!r} from reset; expected an "
                    "attribute `event_names`, or counts in infos[agent]['events'] from reset on"
                )
            self.count = len(counts)

    def __call__(self, agent: Any, info: Any) -> np.ndarray:
        """Returns an agent's counts of a step, [count] float32.

        Raises:
            EnvError: If there are none, of another number, with unknown names, or no whole numbers.
        """
        events = info.get(EVENTS) if isinstance(info, dict) else None
        where = f"infos[{agent!r}]['{EVENTS}']"
        if events is None:
            raise EnvError(f"{where}: got none; expected {self._expected()}")
        if isinstance(events, dict):
            events = self._in_order(where, events)
        try:
            counts = np.asarray(events, np.float64)
        except (TypeError, ValueError):
            raise EnvError(
                f"{where}: got {events!r}; expected {self._expected()}"
            ) from None
        if counts.shape != (self.count,):
            raise EnvError(
                f"{where}: got an array of shape {counts.shape}; expected {self._expected()}"
            )
        bad = np.flatnonzero(~((counts >= 0) & (counts == np.floor(counts))))
        bad = np.union1d(bad, np.flatnonzero(np.isinf(counts))).astype(int)
        if len(bad):
            name = self._names[bad[0]] if self._names else f"number {bad[0]}"
            raise EnvError(
                f"{where}: got {counts[bad[0]]} for {name}; events are counted, so expected a whole number from 0 on"
            )
        return counts.astype(np.float32)

    def _in_order(self, where: str, events: dict[Any, Any]) -> list[Any]:
        for name in events:
            if name not in self._names:
                near = difflib.get_close_matches(str(name), self._names, 3, 0.4)
                raise EnvError(
                    f"{where}: got the unknown event {name!r}; near names in event_names: {near or self._names}"
                )
        return [events.get(name, 0) for name in self._names]

    def _expected(self) -> str:
        return f"{self.count} counts" + (
            f", of {', '.join(self._names)}" if self._names else ""
        )
