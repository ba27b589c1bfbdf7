"""Scripted players as agents, so that they can be played against."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agents.api import Agent, Batch, Metrics, Mode, State, Step, Tree
from envs import ctf_teams
from envs.ctf import CaptureTheFlag


class Scripted(Agent):
    """One of `envs.ctf_teams.TEAMS`: it sees the whole game, learns nothing, and acts alike in every mode.

    Args:
        policy: Its name.
        game: The games that are played.
        rows: [B] the rows of the game that it plays.

    Raises:
        ValueError: For an unknown name.
    """

    name = "scripted"

    def __init__(self, policy: str, game: CaptureTheFlag, rows: np.ndarray) -> None:
        self.spaces = game.spaces
        self._game, self._rows = game, np.asarray(rows)
        self._policy = ctf_teams.make(policy)

    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns the seeds alone."""
        return {"seed": np.tile(np.array([[seed, 0]], np.int32), (batch, 1))}

    def act(
        self, step: Step, state: State, mode: Mode = "sample"
    ) -> tuple[np.ndarray, State]:
        """Acts as the game stands."""
        del step, mode
        key = np.asarray(state["seed"])[0].astype(np.uint32)
        rng = np.random.Generator(np.random.Philox(key=key))
        action = self._policy(self._game, self._rows, rng)
        return action, {"seed": state["seed"] + np.array([0, 1], np.int32)}

    def observe(self, step: Step, state: State) -> None:
        """Learns nothing."""

    def train(self) -> Metrics | None:
        """Learns nothing."""
        return None

    def update(self, batch: Batch) -> Mapping[str, Any]:
        """Learns nothing."""
        return {}

    def get_state(self) -> Tree:
        """Has none."""
        return {}

    def set_state(self, tree: Tree, learn: bool = True) -> None:
        """Has none."""
