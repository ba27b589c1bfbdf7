"""Who can play a match: runs, policies, and scripted teams."""

import pathlib
from typing import NamedTuple

import numpy as np

from agents import policy, registry
from agents.api import Agent, VectorEnv
from agents.matches import Side
from envs import ctf_teams
from envs.ctf import CaptureTheFlag


def locate(name: str) -> pathlib.Path | None:
    """Returns the folder that `name` says, None where it is a scripted team.

    Raises:
        ValueError: If it is neither.
    """
    if name in ctf_teams.TEAMS:
        return None
    path = policy.locate(name)
    if not (path / "config.json").is_file():
        raise ValueError(
            f"{name!r} came: neither a scripted team ({', '.join(ctf_teams.TEAMS)}) nor the folder of a run"
        )
    return path


class Player(NamedTuple):
    """Somebody who can play.

    Attributes:
        side: What makes its side of a match.
        env_steps: That it was trained; 0 of a scripted team.
    """

    side: Side
    env_steps: int = 0


def load(name: str) -> Player:
    """Returns who plays under this name; the best member where it is a population.

    Raises:
        ValueError: As `locate`; when a side is made, on an environment with other spaces or where no scripted team plays.
    """
    path = locate(name)
    if path is None:
        return Player(_scripted(name))
    agent = registry.load(path)
    return Player(_learned(path, agent), agent.env_steps)


def _learned(path: pathlib.Path, agent: Agent) -> Side:
    def make(envs: VectorEnv, rows: np.ndarray) -> Agent:
        del rows
        if agent.spaces.to_json() != envs.spaces.to_json():
            raise ValueError(
                f"{path} was trained with other spaces than {envs.name} has here: choose --env and --env_options as it had them"
            )
        return agent

    return make


def _scripted(name: str) -> Side:
    def make(envs: VectorEnv, rows: np.ndarray) -> Agent:
        from agents.scripted import Scripted

        game = getattr(envs, "game", None)
        if not isinstance(game, CaptureTheFlag):
            raise ValueError(
                f"the scripted team {name!r} plays capture the flag (ctf:…), not {envs.name}"
            )
        return Scripted(name, game, rows)

    return make
