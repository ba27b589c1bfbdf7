import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest

from agents import logger as logger_module
from agents.logger import Logger, read_metrics


def _lines(logdir):
    def refuse(token):
        raise AssertionError(f"{token} is not JSON")

    text = (logdir / "metrics.jsonl").read_text()
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def _quiet(logdir, *args, **kwargs):
    return Logger(logdir, *args, outputs=("jsonl",), echo=_fail, **kwargs)


def _fail(text):
    raise AssertionError(text)


def _events(logdir, monkeypatch):
    # TensorBoard reads without TensorFlow, and starts faster, where this module exists.
    monkeypatch.setitem(
        sys.modules, "tensorboard.compat.notf", types.ModuleType("notf")
    )
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(logdir))
    accumulator.Reload()
    return accumulator


def test_a_line_holds_the_counters_and_the_means_since_the_line_before(tmp_path):
    logger = _quiet(tmp_path, frames_per_step=4)
    logger.add({"loss": 1.0, "kl_loss": np.float32(2)})
    logger.add({"loss": 4.0})
    logger.episode(3.0, 10)
    logger.episode(5.0, 20)
    logger.episode(-1.0, 7, kind="eval")
    logger.write(100, 25)
    logger.add({"loss": 7.0})
    logger.write(200, 50)
    first, second = _lines(tmp_path)
    assert {k: first[k] for k in ("env_steps", "frames", "updates")} == {
        "env_steps": 100,
        "frames": 400,
        "updates": 25,
    }
    want = {"loss": 2.5, "kl_loss": 2, "return": 4, "length": 15}
    want |= {"eval_return": -1, "eval_length": 7}
    assert {key: first[key] for key in want} == want
    assert second["loss"] == 7 and "return" not in second
    assert 0 <= first["time"] <= second["time"]
    assert 0 <= first["cpu_time"] <= second["cpu_time"]


def test_fps_counts_frames_and_updates_since_the_line_before(tmp_path, monkeypatch):
    now = [50.0]
    monkeypatch.setattr(logger_module.time, "monotonic", lambda: now[0])
    logger = _quiet(tmp_path, frames_per_step=4)
    now[0] += 10
    logger.write(100, 20)
    now[0] += 5
    logger.write(300, 30)
    rates = [(r["fps"], r["updates_per_s"], r["time"]) for r in _lines(tmp_path)]
    assert rates == [(40, 2, 10), (160, 2, 15)]


def test_what_is_not_finite_is_null_and_the_line_stays_json(tmp_path):
    logger = _quiet(tmp_path)
    logger.add({"a": math.nan, "b": math.inf, "c": 1.0})
    logger.write(1, 1)
    (record,) = _lines(tmp_path)
    assert record["a"] is None and record["b"] is None and record["c"] == 1


def test_a_second_write_at_one_step_is_merged_into_one_line(tmp_path):
    logger = _quiet(tmp_path)
    logger.add({"a_metric_that_does_not_come_again": 1.5})
    logger.write(np.int64(10), 1)
    logger.episode(2.0, 3, kind="eval")
    logger.write(10, 1)
    logger.write(20, 2)
    first, second = _lines(tmp_path)
    assert first["eval_return"] == 2
    assert first["a_metric_that_does_not_come_again"] == 1.5
    assert second["env_steps"] == 20


