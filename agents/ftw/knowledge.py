"""What an agent knows: facts of the game that a line drawn through its recurrent state tells apart.

References: Jaderberg et al. 2019 (arXiv 1807.01281), figure 4, 'Agent knowledge'.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from agents.api import Agent, Mode, State, VectorEnv
from envs import ctf_facts
from envs.ctf import CaptureTheFlag

RIDGE = 1e-2  # per example, of inputs with a deviation of 1
FEWEST = 20  # examples of either answer, in either half, for a fact to be looked at
_NO_MEMORY = {"seed", "action", "log_prob", "member"}


class Seen(NamedTuple):
    """What a player saw in N moments.

    Attributes:
        hidden: [N, D] its recurrent state, having seen the moment.
        facts: Name -> [N] bool.
        game: [N] which game it was.
    """

    hidden: np.ndarray
    facts: dict[str, np.ndarray]
    game: np.ndarray


def collect(
    agent: Agent,
    envs: VectorEnv,
    seed: int = 0,
    every: int = 5,
    mode: Mode = "sample",
) -> Seen:
    """Plays one game of all that run together, the agent on every side, and looks at every fifth step of it.

    Raises:
        ValueError: If the agent has no recurrent state, or the environment is no capture the flag.
    """
    game = getattr(envs, "game", None)
    if not isinstance(game, CaptureTheFlag):
        raise ValueError(
            f"facts are known of capture the flag (ctf:…), not of {envs.name}"
        )
    step, state = envs.reset(seed), agent.initial_state(envs.num_envs, seed)
    number = np.repeat(np.arange(len(game.state.place)), game.config.players)
    hidden: list[np.ndarray] = []
    known: list[dict[str, np.ndarray]] = []
    which: list[np.ndarray] = []
    while True:
        facts = ctf_facts.facts(game.state, game.config.size)
        action, state = agent.act(step, state, mode)
        if len(hidden) * every == game.state.steps:
            hidden.append(recurrent(state))
            known.append({key: value.reshape(-1) for key, value in facts.items()})
            which.append(number)
        step = envs.step(action)
        if step.is_last.any():
            break
    return Seen(
        np.concatenate(hidden),
        {key: np.concatenate([each[key] for each in known]) for key in known[0]},
        np.concatenate(which),
    )


def recurrent(state: State) -> np.ndarray:
    """Returns the recurrent parts of a state side by side, [B, D]; ValueError where it has none."""
    parts = [
        np.reshape(value, (len(value), -1)).astype(np.float64)
        for name, value in state.items()
        if name not in _NO_MEMORY and np.ndim(value) > 1
    ]
    if not parts:
        raise ValueError(
            f"an agent with a recurrent state is expected, and this one's has only {', '.join(state)}"
        )
    return np.concatenate(parts, axis=1)


def knowledge(seen: Seen) -> dict[str, float | None]:
    """Returns how well each fact is told from the recurrent state: balanced accuracy, 0.5 for chance.

    Least squares with a ridge, both answers weighing the same, on the games with even numbers, tested on the others.
    None where there are too few examples of an answer.
    """
    learn = seen.game % 2 == 0
    mean, deviation = seen.hidden[learn].mean(0), seen.hidden[learn].std(0)
    inputs = (seen.hidden - mean) / np.where(deviation > 1e-6, deviation, 1.0)
    inputs = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
    return {
        name: _balanced_accuracy(inputs, answer, learn)
        for name, answer in seen.facts.items()
    }


def mean(found: Mapping[str, float | None]) -> float:
    """Returns the mean over the facts that were looked at; NaN where there are none."""
    values = [value for value in found.values() if value is not None]
    return float(np.mean(values)) if values else float("nan")


def _balanced_accuracy(
    inputs: np.ndarray, answer: np.ndarray, learn: np.ndarray
) -> float | None:
    counts = [np.sum(answer[half] == is_so) for half in (learn, ~learn) for is_so in (False, True)]  # fmt: skip
    if min(counts) < FEWEST:
        return None
    x, y = inputs[learn], answer[learn]
    weight = np.where(y, 0.5 / y.sum(), 0.5 / (~y).sum())[:, None]
    ridge = RIDGE * np.eye(x.shape[1])
    ridge[-1, -1] = 0  # the constant is free
    line = np.linalg.solve(x.T @ (weight * x) + ridge, x.T @ (weight[:, 0] * (2 * y - 1)))  # fmt: skip
    said, true = inputs[~learn] @ line > 0, answer[~learn]
    return float((said[true].mean() + (~said[~true]).mean()) / 2)
