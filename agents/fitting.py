"""Runs of models on data: batches, logger, checkpoints and the last evaluation around `Model.updates_on`."""

import dataclasses
import json
import pathlib
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import imageio.v3 as imageio
import numpy as np

from agents import checkpoint, logdir, process, registry, score
from agents import config as config_lib
from agents.api import Tree
from agents.config import option
from agents.datasets import BinarizedMnist, Images
from agents.every import Every
from agents.learner import NonFiniteError
from agents.logger import Logger
from agents.model import Model
from agents.status import Status
from agents.version import VERSION

SHOWN = 12  # test images in pictures
WIDTH = 1000  # pixels; pictures are about as wide, or wider

Data = BinarizedMnist | Images


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """A run of a model, whatever the model."""

    logdir: str = option("", "Where it lies; empty: runs/MODEL/…/seedN.")
    data_dir: str = option(
        "", "The folder of the data's files; empty: Keras's download and its cache."
    )
    seed: int = option(0, "Seeds weights, batches and samples.")
    updates: int = option(100_000, "Updates of the whole run.", low=1)
    eval_every: int = option(
        25_000, "Updates between evaluations on validation images; 0 for none."
    )
    log_every: int = option(1_000, "Updates between lines of metrics.jsonl.", low=1)
    save_every: int = option(10_000, "Updates between checkpoints.", low=1)
    minutes: float = option(0.0, "Stop after so many minutes, after a save; 0: never.")

    def samples(self, split: str) -> int:
        """Returns the samples per image of an evaluation on 'valid' or 'test'."""
        return 1


@dataclasses.dataclass(frozen=True)
class SampledFitConfig(FitConfig):
    """A run of a model whose likelihood is estimated by samples."""

    valid_samples: int = option(
        100, "Samples per image of evaluations on validation images, m.", low=1
    )
    eval_samples: int = option(
        1000, "Samples per image of the last evaluation, m.", low=1
    )

    def samples(self, split: str) -> int:
        """Returns the samples per image of an evaluation on 'valid' or 'test'."""
        return self.valid_samples if split == "valid" else self.eval_samples


FREE_TO_CHANGE = {
    "data_dir",
    "eval_every",
    "eval_samples",
    "log_every",
    "logdir",
    "minutes",
    "save_every",
    "updates",
    "valid_samples",
}


class Fit(NamedTuple):
    """A run, resolved."""

    model: str
    run: FitConfig
    config: Any
    fresh: bool = False


def fit(
    settings: Fit,
    data: Data,
    build: Callable[[Any, np.ndarray, int], Model],
) -> Model:
    """Trains until `updates`, or until asked to stop, and evaluates; resumes what lies in the logdir.

    Batches are consecutive parts of a new shuffle of the training images per epoch, a pure function of (seed, update).
    The result of the last evaluation, on the test images, is results.json in the logdir; a run that has it does
    nothing. SIGINT and SIGTERM end a run after a save; the same settings resume it.

    Args:
        settings: The resolved settings; `run.logdir` is not empty.
        data: The images.
        build: (config, mean of the training images, seed) -> the model.

    Raises:
        ValueError: If the logdir holds a run with other settings; names the differing ones.
        checkpoint.LogdirInUse: If another process trains there.
        NonFiniteError: If the loss is not finite; the run keeps its last checkpoint, and results.json says so.
    """
    path = pathlib.Path(settings.run.logdir)
    logdir.prepare(path, settings.fresh)
    _refuse_other(path, settings)
    with (
        checkpoint.lock(path),
        Status(settings.run.updates, frames_per_step=0, score="loss") as status,
    ):
        run = _Run(settings, data, build, status)
        with process.stop_on_signals(run.stop):
            run.train()
            run.finish()
    run.farewell()
    if run.stopped_by:
        raise SystemExit(128 + run.stopped_by)
    return run.model


