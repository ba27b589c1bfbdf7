"""Who can play a match: runs, policies, and scripted teams."""

import pathlib
from typing import NamedTuple

import numpy as np

from agents import policy, registry
from agents.api import Agent, VectorEnv
from agents.matches import Side
from envs import ctf_teams
from envs.ctf import CaptureTheFlag


class Place(NamedTuple):
    """Where a player lies.

    Attributes:
        folder: Of the run or policy.
        step: Of which save, in environment steps; None: the newest.
    """

    folder: pathlib.Path
    step: int | None = None


def locate(name: str) -> Place | None:
    """Returns where the player lies that is called FOLDER, or FOLDER@STEP for an earlier save; None of a scripted team.

    Raises:
        ValueError: If it is neither.
    """
    if name in ctf_teams.TEAMS:
        return None
    folder, at, step = name.rpartition("@")
    earlier = bool(at) and step.isdigit()
    path = policy.locate(folder if earlier else name)
    if not (path / "config.json").is_file():
        raise ValueError(
            f"{name!r} came: neither a scripted team ({', '.join(ctf_teams.TEAMS)}) nor the folder of a run"
        )
    return Place(path, int(step) if earlier else None)


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
    place = locate(name)
    if place is None:
        return Player(_scripted(name))
    agent = registry.load(place.folder, step=place.step)
    return Player(_learned(place.folder, agent), agent.env_steps)


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
