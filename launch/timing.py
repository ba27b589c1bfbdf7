"""How long an agent takes here to act and to learn, and what that makes of a whole run."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from agents.api import Agent
from agents.settings import RunConfig
from envs.api import Step

UPDATES = 5  # timed, after the one that compiles
SECONDS = 30.0  # after which fewer will do


class Timing(NamedTuple):
    """Measured on this machine.

    Attributes:
        act_s: Seconds per act on all rows together.
        update_s: Seconds per update.
        first_update_s: Seconds of the first one, which compiles.
        updates_per_step: Updates per environment step.
    """

    act_s: float
    update_s: float
    first_update_s: float
    updates_per_step: float


class Hours(NamedTuple):
    """Hours of a run, without saves and videos, by what they are spent on."""

    environment: float
    acting: float
    learning: float
    evaluating: float

    @property
    def total(self) -> float:
        """Their sum."""
        return sum(self)


def measure(
    agent: Agent, steps: list[Step], progress: Callable[[int], Any] = lambda done: None
) -> Timing:
    """Lets an agent act on recorded steps, and learn from them, until it has made some updates.

    Args:
        agent: A new agent whose first updates are due after fewer steps than there are.
        steps: The arriving steps, [B, ...] each; they are shown again and again.
        progress: Takes the number of updates made, the first included.
    """
    state = agent.initial_state(len(steps[0].is_first))
    acts: list[float] = []
    updates: list[float] = []
    first, first_steps = 0.0, 0
    deadline = None
    number = 0
    while len(updates) < UPDATES:
        step = steps[number % len(steps)]
        number += 1
        agent.observe(step, state)
        before, start = agent.updates, time.perf_counter()
        agent.train()
        spent = time.perf_counter() - start
        if made := agent.updates - before:
            progress(agent.updates)
            if deadline is None:
                first, first_steps = spent, agent.env_steps
                deadline = time.perf_counter() + SECONDS
            else:
                updates += [spent / made] * made
        sampling = agent.collect_mode != "random"
        start = time.perf_counter()
        _, state = agent.act(step, state, agent.collect_mode)
        if sampling:
            acts.append(time.perf_counter() - start)
        if updates and deadline is not None and time.perf_counter() > deadline:
            break
    return Timing(
        float(np.median(acts[1:] or acts)),
        float(np.median(updates)),
        first,
        len(updates) / (agent.env_steps - first_steps),
    )


def hours(
    run: RunConfig,
    timing: Timing,
    steps_per_s: float,
    mean_length: float,
    prefill: int,
    pretrain: int,
) -> Hours:
    """Returns the hours of a whole run.

    Args:
        run: Its settings.
        timing: What `measure` returned.
        steps_per_s: Of the environments alone, over all rows.
        mean_length: Of an episode, in environment steps.
        prefill: Environment steps made with random actions.
        pretrain: Updates made when that is done.
    """
    learned = max(run.env_steps - prefill, 0)
    evaluations = run.env_steps // run.eval_every if run.eval_every else 0
    rows = min(4, max(run.eval_episodes, 1))
    evaluated = evaluations * run.eval_episodes * mean_length
    seconds = (
        run.env_steps / steps_per_s,
        learned / run.num_envs * timing.act_s,
        (learned * timing.updates_per_step + pretrain) * timing.update_s,
        evaluated * (1 / steps_per_s + timing.act_s / rows),
    )
    return Hours(*(each / 3600 for each in seconds))
