"""Capture the flag as a pettingzoo ParallelEnv, one game, played by the plain rules."""

import collections
from typing import Any

import gymnasium
import numpy as np

from envs import ctf_actions
from envs.ctf import LINES, make_spaces
from envs.ctf_config import PRESETS, CtfConfig
from envs.ctf_plain import PlainGame
from envs.ctf_render import Painter, sentences
from envs.ctf_rules import EVENTS
from envs.ctf_view import pictures
from envs.extras import require

ParallelEnv: Any = require("pettingzoo", "multiplayer").ParallelEnv
Values = dict[str, Any]  # by agent


class CaptureTheFlag(ParallelEnv):
    """One game of capture the flag, with the same rows as `envs.make("ctf:...")`.

    Agents are 'blue_1', 'blue_2', ..., 'red_1', ... `infos[agent]` has `events`, [13] int64, the counts of
    `event_names` at this step, and `outcome`, 1, -1 or 0 at the last step for a win, a defeat, a draw.

    Args:
        preset: 'small', 'medium' or 'large'.
        render_mode: 'rgb_array' or None.
        **settings: Those of `envs.ctf_config.CtfConfig`, in the place of the preset's.

    Attributes:
        teams: Agent -> 0 or 1.
        event_names: The 13.

    Raises:
        ValueError: For an unknown preset, or a setting out of its range.
        TypeError: For an unknown setting.
    """

    metadata = {
        "name": "capture_the_flag_v0",
        "render_modes": ["rgb_array"],
        "render_fps": 8,
        "is_parallelizable": True,
    }
    event_names = EVENTS

    def __init__(
        self, preset: str = "small", render_mode: str | None = None, **settings: Any
    ):
        if preset not in PRESETS:
            raise ValueError(f"preset={preset!r} came; expected one of {list(PRESETS)}")
        config = CtfConfig(**(vars(PRESETS[preset]) | settings))
        self.possible_agents = [
            f"{team}_{number + 1}"
            for team in ("blue", "red")
            for number in range(config.team_size)
        ]
        self.agents: list[str] = []
        self.teams = {
            agent: number // config.team_size
            for number, agent in enumerate(self.possible_agents)
        }
        self.render_mode = render_mode
        self._config = config
        self._painter = Painter(config)
        self._told: collections.deque[str] = collections.deque(maxlen=LINES)
        self._game: PlainGame | None = None
        self._observation_spaces: dict[str, gymnasium.Space] = {}
        self._action_spaces: dict[str, gymnasium.Space] = {}
        for agent in self.possible_agents:
            spaces = make_spaces(config)
            parts: dict[str, gymnasium.Space] = dict(spaces.observation)
            self._observation_spaces[agent] = gymnasium.spaces.Dict(parts)
            self._action_spaces[agent] = spaces.action

    def observation_space(self, agent: str) -> gymnasium.Space:
        """Returns the observation space of an agent."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space:
        """Returns the action space of an agent."""
        return self._action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Values, Values]:
        """Begins a game on the stream's next map; a seed starts the stream of that number."""
        if seed is None and self._game is not None:
            self._game.start()
        else:
            entropy = np.random.SeedSequence().generate_state(1, np.uint64)
            chosen = int(entropy[0]) if seed is None else seed
            self._game = PlainGame(self._config, chosen)
        self.agents = list(self.possible_agents)
        self._told.clear()
        return self._observe(), self._infos()

    def step(self, actions: Values) -> tuple[Values, Values, Values, Values, Values]:
        """Plays a step; what is not an agent's is ignored."""
        game = self._game
        if game is None or not self.agents:
            raise RuntimeError("step before reset: call reset first")
        chosen = np.array([actions[agent] for agent in self.agents])
        commands = ctf_actions.decode(chosen, self._config.factored)
        game.step(np.stack(commands, -1).tolist())
        self._told += sentences(game.steps, np.array(game.events))
        outcome = [game.outcome(player) for player in range(len(self.agents))]
        reward = [float(each) * self._config.win_reward for each in outcome]
        ended = game.steps == self._config.length
        agents, result = self.agents, (self._observe(), self._infos())
        self.agents = [] if ended else agents
        return (
            result[0],
            dict(zip(agents, reward, strict=True)),
            dict.fromkeys(agents, ended),
            dict.fromkeys(agents, False),
            result[1],
        )

    def render(self) -> np.ndarray | None:
        """Returns the game, [H, W, 3] uint8."""
        if self.render_mode != "rgb_array" or self._game is None:
            return None
        return self._painter.draw(self._game.state(), list(self._told))

    def _observe(self) -> Values:
        game, seen = self._game, {}
        assert game is not None
        for player, agent in enumerate(self.agents):
            image, vector = game.image(player), game.vector(player)
            image = pictures(image, vector) if self._config.rgb else image
            seen[agent] = {"image": image, "vector": vector}
        return seen

    def _infos(self) -> Values:
        game = self._game
        assert game is not None
        return {
            agent: {
                "events": np.array(game.events[player]),
                "outcome": game.outcome(player),
            }
            for player, agent in enumerate(self.agents)
        }