class _Run:
    def __init__(
        self,
        settings: Fit,
        data: Data,
        build: Callable[[Any, np.ndarray, int], Model],
        status: Status,
    ):
        self.settings, self.run, self._data = settings, settings.run, data
        self._status = status
        self.stopped_by = 0
        self._path = pathlib.Path(self.run.logdir)
        size, images = settings.config.batch_size, len(data.train)
        if size > images:
            raise ValueError(
                f"batch_size={size} came, but there are {images:,} training images: a batch has no image twice"
            )
        status.phase("building")
        mean = data.train.mean(0, dtype=np.float64).astype(np.float32)
        self.model = build(settings.config, mean, self.run.seed)
        self._checkpoints = checkpoint.Checkpoints(
            self._path / "checkpoints", report=status.message
        )
        self._logger = Logger(
            self._path,
            axis="updates",
            outputs=("tensorboard", "jsonl"),
            echo=status.message,
        )
        self._should_log = Every(self.run.log_every)
        self._should_evaluate = Every(self.run.eval_every)
        step = self._checkpoints.restore(self._restore)
        if step is not None:
            status.message(f"resuming at update {step:,}")
        registry.write_config(self._path, self._description())

    def stop(self, number: int, _: Any = None) -> None:
        """Asks the run to end: it saves and returns."""
        self._status.message("stopping: one save, then done")
        self.stopped_by = number

    def train(self) -> None:
        """Makes updates; a stop or the end is preceded by a save."""
        model, run = self.model, self.run
        started, should_save = time.monotonic(), Every(run.save_every)
        should_save(model.updates)
        while model.updates < run.updates and not self._ends(started):
            self._phase("training")
            count = min(model.at_once, run.updates - model.updates)
            metrics = model.updates_on(self._batches(model.updates, count))
            self._check(metrics)
            self._logger.add(metrics)
            self._status.update(model.updates, model.updates, metrics["loss"])
            if self._should_evaluate(model.updates) and model.updates < run.updates:
                self._validate()
            if self._should_log(model.updates) or model.updates >= run.updates:
                self._logger.write(model.updates, model.updates)
            if should_save(model.updates) or model.updates >= run.updates:
                self._save()
        if model.updates < run.updates:
            self._save()

    def finish(self) -> None:
        """Evaluates a run that is done on validation and test images, and writes results.json."""
        target = self._path / "results.json"
        if self.model.updates < self.run.updates or self.stopped_by:
            return
        if target.exists():
            return
        results: dict[str, Any] = {"samples": self.run.samples("test")}
        for name in ("valid", "test"):
            found = self._evaluate(name)
            results |= {f"{name}_{key}": value for key, value in found.items()}
        last = self._logger.get_state()
        results |= {"wall_hours": last["time"] / 3600}
        results |= {"cpu_hours": last["cpu_time"] / 3600}
        self._logger.add({f"valid_{k}": results[f"valid_{k}"] for k in found})
        self._logger.write(self.model.updates, self.model.updates)
        self._draw()
        self._write(results)

    def _draw(self) -> None:
        """Writes pictures of some test images over the last ones, as many times their size as makes them wide."""
        self._phase("drawing")
        rng = np.random.default_rng(self.run.seed)
        some = rng.permutation(len(self._data.test))[:SHOWN]
        for name, page in self.model.pictures(self._data.test[some]).items():
            path = self._path / "pictures" / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            times = -(-WIDTH // page.shape[1])
            imageio.imwrite(path, page.repeat(times, 0).repeat(times, 1))

    def _write(self, results: Mapping[str, Any]) -> None:
        """Writes results.json in one piece."""
        content = {"updates": self.model.updates, "data": self._data.source} | dict(
            results
        )
        draft = self._path / ".results.json"
        draft.write_text(json.dumps(content, indent=2) + "\n")
        draft.replace(self._path / "results.json")

    def farewell(self) -> None:
        """Prints the result, or what to do next."""
        done = self.model.updates >= self.run.updates
        print(
            f"\n{'Finished' if done else 'Stopped'} at update {self.model.updates:,}."
        )
        if not done:
            print(f"  resume    {process.command()}")
            return
        target = self._path / "results.json"
        if target.exists():
            print(f"  test      {self.model.verdict(json.loads(target.read_text()))}")
        path = shlex.quote(str(self._path))
        print(f"  pictures  {self._path / 'pictures'}")
        print(f"  plot      {process.python()} -m launch.plot --logdirs={path}")

    def _batches(self, start: int, count: int) -> np.ndarray:
        """[count, B, ...] uint8: the batches of the updates from `start` on."""
        chosen = list(self._indices(start, count))
        return self._data.train[np.stack(chosen)]

    def _indices(self, start: int, count: int) -> Iterator[np.ndarray]:
        size, images = self.settings.config.batch_size, len(self._data.train)
        per_epoch = max(images // size, 1)
        order, epoch = np.zeros(0, np.int64), -1
        for update in range(start, start + count):
            if update // per_epoch != epoch:
                epoch = update // per_epoch
                rng = np.random.default_rng([self.run.seed, epoch])
                order = rng.permutation(images)
            first = update % per_epoch * size
            yield order[first : first + size]

    def _validate(self) -> None:
        found = self._evaluate("valid")
        self._logger.add({f"valid_{key}": value for key, value in found.items()})
        self._draw()

    def _evaluate(self, split: str) -> Mapping:
        images = getattr(self._data, split)
        self._phase("evaluating", len(images))
        updates = self.model.updates
        return self.model.evaluate(
            images,
            self.run.samples(split),
            lambda done: self._status.update(updates, updates, done=done),
        )

    def _phase(self, name: str, total: float | None = None) -> None:
        if self._status.name != name:
            self._status.phase(name, total)

    def _ends(self, started: float) -> bool:
        minutes = (time.monotonic() - started) / 60
        return bool(self.stopped_by) or 0 < self.run.minutes <= minutes

    def _check(self, metrics: Mapping[str, float]) -> None:
        wrong = [name for name, value in metrics.items() if not np.isfinite(value)]
        if wrong:
            self._write({"diverged": True})
            raise NonFiniteError(
                f"{', '.join(wrong)} is not finite near update {self.model.updates:,}; {self._path} keeps the "
                "checkpoint before it. Try a lower --learning_rate"
            )

    def _save(self) -> None:
        self._phase("saving")
        tree = {
            "model": self.model.get_state(),
            "logger": self._logger.get_state(),
            "triggers": [
                every.get_state() for every in (self._should_log, self._should_evaluate)
            ],
        }
        self._checkpoints.save(self.model.updates, tree)

    def _restore(self, tree: Tree) -> None:
        self.model.set_state(tree["model"])
        self._logger.set_state(tree["logger"])
        for every, state in zip(
            (self._should_log, self._should_evaluate), tree["triggers"], strict=True
        ):
            every.set_state(state)

    def _description(self) -> Tree:
        return _identity(self.settings) | {
            "zoo": VERSION,
            "data": self._data.source,
            "command": process.command(),
            "device": process.device(),
            **score.origin(_read(self._path).get("commit", "")),
        }


def _identity(settings: Fit) -> Tree:
    return {
        "model": settings.model,
        "run": config_lib.to_json(settings.run),
        "config": config_lib.to_json(settings.config),
    }


def _read(path: pathlib.Path) -> Tree:
    """config.json, or nothing."""
    file = path / "config.json"
    if not file.exists():
        return {}
    try:
        return json.loads(file.read_text())
    except ValueError:
        raise checkpoint.DamagedError(
            f"{file} is damaged. Use a new logdir, or start over in this one with --fresh"
        ) from None


def _refuse_other(path: pathlib.Path, settings: Fit) -> None:
    saved = _read(path)
    if not saved:
        return
    there = {"model": saved.get("model")} | saved.get("run", {}) | saved["config"]
    now = _identity(settings)
    now = {"model": settings.model} | now["run"] | now["config"]
    logdir.refuse_other(path, there, now, FREE_TO_CHANGE)
    before, run = saved["run"], settings.run
    samples = before.get("eval_samples", 1)
    if run.updates > before["updates"] or run.samples("test") != samples:
        (path / "results.json").unlink(missing_ok=True)
