"""What every agent that learns from replay shares: storing rows, and training when updates are due."""

import contextlib
import pathlib
import tempfile
from typing import Protocol

import numpy as np

from agents import rows as rows_lib
from agents.api import Batch, Metrics, Mode, Spaces, State, Step, Tree
from agents.learner import Learner, NonFiniteError, not_finite
from agents.replay import Replay
from agents.sampler import Sampler


class OffPolicyConfig(Protocol):
    """The fields that `OffPolicyAgent` reads from an agent's config."""

    @property
    def replay_capacity(self) -> int:
        """Rows kept, over all environments."""

    @property
    def replay_sampling(self) -> str:
        """'episodes' (uniform over episodes) or 'steps' (uniform over windows)."""

    @property
    def prioritize_ends(self) -> bool:
        """Whether the last window of an episode is drawn more often."""

    @property
    def batch_size(self) -> int:
        """Windows per batch, B."""

    @property
    def batch_length(self) -> int:
        """Rows per window, T."""

    @property
    def prefill(self) -> int:
        """Environment steps with random actions before the first update."""

    @property
    def pretrain(self) -> int:
        """Updates made when the prefill is done."""

    @property
    def train_every(self) -> float:
        """Environment steps per update after that."""


class OffPolicyAgent(Learner):
    """An agent that stores every row and makes one update per `train_every` environment steps.

    Batch u is a pure function of (seed, u, rows stored when batch u - 1 was taken).

    Args:
        spaces: The spaces of one row.
        config: See `OffPolicyConfig`.
        seed: Seeds batches.
        folder: Where the replay's chunks lie; a temporary folder when None.
    """

    def __init__(
        self,
        spaces: Spaces,
        config: OffPolicyConfig,
        seed: int = 0,
        folder: str | pathlib.Path | None = None,
    ) -> None:
        self.spaces = spaces
        self.config = config
        self.seed = seed
        self.folder = None if folder is None else pathlib.Path(folder)
        self.replay: Replay | None = None
        self._sampler: Sampler | None = None

    @property
    def collect_mode(self) -> Mode:  # type: ignore[override]
        """'random' until the prefill is done."""
        return "random" if self.env_steps < self.config.prefill else "sample"

    def observe(self, step: Step, state: State) -> None:
        """Stores one row per environment."""
        rows = rows_lib.flatten(step, state, self.row_state)
        if self.replay is None:
            self._open_replay(rows_lib.spec(rows), len(step.is_first))
        assert self.replay is not None
        self.replay.add(rows)
        self.env_steps += int(np.count_nonzero(~step.is_first))

    def updates_due(self) -> int:
        """Returns how many updates the environment steps so far call for and were not made yet."""
        if self.replay is None or not self.replay.ready:
            return 0
        past_prefill = self.env_steps - self.config.prefill
        if past_prefill < 0:
            return 0
        target = self.config.pretrain + int(past_prefill / self.config.train_every)
        return max(0, target - self.updates)

    @property
    def window(self) -> int:
        """The config's batch_length."""
        return self.config.batch_length

    def env_steps_at(self, updates: int, batch: int) -> int:
        """Returns the environment steps at which so many updates are due."""
        after = max(0, updates - self.config.pretrain) * self.config.train_every
        return self.config.prefill + int(after)

    def train(self) -> Metrics | None:
        """Makes the updates that are due; raises NonFiniteError on a loss that is not finite."""
        due = self.updates_due()
        results = []
        if due and self.on_update:
            self.on_update(0, due)
        for i in range(due):
            results.append(self._train_once())
            if self.on_update:
                self.on_update(i + 1, due)
        if not results:
            return None
        return {
            key: float(np.mean([result[key] for result in results]))
            for key in results[0]
        }

    def batch(self, purpose: int) -> Batch:
        """Returns a batch for looking at, which no update sees; a pure function of the rows stored.

        Raises:
            ValueError: If it has observed too few rows.
        """
        if self.replay is None or not self.replay.ready:
            raise ValueError(
                f"fewer than {self.config.batch_length} rows were observed: let the agent observe some episodes first"
            )
        return self.replay.sample((1, purpose, self.env_steps), self.config.batch_size)

    def replay_bytes(self) -> int:
        """Returns the size in bytes of a full replay."""
        return self.config.replay_capacity * rows_lib.row_bytes(self._row_spec())

    def get_state(self) -> Tree:
        """Returns counters, variables and the replay's manifest; work ahead is dropped, here and on resume."""
        if self._sampler is not None:
            self._sampler.cut()
        replay = None
        if self.replay is not None:
            replay = {
                "streams": self.replay.num_streams,
                "spec": {key: list(value) for key, value in self.replay.spec.items()},
                "content": self.replay.get_state(),
            }
        return super().get_state() | {"replay": replay}

    def set_state(self, tree: Tree, learn: bool = True) -> None:
        """Inverts `get_state`; raises ValueError where names or shapes differ."""
        super().set_state(tree, learn)
        if learn and tree["replay"] is not None:
            spec = rows_lib.spec_from_json(tree["replay"]["spec"])
            self._open_replay(spec, tree["replay"]["streams"])
            assert self.replay is not None
            self.replay.set_state(tree["replay"]["content"])

    def close(self) -> None:
        """Ends the sampler thread and releases the folder; may be called twice."""
        super().close()
        self._close_sampler()

    def _close_sampler(self) -> None:
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None

    def _train_once(self) -> Metrics:
        assert self._sampler is not None
        batch = self._sampler.get(self.updates)
        metrics = {key: float(value) for key, value in self.update(batch).items()}
        if not np.isfinite(metrics["loss"]):
            raise NonFiniteError(self._explain(metrics, batch))
        self.updates += 1
        return metrics

    def _explain(self, metrics: Metrics, batch: Batch) -> str:
        text = not_finite(self, metrics)
        if self.folder is not None:
            path = self.folder / "not_finite_batch.npz"
            arrays = {key.replace("/", "."): value for key, value in batch.items()}
            with contextlib.suppress(OSError):  # a full disk must not hide the error
                np.savez_compressed(path, **arrays)
                text += f" The batch is in {path}."
        return text

    def _open_replay(self, spec: rows_lib.RowSpec, num_streams: int) -> None:
        if self.folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="zoo-replay-")
            self.folder = pathlib.Path(self._temporary.name)
        config = self.config
        if config.replay_capacity < config.batch_length * num_streams:
            raise ValueError(
                f"replay_capacity={config.replay_capacity} is less than batch_length={config.batch_length} "
                f"rows for each of the {num_streams} environments; make it larger"
            )
        self.replay = Replay(
            self.folder / "replay",
            spec,
            num_streams,
            config.replay_capacity,
            config.batch_length,
            sampling=config.replay_sampling,
            prioritize_ends=config.prioritize_ends,
            seed=self.seed,
        )
        self._close_sampler()
        self._sampler = Sampler(self.replay, config.batch_size)

    def _row_spec(self) -> rows_lib.RowSpec:
        """The spec of the spaces alone; state fields are known once a row has come."""
        if self.replay is not None:
            return rows_lib.spec_from_json(self.replay.spec)
        spaces = self.spaces
        boxes = {f"observation/{key}": box for key, box in spaces.observation.items()}
        boxes |= {f"info/{key}": box for key, box in spaces.info.items()}
        spec = {
            key: (tuple(box.shape), np.dtype(box.dtype).name)
            for key, box in boxes.items()
        }
        spec["action"] = (tuple(spaces.action.shape or ()), "float32")
        scalars = {"reward": "float32", "discount": "float32"}
        scalars |= {"is_first": "bool", "is_last": "bool"}
        return spec | {key: ((), dtype) for key, dtype in scalars.items()}
