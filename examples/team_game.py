"""A pettingzoo ParallelEnv of two teams in some thirty lines: who slips three times leaves the game.

python -m launch.check_env --env=examples.team_game:Rope --num_envs=8
"""

import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv


class Rope(ParallelEnv):
    """Tug of war, 20 steps long: who pulls moves the rope by one, or slips by one chance in five."""

    metadata = {"name": "rope_v0"}
    possible_agents = ["ann", "bob", "cem", "dee"]
    teams = {"ann": 0, "bob": 1, "cem": 0, "dee": 1}
    event_names = ("pulled", "slipped")
    sign = {"ann": 1, "bob": -1, "cem": 1, "dee": -1}

    def __init__(self):
        self.seen, self.does = Box(-40, 40, (3,), np.float32), Discrete(2)
        self.rng = np.random.default_rng()

    def observation_space(self, agent):
        return self.seen

    def action_space(self, agent):
        return self.does

    def reset(self, seed=None, options=None):
        self.rng = self.rng if seed is None else np.random.default_rng(seed)
        self.agents, self.rope, self.steps = list(self.possible_agents), 0, 0
        self.slips = dict.fromkeys(self.agents, 0)
        return self.observe(), {agent: {} for agent in self.agents}

    def step(self, actions):
        self.steps += 1
        agents, infos, before = self.agents, {}, self.rope
        for agent in agents:
            slipped = int(actions[agent] and self.rng.random() < 0.2)
            infos[agent] = {"events": [actions[agent] - slipped, slipped]}
            self.slips[agent] += slipped
            self.rope += (actions[agent] - slipped) * self.sign[agent]
        rewards = {a: float(self.rope - before) * self.sign[a] for a in agents}
        terminated = {a: self.slips[a] == 3 for a in agents}
        truncated = {a: self.steps == 20 and not terminated[a] for a in agents}
        seen = self.observe()
        self.agents = [a for a in agents if not (terminated[a] or truncated[a])]
        return seen, rewards, terminated, truncated, infos

    def observe(self):
        seen = {a: (self.rope * self.sign[a], self.slips[a]) for a in self.agents}
        return {a: np.array([*seen[a], self.steps], np.float32) for a in seen}
