"""An arena as a process of its own."""

from typing import Any, NamedTuple

import numpy as np

from agents import driver
from agents.actors import Actor
from agents.api import Step, Tree
from agents.ftw.arena import RESULTS, part
from agents.ftw.population import Population


class Played(NamedTuple):
    """What is known of a window whose rows are elsewhere.

    Attributes:
        step: The last step that arrived, without observation and info.
        episodes: Those that ended.
        env_steps: Environment steps in it.
        results: Of the games that ended, as `Population.judge` takes them.
        members: Who played.
        bytes: Of the rows.
    """

    step: Step
    episodes: list[driver.Episode]
    env_steps: int
    results: list[list[int]]
    members: list[int]
    bytes: int


class ArenaActor(Actor):
    """An arena as a process: its games, and copies of all members, which play with the weights that it is given."""

    def play(self, ratings: np.ndarray, *weights: Tree | None) -> tuple[Any, ...]:
        """Plays until a window is full.

        Args:
            ratings: [N], by which members are matched.
            *weights: Of each member; None: those that it has.

        Returns:
            `Played`, and for each member the rows that it played, or None.
        """
        population = self._agent
        assert isinstance(population, Population)
        population.arena.ratings.assign(ratings)
        for member, saved in zip(population.members, weights, strict=True):
            if saved is not None:
                member.set_state(saved, learn=False)
        window = self._collect(version=0)
        parts = [part(window.batch, i) or None for i in range(len(weights))]
        played = Played(
            window.step._replace(observation={}, info={}),
            window.episodes,
            window.env_steps,
            window.batch[RESULTS].tolist(),
            [i for i, rows in enumerate(parts) if rows],
            sum(value.nbytes for rows in parts if rows for value in rows.values()),
        )
        return played, *parts
