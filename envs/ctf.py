"""Capture the flag, many games at once: two teams, a new map every game, and 13 events that learners may read.

The rules are told in envs/ctf_plain.py, what players see in envs/ctf_view.py, actions in envs/ctf_actions.py.
"""

import collections
from typing import Any

import numpy as np
from gymnasium import spaces

from envs import ctf_actions, ctf_map
from envs.api import Spaces
from envs.ctf_config import CtfConfig
from envs.ctf_random import Streams
from envs.ctf_render import Painter, sentences
from envs.ctf_rules import EVENTS, Rules
from envs.ctf_view import NUMBERS, PIXELS, PLANES, SIDE, View, pictures
from envs.errors import RowsError
from envs.reset_mask import Turn
from envs.seeding import row_seeds

LINES = 9  # events that pictures tell


class CaptureTheFlag:
    """Games of capture the flag, as a game with a reset mask.

    The rows of one game stand together, team 0's players first. All games begin and end together, with a
    termination; a player who is out goes on with its row, and what it does has no effect.

    `Turn.info` has `events` [B, 13], how often each of `EVENTS` happened to the player at this step; `team` [B],
    0 or 1; and `outcome` [B], at the last step of a game 1 where the player's team has won and -1 where it has
    lost, else 0. Rewards are 0, or with `win_reward` the outcome.

    Args:
        num_envs: Rows, players x games.
        config: The settings.

    Attributes:
        config: The settings.
        state: Where the games stand; for scripted teams (envs/ctf_teams.py) and pictures.

    Raises:
        RowsError: If num_envs is no multiple of the players of a game.
    """

    frames_per_step = 1
    action_meanings: tuple[str, ...] = ()

    def __init__(self, num_envs: int, config: CtfConfig):
        games, rest = divmod(num_envs, config.players)
        if rest:
            raise RowsError(num_envs, config.players)
        self.num_envs, self.config = num_envs, config
        self.spaces = make_spaces(config)
        if not config.factored:
            self.action_meanings = ctf_actions.WORDS
        self._team = np.repeat([0, 1], config.team_size)
        self._base = ctf_map.places(config.size, config.team_size).base
        self._rules, self._view = Rules(config), View(config)
        self._painter: Painter | None = None  # made when first drawn
        self._streams = Streams(each or 0 for each in row_seeds(0, games))
        self._start()

    def reset(self, seed: int | None) -> Turn:
        """Starts all games on new maps; with a seed, from streams that depend on it alone."""
        if seed is not None:
            games = self.num_envs // self.config.players
            self._streams = Streams(each or 0 for each in row_seeds(seed, games))
        self._start()
        return self._turn(np.zeros(self._shape(len(EVENTS)), np.float32))

    def step(self, action: np.ndarray, reset_mask: np.ndarray) -> Turn:
        """Plays a step of all games with action [B] or [B, 4]; games that are over start anew instead."""
        if reset_mask.any():
            return self.reset(None)
        action = action.reshape(self._shape(*action.shape[1:]))
        commands = ctf_actions.decode(action, self.config.factored)
        events = self._rules.step(self.state, commands, self._streams)
        if events[0].any():
            self._told += sentences(self.state.steps, events[0])
        return self._turn(events)

    def render(self) -> np.ndarray:
        """Returns the first game, [H, W, 3] uint8, with its last events beside it."""
        self._painter = self._painter or Painter(self.config)
        return self._painter.draw(self.state, list(self._told))

    def _start(self) -> None:
        self.state = self._rules.start(self._streams)
        self._still = self._view.still(self.state.walls, self._base)
        self._told: collections.deque[str] = collections.deque(maxlen=LINES)

    def _turn(self, events: np.ndarray) -> Turn:
        is_first = np.full(self.num_envs, self.state.steps == 0)
        is_last = np.full(self.num_envs, self.state.steps == self.config.length)
        team = np.broadcast_to(self._team, self._shape())
        ahead = np.sign(self.state.score[:, :1] - self.state.score[:, 1:])
        outcome = np.where(team == 0, ahead, -ahead).reshape(-1) * is_last
        reward = outcome if self.config.win_reward else np.zeros(self.num_envs)
        info = {
            "events": events.reshape(self.num_envs, -1),
            "outcome": outcome.astype(np.float32),
            "team": team.reshape(-1).astype(np.float32),
        }
        never = np.zeros(self.num_envs, bool)
        return Turn(self._observe(), reward, is_last, never, is_first, info)

    def _observe(self) -> dict[str, np.ndarray]:
        image = self._view.planes(self.state, self._still)
        vector = self._view.numbers(self.state)
        if self.config.rgb:
            image = pictures(image, vector)
        return {
            key: value.reshape(self.num_envs, *value.shape[2:])
            for key, value in (("image", image), ("vector", vector))
        }

    def _shape(self, *rest: int) -> tuple[int, ...]:
        return (
            self.num_envs // self.config.players,
            self.config.players,
            *rest,
        )


def make_spaces(config: CtfConfig) -> Spaces:
    """Returns the spaces of a player."""
    shape = (PIXELS, PIXELS, 3) if config.rgb else (SIDE, SIDE, PLANES)
    numbers: Any = np.float32
    return Spaces(
        {
            "image": spaces.Box(0, 255, shape, np.uint8),
            "vector": spaces.Box(0.0, 1.0, (NUMBERS,), numbers),
        },
        ctf_actions.space(config.factored),
        info_spaces(len(EVENTS)),
    )


def info_spaces(events: int) -> dict[str, spaces.Box]:
    """Returns the spaces of what a team game tells learners, for so many kinds of events."""
    kind: Any = np.float32
    return {
        "events": spaces.Box(0.0, np.inf, (events,), kind),
        "outcome": spaces.Box(-1.0, 1.0, (), kind),
        "team": spaces.Box(0.0, 1.0, (), kind),
    }