def test_a_resumed_log_continues_as_if_nothing_had_happened(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(logger_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(logger_module.time, "process_time", lambda: 2 * now[0])

    def work(logger, steps):
        for step in steps:
            now[0] += 1
            logger.add({"loss": 1 / step})
            if step % 10 == 0:
                logger.episode(step, 5)
                logger.write(step, step // 2)

    whole = _quiet(tmp_path / "whole", 2)
    work(whole, range(1, 61))
    now[0] = 1000.0
    cut = _quiet(tmp_path / "cut", 2)
    work(cut, range(1, 36))
    state = json.loads(json.dumps(cut.get_state()))
    work(cut, range(36, 56))
    now[0] = 5000.0
    again = _quiet(tmp_path / "cut", 2)
    again.set_state(state)
    work(again, range(36, 61))
    assert _lines(tmp_path / "cut") == _lines(tmp_path / "whole")


def test_a_half_written_last_line_is_dropped_on_resume(tmp_path):
    logger = _quiet(tmp_path)
    logger.write(10, 1)
    logger.write(20, 2)
    state = logger.get_state()
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"env_steps": 30, "fra')
    assert [r["env_steps"] for r in read_metrics(tmp_path / "metrics.jsonl")] == [
        10,
        20,
    ]
    resumed = _quiet(tmp_path)
    resumed.set_state(state)
    resumed.write(30, 3)
    assert [r["env_steps"] for r in _lines(tmp_path)] == [10, 20, 30]


def test_a_damaged_line_in_the_middle_costs_only_itself(tmp_path):
    logger = _quiet(tmp_path)
    for step in (10, 20, 30):
        logger.write(step, 1)
    path = tmp_path / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\0" * 40 + b"\n" + lines[2] + lines[0])
    _quiet(tmp_path).write(40, 4)
    assert [r["env_steps"] for r in _lines(tmp_path)] == [10, 30, 40]


def test_a_run_started_over_without_a_checkpoint_writes_no_step_twice(tmp_path):
    first = _quiet(tmp_path)
    for step in (10, 20, 30):
        first.write(step, 1)
    second = _quiet(tmp_path)
    second.write(15, 1)
    second.write(30, 1)
    assert [r["env_steps"] for r in _lines(tmp_path)] == [10, 15, 30]


def test_a_killed_process_loses_no_written_line(tmp_path):
    code = (
        "import sys, time; from agents.logger import Logger\n"
        "logger = Logger(sys.argv[1], outputs=('jsonl',))\n"
        "for step in range(1, 6): logger.write(step, step)\n"
        "print('written', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert [r["env_steps"] for r in _lines(tmp_path)] == [1, 2, 3, 4, 5]


def test_a_full_disk_costs_one_warning_and_no_line(tmp_path, monkeypatch):
    said, pwrite, full = [], os.pwrite, [False]

    def on_a_small_disk(file, data, offset):
        if not full[0]:
            return pwrite(file, data, offset)
        if len(data) > 9:  # the disk takes a little more, then nothing
            return pwrite(file, data[:9], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", on_a_small_disk)
    logger = Logger(tmp_path, outputs=("jsonl", "tensorboard"), echo=said.append)
    for step in range(1, 8):
        full[0] = 3 <= step <= 5
        logger.add({"loss": step})
        logger.write(step, step)
        if step == 5:
            assert [r["env_steps"] for r in _lines(tmp_path)] == [1, 2]
    assert [r["loss"] for r in _lines(tmp_path)] == [1, 2, 3, 4, 5, 6, 7]
    points = _events(tmp_path, monkeypatch).Scalars("train/loss")
    assert [p.step for p in points] == [1, 2, 3, 4, 5, 6, 7]
    warning, relief = said
    assert str(tmp_path / "metrics.jsonl") in warning and "MB free" in warning
    assert "No space left" in warning and "works again" in relief


def test_a_terminal_that_cannot_be_written_does_not_stop_the_run(tmp_path):
    def broken(text):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    logger = Logger(tmp_path, outputs=("jsonl", "terminal"), echo=broken)
    logger.write(1, 1)
    assert len(_lines(tmp_path)) == 1


def test_the_terminal_line_names_the_progress_and_the_return(tmp_path):
    said = []
    logger = Logger(tmp_path, budget=4000, outputs=("terminal",), echo=said.append)
    logger.episode(0.5, 10)
    logger.add({"loss": 12.3456})
    logger.write(1000, 10)
    assert said[0].startswith("env_steps 1,000 (25%)  return 0.5  loss 12.3  fps ")
    assert not (tmp_path / "metrics.jsonl").exists()


def test_tensorboard_shows_scalars_and_gifs_and_forgets_what_a_resume_undid(
    tmp_path, monkeypatch
):
    logger = Logger(tmp_path, outputs=("tensorboard",), echo=_fail)
    pictures = np.random.default_rng(0).random((5, 10, 10, 4)) < 0.2
    for step in (10, 20, 30, 40):
        logger.episode(step, 1)
        logger.write(step, step)
        if step == 20:
            logger.video("episode", pictures, step)
            state = logger.get_state()
    time.sleep(0.01)  # TensorBoard reads event files in the order of their names
    logger = Logger(tmp_path, outputs=("tensorboard",), echo=_fail)
    logger.set_state(state)
    logger.episode(-25, 1)
    logger.write(25, 25)
    events = _events(tmp_path, monkeypatch)
    points = events.Scalars("episode/return")
    assert [(p.step, p.value) for p in points] == [(10, 10), (20, 20), (25, -25)]
    (picture,) = events.Images("videos/episode")
    assert picture.step == 20 and (picture.height, picture.width) == (130, 130)
    assert picture.encoded_image_string[:4] == b"GIF8"


def test_a_video_lies_under_its_name_and_step(tmp_path):
    frames = np.zeros((3, 8, 8, 1), np.uint8)
    _quiet(tmp_path).video("open_loop", frames, 2500)
    assert os.listdir(tmp_path / "videos") == ["open_loop-2500.mp4"]


def test_a_video_that_cannot_be_written_is_a_warning(tmp_path, monkeypatch):
    def full(path, frames):
        raise OSError(errno.ENOSPC, "No space left on device")

    said = []
    monkeypatch.setattr(logger_module.video, "write_video", full)
    logger = Logger(tmp_path, outputs=("jsonl",), echo=said.append)
    logger.video("episode", np.zeros((3, 8, 8, 1), np.uint8), 5)
    logger.write(5, 1)
    assert len(said) == 2
    assert "episode-5.mp4" in said[0] and "works again" in said[1]


def test_logging_loads_no_tensorflow(tmp_path):
    code = (
        "import sys, numpy; from agents.logger import Logger\n"
        "logger = Logger(sys.argv[1])\n"
        "logger.write(1, 1); logger.video('a', numpy.zeros((2, 8, 8, 3), 'uint8'), 1)\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_an_unknown_output_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"wandb.*terminal"):
        Logger(tmp_path, outputs=("jsonl", "wandb"))
