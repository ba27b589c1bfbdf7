"""Runs of models on data: what they leave, how they stop, resume and refuse."""

import dataclasses
import json
import os
import signal

import numpy as np
import pytest

from agents import fitting
from agents.checkpoint import Checkpoints
from agents.datasets import BinarizedMnist
from agents.fitting import Fit, SampledFitConfig
from agents.learner import NonFiniteError
from agents.logger import read_metrics
from agents.model import Model

IMAGES = np.arange(30 * 784).reshape(30, 784) % 2
DATA = BinarizedMnist(*(IMAGES.astype(np.uint8),) * 3, source="a test")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a fit reads of a model's config, and a size."""

    batch_size: int = 10
    size: int = 3


class Variable:
    """A number that looks like a variable."""

    def __init__(self, value):
        self.value = np.asarray(value, np.float64)
        self.shape = self.value.shape

    def numpy(self):
        return self.value

    def assign(self, value):
        self.value = np.array(value)


class Counter(Model):
    """Adds up a checksum of all it was shown, in order."""

    break_at = stop_at = None

    def __init__(self, config, mean, seed):
        super().__init__(config, seed)
        self.mean = mean
        self.total = Variable(float(seed))
        self.calls = []

    def variables(self):
        return {"total": self.total}

    def updates_on(self, images):
        self.calls.append(len(images))
        for batch in images.reshape(len(images), -1).astype(np.int64):
            rows = float(np.arange(len(batch)) @ batch)
            self.total.assign((self.total.numpy() * 31 + rows) % 1_000_003)
        self.updates += len(images)
        if self.stop_at and self.updates >= self.stop_at:
            type(self).stop_at = None
            os.kill(os.getpid(), signal.SIGTERM)
        loss = np.nan if self.updates == self.break_at else 5.0 - self.updates / 1000
        return {"loss": loss}

    def evaluate(self, images, samples, progress=None, seed=0):
        if progress:
            progress(len(images))
        return {"nll_1": float(samples), "nll": float(len(images))}

    def verdict(self, results):
        return f"{results['test_nll_1']:.2f} with one sample"

    def pictures(self, images):
        return {"digits": images[0].reshape(28, 28) * np.uint8(255)}


def settings(logdir, config=None, fresh=False, **run):
    values = {"updates": 300, "save_every": 100, "log_every": 50, "eval_every": 100}
    run = SampledFitConfig(logdir=str(logdir), **(values | run))
    return Fit("counter", run, config or Settings(), fresh)


def test_a_run_leaves_metrics_checkpoints_pictures_and_one_result(logdir, capsys):
    model = fitting.fit(settings(logdir), DATA, Counter)
    results = json.loads((logdir / "results.json").read_text())
    assert results["updates"] == 300 and results["data"] == "a test"
    assert results["test_nll_1"] == results["samples"] == 1000
    assert results["valid_nll_1"] == 100 and results["test_nll"] == 30
    rows = read_metrics(logdir / "metrics.jsonl")
    assert [row["updates"] for row in rows] == [50, 100, 150, 200, 250, 300]
    assert rows[0]["loss"] == pytest.approx(4.95) and "env_steps" not in rows[0]
    assert {"time", "cpu_time", "updates_per_s"} <= rows[-1].keys()
    assert [row["updates"] for row in rows if "valid_nll" in row] == [100, 200, 300]
    assert Checkpoints(logdir / "checkpoints").steps() == [100, 200, 300]
    assert (logdir / "pictures" / "digits.png").is_file()
    np.testing.assert_allclose(model.mean, IMAGES.mean(0))
    assert "1000.00 with one sample" in capsys.readouterr().out


def test_every_epoch_shows_every_image_once_in_a_new_order(logdir):
    run = fitting._Run.__new__(fitting._Run)
    run.settings = settings(logdir)
    run.run, run._data = run.settings.run, DATA
    chosen = np.stack(list(run._indices(0, 6)))
    for epoch in (chosen[:3], chosen[3:]):
        assert sorted(epoch.ravel()) == list(range(30))
    assert (chosen[:3] != chosen[3:]).any()
    later = np.stack(list(run._indices(4, 2)))
    np.testing.assert_array_equal(later, chosen[4:])


def test_a_stopped_run_resumes_and_ends_as_one_that_went_on(logdir, tmp_path, capsys):
    went_on = fitting.fit(settings(tmp_path / "other"), DATA, Counter)
    Counter.stop_at = 150
    with pytest.raises(SystemExit) as stopped:
        fitting.fit(settings(logdir), DATA, Counter)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert "Stopped at update 150" in capsys.readouterr().out
    assert not (logdir / "results.json").exists()
    assert (logdir / "pictures" / "digits.png").is_file()  # of the last evaluation
    resumed = fitting.fit(settings(logdir), DATA, Counter)
    assert sum(resumed.calls) == 150
    assert resumed.total.numpy() == went_on.total.numpy()
    assert "resuming at update 150" in capsys.readouterr().err


def test_a_finished_run_does_nothing_until_it_is_lengthened(logdir):
    fitting.fit(settings(logdir), DATA, Counter)
    assert fitting.fit(settings(logdir), DATA, Counter).calls == []
    longer = fitting.fit(settings(logdir, updates=400), DATA, Counter)
    assert sum(longer.calls) == 100
    assert json.loads((logdir / "results.json").read_text())["updates"] == 400


def test_a_finished_run_is_evaluated_anew_with_another_number_of_samples(logdir):
    fitting.fit(settings(logdir), DATA, Counter)
    model = fitting.fit(settings(logdir, eval_samples=7), DATA, Counter)
    results = json.loads((logdir / "results.json").read_text())
    assert model.calls == [] and results["samples"] == results["test_nll_1"] == 7


def test_minutes_end_a_run_after_a_save(logdir):
    fitting.fit(settings(logdir, minutes=1e-9), DATA, Counter)
    assert Checkpoints(logdir / "checkpoints").steps() == [0]


def test_other_settings_are_refused_by_name_and_fresh_starts_over(logdir):
    fitting.fit(settings(logdir), DATA, Counter)
    other = settings(logdir, Settings(size=4))
    with pytest.raises(ValueError, match="holds another run: size: 3 there, 4 here"):
        fitting.fit(other, DATA, Counter)
    assert sum(fitting.fit(other._replace(fresh=True), DATA, Counter).calls) == 300


def test_a_loss_that_is_not_finite_ends_the_run_and_is_recorded(logdir, monkeypatch):
    monkeypatch.setattr(Counter, "break_at", 150)
    with pytest.raises(NonFiniteError, match="loss is not finite near update 150"):
        fitting.fit(settings(logdir), DATA, Counter)
    assert json.loads((logdir / "results.json").read_text())["diverged"]
    assert Checkpoints(logdir / "checkpoints").steps() == [100]


def test_batches_larger_than_the_data_are_refused(logdir):
    large = settings(logdir, Settings(batch_size=31))
    with pytest.raises(ValueError, match="batch_size=31 came, but there are 30"):
        fitting.fit(large, DATA, Counter)


def test_a_damaged_config_is_told_in_one_sentence(logdir):
    fitting.fit(settings(logdir), DATA, Counter)
    (logdir / "config.json").write_text("{")
    with pytest.raises(RuntimeError, match=r"config.json is damaged"):
        fitting.fit(settings(logdir), DATA, Counter)
