"""Any pettingzoo ParallelEnv of two teams, as a game with a reset mask: one row per agent."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from envs import actions
from envs.api import Spaces
from envs.ctf import info_spaces
from envs.errors import EnvError, RowsError
from envs.observations import ObservationMap
from envs.parallel_checks import OUTCOME, EventReader, agents_by_team, shared_space
from envs.reset_mask import Turn
from envs.seeding import row_seeds


def is_parallel(factory: Any) -> bool:
    """Whether a class, or what a function made, has pettingzoo's methods for the spaces of each agent."""
    methods = ("observation_space", "action_space")
    return all(callable(getattr(factory, name, None)) for name in methods)


class Arrays(NamedTuple):
    """A turn's arrays, [B, ...], to be filled row by row."""

    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    events: np.ndarray
    outcome: np.ndarray


class ParallelGame:
    """Games of a pettingzoo ParallelEnv, stepped one after another in this process.

    The environment has `teams`, a dict with the team, 0 or 1, of each agent: two teams of one size, whose agents
    all have the same spaces. `infos[agent]['events']` are counts of what happened to an agent at a step, in the
    order of the attribute `event_names`, or a dict by its names; without names, reset gives counts too, and
    says so how many they are. `infos[agent]['outcome']` is 1, 0 or -1 at the end for a win, a draw, a
    defeat; where it is missing, the team with the larger sum of rewards has won.

    The rows of one game stand together, team 0's first. An agent that leaves early has is_first rows until the
    game is over. `Turn.info` has `events` [B, n] and `team` [B]; and `outcome` [B], which is set where the game
    ends, also for those who left before.

    Args:
        make_env: Returns a new ParallelEnv.
        num_envs: Rows, agents x games.
        size, grayscale, check_bounds: As in `ObservationMap`.

    Raises:
        ValueError: If teams, spaces or events are not as said; one sentence says what came.
        RowsError: If num_envs is no multiple of the agents of a game.
        EnvError: When an environment does not do as said later; by way of `ResetMaskEnvs` also when it raises.
    """

    frames_per_step = 1

    def __init__(
        self,
        make_env: Callable[[], Any],
        num_envs: int,
        *,
        size: int | None = 64,
        grayscale: bool = False,
        check_bounds: bool = True,
    ):
        first = make_env()
        teams = agents_by_team(first)
        self._agents, self._players = list(teams), len(teams)
        games, rest = divmod(num_envs, self._players)
        if rest:
            raise RowsError(num_envs, self._players)
        seen = shared_space(first, self._agents, "observation_space")
        self._action_space = shared_space(first, self._agents, "action_space")
        self._read = ObservationMap(seen, size, grayscale, check_bounds)
        self._read_events = EventReader(first, first.reset(seed=0)[1])
        self.spaces = Spaces(
            self._read.spaces,
            actions.canonical_space(self._action_space),
            info_spaces(self._read_events.count),
            self._read.factors,
        )
        self.action_meanings = actions.meanings(first.unwrapped, self._action_space)
        self.num_envs = num_envs
        self._envs = [first] + [make_env() for _ in range(games - 1)]
        self._team = np.tile(np.array(list(teams.values())), games)
        self._waiting = np.zeros(num_envs, bool)
        self._returns = np.zeros(num_envs)
        self._observation = {
            key: np.zeros((num_envs, *box.shape), box.dtype)
            for key, box in self.spaces.observation.items()
        }

    def reset(self, seed: int | None) -> Turn:
        """Starts every game; with a seed, from seeds that depend on it alone."""
        for game, each in enumerate(row_seeds(seed, len(self._envs))):
            self._start(game, each)
        self._waiting = np.zeros(self.num_envs, bool)
        return self._turn(self._arrays(), np.ones(self.num_envs, bool))

    def step(self, action: np.ndarray, reset_mask: np.ndarray) -> Turn:
        """Steps every game; starts those that all agents have left."""
        left, arrays = self._waiting | reset_mask, self._arrays()
        over = left.reshape(-1, self._players).all(1)
        for game, is_over in enumerate(over):
            if is_over:
                self._start(game, None)
            else:
                self._step(game, action, left, arrays)
        self._waiting = left & ~over.repeat(self._players)
        return self._turn(arrays, left)

    def render(self) -> np.ndarray | None:
        """Returns the first game's picture, or None where it has none."""
        env = self._envs[0]
        is_drawn = getattr(env, "render_mode", None) == "rgb_array"
        return env.render() if is_drawn else None

    def close(self) -> None:
        """Closes the environments."""
        for env in self._envs:
            env.close()

    def _start(self, game: int, seed: int | None) -> None:
        env = self._envs[game]
        seen = env.reset(seed=seed)[0]
        if set(env.agents) != set(self._agents):
            raise EnvError(
                f"reset: got the agents {env.agents}; expected all of {self._agents}"
            )
        for row, agent in self._rows(game):
            self._observe(row, agent, seen)
            self._returns[row] = 0

    def _step(
        self, game: int, action: np.ndarray, left: np.ndarray, arrays: Arrays
    ) -> None:
        env = self._envs[game]
        playing = [(row, agent) for row, agent in self._rows(game) if not left[row]]
        chosen = {
            agent: actions.to_native(self._action_space, action[row])
            for row, agent in playing
        }
        seen, rewards, terminated, truncated, infos = env.step(chosen)
        for row, agent in playing:
            self._observe(row, agent, seen)
            arrays.reward[row] = _of(agent, rewards, "rewards")
            self._returns[row] += arrays.reward[row]
            arrays.terminated[row] = _of(agent, terminated, "terminations")
            arrays.truncated[row] = _of(agent, truncated, "truncations")
            info = _of(agent, infos, "infos")
            arrays.events[row] = self._read_events(agent, info)
        ended = arrays.terminated | arrays.truncated
        stays = {agent for row, agent in playing if not ended[row]}
        if not stays <= set(env.agents):
            raise EnvError(
                f"step: the agents {sorted(stays - set(env.agents), key=str)} are gone from `agents`; expected them "
                "to be terminated or truncated first"
            )
        if not stays:
            rows = [row for row, _ in self._rows(game)]
            arrays.outcome[rows] = self._outcome(rows, infos)

    def _outcome(self, rows: list[int], infos: dict[Any, Any]) -> np.ndarray:
        """Returns the outcome of a game that is over for each of its rows."""
        team, mine = self._team[rows], self._returns[rows]
        for agent, each in zip(self._agents, team, strict=True):
            given = infos.get(agent, {}).get(OUTCOME)
            if given is not None:
                if given not in (-1, 0, 1):
                    raise EnvError(
                        f"infos[{agent!r}]['{OUTCOME}']: got {given!r}; expected 1, 0 or -1"
                    )
                return np.where(team == each, given, -given)
        sign = np.sign(mine[team == 0].sum() - mine[team == 1].sum())
        return np.where(team == 0, sign, -sign)

    def _observe(self, row: int, agent: Any, seen: Any) -> None:
        try:
            parts = self._read(_of(agent, seen, "observations"))
        except ValueError as error:
            raise EnvError(f"agent {agent!r}: {error}") from None
        for key, value in parts.items():
            self._observation[key][row] = value

    def _rows(self, game: int) -> list[tuple[int, Any]]:
        """Returns the rows of a game with their agents."""
        return list(enumerate(self._agents, game * self._players))

    def _arrays(self) -> Arrays:
        rows = self.num_envs
        return Arrays(
            np.zeros(rows),
            np.zeros(rows, bool),
            np.zeros(rows, bool),
            np.zeros((rows, self._read_events.count), np.float32),
            np.zeros(rows, np.float32),
        )

    def _turn(self, arrays: Arrays, is_first: np.ndarray) -> Turn:
        info = {
            "events": arrays.events,
            "outcome": arrays.outcome,
            "team": self._team.astype(np.float32),
        }
        return Turn(
            self._observation,
            arrays.reward,
            arrays.terminated,
            arrays.truncated,
            is_first.copy(),
            info,
        )


def _of(agent: Any, values: Any, what: str) -> Any:
    """Returns an agent's part of what `step` or `reset` returned."""
    if not isinstance(values, dict) or agent not in values:
        got = list(values) if isinstance(values, dict) else type(values).__name__
        raise EnvError(
            f"{what}: got {got}; expected a dict with every agent that plays, {agent!r} too"
        )
    return values[agent]
