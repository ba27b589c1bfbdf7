"""The contract between agents, environments and the driver, and nothing else."""

import abc
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from envs.api import Spaces, Step, VectorEnv

__all__ = [
    "Agent",
    "Batch",
    "Metrics",
    "Mode",
    "Spaces",
    "State",
    "Step",
    "Tree",
    "VectorEnv",
]

Mode = Literal["sample", "greedy", "random"]
State = Mapping[str, Any]  # key -> array or tensor [B, ...]; has `seed`, int32 [B, 2]
Batch = Mapping[
    str, Any
]  # key -> [T, B, ...], rows: the fields of Step ('observation/KEY') and of State; 'start/FIELD' -> [B, ...]
Metrics = dict[str, float]
Tree = dict[
    str, Any
]  # nested dicts with arrays, numbers, strings and lists of these as leaves


class Report(NamedTuple):
    """What an agent shows of its inner life.

    Attributes:
        scalars: Name -> value, for the logger.
        videos: Name -> [T, H, W, 3] uint8.
        pictures: Name -> [H, W, 3] uint8.
    """

    scalars: Metrics
    videos: dict[str, np.ndarray]
    pictures: Mapping[str, np.ndarray] = {}


class Agent(abc.ABC):
    """A learner and its policy: act and observe on batches of rows, train when updates are due.

    Attributes:
        name: The agent's name in the zoo.
        seed: Seeds weights, batches and noise.
        config: A frozen dataclass.
        spaces: The spaces of one row, as the environment gave them.
        lock: Held on the folder the agent was loaded from to learn on.
        replay: The replay, of an agent that has one.
        parameters: The number of trainable parameters.
        on_update: Called by `train` with (updates made, updates due) before the first and after each.
        env_steps: Environment steps observed (reset rows are none), over all rows.
        updates: Updates made.
        collect_mode: The mode in which to act while collecting data ('random' while the replay is filled).
        row_state: The state fields that a stored row holds.
        can_watch: Whether `look` and `show` are there.
        launchers: What else there is to do with its runs: names of launchers that take --logdir.
        start_state: The state fields that a window holds once, as they were before its first row was acted upon.
    """

    name: str = ""
    seed: int = 0
    config: Any = None
    spaces: Spaces
    lock: Any = None
    replay: Any = None
    parameters: int = 0
    on_update: Callable[[int, int], None] | None = None
    env_steps: int = 0
    updates: int = 0
    collect_mode: Mode = "sample"
    can_watch: bool = False
    launchers: tuple[str, ...] = ()
    row_state: tuple[str, ...] = ()
    start_state: tuple[str, ...] = ()

    @abc.abstractmethod
    def initial_state(self, batch: int, seed: int = 0) -> State:
        """Returns the state before the first step: zeros, no last action, and `seed` [B, 2] int32."""

    @abc.abstractmethod
    def act(
        self, step: Step, state: State, mode: Mode = "sample"
    ) -> tuple[np.ndarray, State]:
        """Chooses actions: a pure function of (step, state, weights), in every mode.

        Args:
            step: The arriving step, [B, ...]; only observation, reward and is_first are read.
            state: As returned by `initial_state` or by the last `act`.
            mode: 'sample' | 'greedy' | 'random' (uniform).

        Returns:
            The actions, [B] or [B, n], and the next state.
        """

    @abc.abstractmethod
    def observe(self, step: Step, state: State) -> None:
        """Takes the arriving step and the state that `act` returned with the action that led to it."""

    @abc.abstractmethod
    def train(self) -> Metrics | None:
        """Makes every update that is due (none, one or several); returns their mean metrics, or None."""

    def updates_due(self) -> int:
        """Returns how many updates the next `train` makes."""
        return 0

    def replay_bytes(self) -> int:
        """Returns the size in bytes of a full replay."""
        return 0

    @abc.abstractmethod
    def update(self, batch: Batch) -> Mapping[str, Any]:
        """The compiled update: rows [T, B, ...] -> float32 scalars, `loss` among them."""

    def report(self) -> Report:
        """Returns pictures and figures of what was learned; called when updates have been made."""
        return Report({}, {})

    def look(
        self, step: Step, state: State, mode: Mode = "greedy"
    ) -> tuple[np.ndarray, State, Mapping[str, np.ndarray]]:
        """Acts, and returns what went on inside as well, name -> [B, ...]; of an agent with `can_watch`."""
        raise NotImplementedError(f"{type(self).__name__} has nothing inside to watch")

    def show(self, watched: Any) -> Report:
        """Draws an episode with what went on inside, an `agents.watching.Watched`; of an agent with `can_watch`."""
        raise NotImplementedError(f"{type(self).__name__} has nothing inside to watch")

    @abc.abstractmethod
    def get_state(self) -> Tree:
        """Returns all that training needs to go on: weights, optimizers, counters, replay."""

    def acting_state(self, report: bool = True) -> Tree:
        """Returns the part of the state that acting needs, and with `report` what `report` needs; here all of it."""
        return self.get_state()

    def close(self) -> None:
        """Ends threads and releases the folder; may be called twice."""
        if self.lock is not None:
            self.lock.release()

    @abc.abstractmethod
    def set_state(self, tree: Tree, learn: bool = True) -> None:
        """Inverts `get_state`; with `learn` False only what acting needs is read."""

    def player(self) -> "Agent":
        """Returns who plays where nothing is learned: itself; of a population, its best member."""
        return self

    def distribute(self, settings: Any, say: Callable[[str], None]) -> Any:
        """Puts members and arenas of a population into processes; returns `agents.actors.Workers`."""
        raise ValueError(
            f"arenas={settings.run.arenas} came, but this is a single agent: arenas are where a population plays, "
            "--population=2 or more of ftw; --actors has others collect for one agent"
        )

    def export(
        self,
        folder: str | os.PathLike[str],
        card: Mapping[str, Any] | None = None,
        jit_compile: bool = False,
        untrained: bool = False,
    ) -> None:
        """Writes a SavedModel that acts as this agent does, anywhere TensorFlow is; see `agents.export.export`."""
        from agents import export

        export.export(self, folder, card, jit_compile, untrained)  # type: ignore[arg-type]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Saves all that `agents.load(folder, learn=True)` needs to go on, replay included."""
        from agents import registry

        registry.save(self, folder)
