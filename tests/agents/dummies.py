"""Three agents without nets that prove the machinery: replay and recurrent, on-policy, stateless."""

import dataclasses

import numpy as np
import tensorflow as tf

from agents.off_policy import OffPolicyAgent
from agents.on_policy import OnPolicyAgent
from envs import counting


def random_actions(spaces, seed, batch):
    """Actions as a pure function of row 0's seed."""
    rng = np.random.default_rng(np.asarray(seed)[0])
    return rng.integers(spaces.action.n, size=batch).astype(np.int32)


def check_batch(batch, longest=counting.LONGEST):
    """Checks rows whose first one a sampler marks as is_first wherever it stands."""
    assert batch["is_first"][0].all()
    rows = dict(batch)
    rows["is_first"] = batch["is_first"].copy()
    rows["is_first"][0] = batch["observation/vector"][0, :, 0] == 0
    counting.check_rows(rows, longest)


def advanced(state):
    return np.asarray(state["seed"]) + [[0, 1]]


def zero_state(batch, seed, **more):
    pairs = np.tile(np.array([[seed, 0]], np.int32), (batch, 1))
    return {"action": np.zeros(batch, np.int32), "seed": pairs} | more


@dataclasses.dataclass(frozen=True)
class ReplayConfig:
    replay_capacity: int = 3_000
    replay_sampling: str = "episodes"
    prioritize_ends: bool = True
    batch_size: int = 6
    batch_length: int = 12
    prefill: int = 50
    pretrain: int = 2
    train_every: float = 7.0


class RecurrentReplayAgent(OffPolicyAgent):
    """Keeps a running sum per episode as recurrent state and checks every batch it gets."""

    row_state = ("total",)
    longest = counting.LONGEST

    def __init__(self, spaces, config=None, seed=0, folder=None):
        super().__init__(spaces, config or ReplayConfig(), seed, folder)
        self.batches = []
        self.weight = tf.Variable(0.0)

    def variables(self):
        return {"weight": self.weight}

    def acting_names(self):
        return {"weight"}

    def initial_state(self, batch, seed=0):
        return zero_state(batch, seed, total=np.zeros(batch, np.float32))

    def act(self, step, state, mode="sample"):
        action = random_actions(self.spaces, state["seed"], len(step.reward))
        total = np.where(step.is_first, 0.0, state["total"]) + action
        state = {"action": action, "seed": advanced(state)}
        return action, state | {"total": total.astype(np.float32)}

    def update(self, batch):
        check_batch(batch, self.longest)
        self.batches.append({key: value.copy() for key, value in batch.items()})
        self.weight.assign_add(float(batch["reward"].sum()))
        return {"loss": np.float32(batch["reward"].mean())}


class OnPolicyDummy(OnPolicyAgent):
    """Stores the log-probability of each action and checks every window."""

    row_state = ("log_prob",)

    def __init__(self, spaces, length=9, seed=0):
        super().__init__(spaces, length, seed)
        self.windows = []

    def variables(self):
        return {}

    def acting_names(self):
        return set()

    def initial_state(self, batch, seed=0):
        return zero_state(batch, seed, log_prob=np.zeros(batch, np.float32))

    def act(self, step, state, mode="sample"):
        action = random_actions(self.spaces, state["seed"], len(step.reward))
        log_prob = -1.0 - action.astype(np.float32)
        return action, {
            "action": action,
            "seed": advanced(state),
            "log_prob": log_prob,
        }

    def update(self, batch):
        counting.check_rows(batch)
        self.windows.append({key: value.copy() for key, value in batch.items()})
        return {"loss": np.float32(0)}


class StatelessDummy(OffPolicyAgent):
    """Has no recurrent state and learns from windows of two rows: single transitions."""

    def __init__(self, spaces, seed=0, folder=None):
        config = ReplayConfig(batch_length=2, replay_sampling="steps")
        super().__init__(spaces, config, seed, folder)
        self.count = tf.Variable(0)

    def variables(self):
        return {"count": self.count}

    def acting_names(self):
        return set()

    def initial_state(self, batch, seed=0):
        return zero_state(batch, seed)

    def act(self, step, state, mode="sample"):
        action = random_actions(self.spaces, state["seed"], len(step.reward))
        return action, {"action": action, "seed": advanced(state)}

    def update(self, batch):
        check_batch(batch)
        self.count.assign_add(1)
        return {"loss": np.float32(0)}
