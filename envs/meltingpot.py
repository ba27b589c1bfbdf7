"""Melting Pot's capture the flag (experimental): DeepMind's 2D game of paintball, with FTW's 13 events.

Installing it needs DeepMind's servers or a source tree, see BUILD.md.

References: Agapiou et al. 2022 (arXiv 2211.13746), paintball__capture_the_flag.
"""

import contextlib
import inspect
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np

from envs.ctf_rules import EVENTS
from envs.errors import MissingError
from envs.extras import require

ParallelEnv: Any = require("pettingzoo", "multiplayer").ParallelEnv
NAMES = ("paintball__capture_the_flag",)
SIZE = 84  # of the picture an agent sees, the middle of the engine's 88
ACTIONS = (
    *("noop", "forward", "step right", "backward", "step left", "turn left"),
    *("turn right", "tag near and wide", "tag far and thin"),
)
TEAMS = ("red", "blue")  # players in turn, red first
LARGEST_TEAM = 4
Values = dict[str, Any]  # by agent
_FLAG = {
    "flag_captured": "captured",
    "flag_picked_up": "picked_up",
    "flag_returned": "returned",
}


class Paintball(ParallelEnv):
    """A game of 1,000 steps on the engine's one map; rewards are 1 and -1 for all of a team at a capture.

    Agents are 'red_1', 'blue_1', 'red_2', ...; each sees what is before it, [84, 84, 3], and whether it can shoot (1).
    `infos[agent]['events']` are the counts of `event_names` at this step, [13] int64. The engine tells a hit only
    when it takes a player out, so those are the tags.

    Args:
        team_size: Players of a team, 1 to 4.
        render_mode: 'rgb_array' or None.

    Attributes:
        teams: Agent -> 0 (red) or 1.
        event_names: FTW's 13.

    Raises:
        ValueError: For a team of another size.
        MissingError: If Melting Pot is not installed.
    """

    metadata = {
        "name": "paintball_capture_the_flag",
        "render_modes": ["rgb_array"],
        "render_fps": 15,
        "is_parallelizable": True,
    }
    event_names = EVENTS

    def __init__(self, team_size: int = 2, render_mode: str | None = None):
        if not 1 <= team_size <= LARGEST_TEAM:
            raise ValueError(
                f"team_size={team_size} came; expected 1 to {LARGEST_TEAM} players"
            )
        self._substrate = find()
        self.render_mode = render_mode
        numbers = range(1, team_size + 1)
        self.possible_agents = [
            f"{team}_{number}" for number in numbers for team in TEAMS
        ]
        self.teams = {
            agent: number % 2 for number, agent in enumerate(self.possible_agents)
        }
        self.agents: list[str] = []
        self._env: Any = None
        self._world: np.ndarray | None = None
        parts: dict[str, gymnasium.Space] = {
            "image": gymnasium.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8),
            "vector": gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32),
        }
        self._observation_spaces = {
            agent: gymnasium.spaces.Dict(parts) for agent in self.possible_agents
        }
        self._action_spaces = {
            agent: gymnasium.spaces.Discrete(len(ACTIONS))
            for agent in self.possible_agents
        }

    def observation_space(self, agent: str) -> gymnasium.Space:
        """Returns the observation space of an agent."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space:
        """Returns the action space of an agent."""
        return self._action_spaces[agent]

    def get_action_meanings(self) -> list[str]:
        """Returns a name for each action."""
        return list(ACTIONS)

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Values, Values]:
        """Begins a game; a seed starts a stream of games, and without one the stream goes on."""
        if seed is not None or self._env is None:
            self.close()
            with _seeded(seed):
                self._env = self._substrate.build(
                    NAMES[0], roles=["default"] * len(self.possible_agents)
                )
        self.agents = list(self.possible_agents)
        seen = self._observe(self._env.reset())
        nothing = np.zeros((len(self.agents), len(EVENTS)), np.int64)
        return seen, self._infos(nothing)

    def step(self, actions: Values) -> tuple[Values, Values, Values, Values, Values]:
        """Plays a step."""
        if self._env is None or not self.agents:
            raise RuntimeError("step before reset: call reset first")
        chosen = [int(actions[agent]) for agent in self.agents]
        made = self._env.step(chosen)
        told = counts(self._env.events(), len(self.agents))
        agents, ended = self.agents, bool(made.last())
        result = self._observe(made), self._infos(told)
        self.agents = [] if ended else agents
        return (
            result[0],
            {agent: float(r) for agent, r in zip(agents, made.reward, strict=True)},
            dict.fromkeys(agents, ended),
            dict.fromkeys(agents, False),
            result[1],
        )

    def render(self) -> np.ndarray | None:
        """Returns the whole map, [368, 368, 3] uint8."""
        if self.render_mode != "rgb_array" or self._world is None:
            return None
        return self._world.repeat(2, 0).repeat(2, 1)

    def close(self) -> None:
        """Ends the engine."""
        if self._env is not None:
            self._env.close()
            self._env = None

    def _observe(self, made: Any) -> Values:
        self._world = made.observation[0]["WORLD.RGB"]
        return {
            agent: {
                "image": _middle(seen["RGB"]),
                "vector": np.clip(seen["READY_TO_SHOOT"], -1, 1, dtype=np.float32)[
                    None
                ],
            }
            for agent, seen in zip(self.agents, made.observation, strict=True)
        }

    def _infos(self, told: np.ndarray) -> Values:
        return {
            agent: {"events": mine}
            for agent, mine in zip(self.agents, told, strict=True)
        }


def counts(told: Iterable[tuple[str, Sequence[Any]]], players: int) -> np.ndarray:
    """Translates what the engine tells of a step into FTW's 13 events of each player, [players, 13] int64.

    Args:
        told: (name, [b'dict', key, value, key, value, ...]); players are counted from 1, in turn red and blue. Who
            hits a carrier is told right after the hit.
        players: Of both teams.
    """
    events = np.zeros((players, len(EVENTS)), np.int64)
    tags: list[list[Any]] = []  # who, whom, whether it carried the flag
    for name, rest in told:
        said = {_text(k): v for k, v in zip(rest[1::2], rest[2::2], strict=True)}
        if name == "zap":
            tags.append([int(said["source"]) - 1, int(said["target"]) - 1, False])
        elif name == "zapped_flag_carrier":
            tagger = int(said["player_index"]) - 1
            hits = [tag for tag in tags if tag[0] == tagger and not tag[2]]
            hits[-1][2] = True
        elif name in _FLAG:
            _tell_flag(events, int(said["player_index"]) - 1, _FLAG[name])
    for who, whom, carried in tags:
        events[who, EVENTS.index("tagged_carrier" if carried else "tagged_other")] += 1
        flag = "with" if carried else "without"
        events[whom, EVENTS.index(f"was_tagged_{flag}_flag")] += 1
    return events


def _tell_flag(events: np.ndarray, who: int, what: str) -> None:
    """Counts what a player did with a flag, for all who play."""
    for player, mine in enumerate(events):
        teammate = player % 2 == who % 2
        prefix = "" if player == who else "teammate_" if teammate else "opponents_"
        mine[EVENTS.index(prefix + what)] += 1


def _middle(image: np.ndarray) -> np.ndarray:
    """The middle of a picture, [84, 84, 3]."""
    edge = (image.shape[0] - SIZE) // 2
    return np.ascontiguousarray(image[edge : edge + SIZE, edge : edge + SIZE])


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


def find() -> Any:
    try:
        from meltingpot import substrate
    except ImportError as error:
        raise MissingError(
            f"Melting Pot is not installed ({error}); BUILD.md says how to install it, under 'Melting Pot'"
        ) from None
    return substrate


@contextlib.contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Seeds what the engine draws from when it is built, as it takes no seed.

    That is Python's own random numbers, for the seed of its first game, and a default argument, for the walls.
    """
    from meltingpot.utils.substrates import game_object_utils

    before = random.getstate()
    if seed is not None:
        random.seed(seed)
        taken = inspect.signature(game_object_utils.get_game_objects_from_map)
        taken.parameters["random"].default.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(before)
