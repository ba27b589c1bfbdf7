import threading

import numpy as np
import pytest

from agents.replay import Replay
from agents.sampler import Sampler

SPEC = {"action": ((), "int32"), "is_first": ((), "bool")}


def make(folder, rows=40):
    replay = Replay(folder, SPEC, 2, 400, 4, chunk_rows=8)
    add(replay, rows)
    return replay


def add(replay, count):
    first = replay.committed // 2
    for number in range(first, first + count):
        flag = np.array([number % 7 == 0, number % 3 == 0])
        replay.add({"action": np.array([number, -number]), "is_first": flag})


def drive(replay, sampler, updates, rows, cuts=()):
    """A loop of updates with rows added between them; returns the batches' actions."""
    batches = []
    for update in updates:
        if update in cuts:
            sampler.cut()
        batches.append(sampler.get(update)["action"].copy())
        add(replay, rows)
    return batches


def test_a_batch_sees_the_rows_stored_when_it_was_asked_for(tmp_path):
    replay = make(tmp_path)
    sampler = Sampler(replay, 64)
    want_first = replay.sample((0, 0), 64)["action"]
    np.testing.assert_array_equal(sampler.get(0)["action"], want_first)
    want_second = replay.sample((0, 1), 64)["action"]
    add(replay, 100)
    np.testing.assert_array_equal(sampler.get(1)["action"], want_second)
    assert np.abs(sampler.get(2)["action"]).max() >= 40
    sampler.close()


def test_timing_does_not_show_in_the_batches(tmp_path):
    runs = []
    for name in ("a", "b"):
        replay = make(tmp_path / name)
        sampler = Sampler(replay, 16)
        runs.append(drive(replay, sampler, range(20), rows=5))
        sampler.close()
    np.testing.assert_array_equal(*runs)


def test_a_run_that_went_on_after_a_cut_equals_the_resumed_one(tmp_path):
    replay = make(tmp_path)
    sampler = Sampler(replay, 16)
    drive(replay, sampler, range(5), rows=5)
    sampler.cut()
    tree = replay.get_state()
    went_on = drive(replay, sampler, range(5, 12), rows=5)
    sampler.close()
    resumed = Replay(tmp_path, SPEC, 2, 400, 4, chunk_rows=8)
    resumed.set_state(tree)
    sampler = Sampler(resumed, 16)
    np.testing.assert_array_equal(
        drive(resumed, sampler, range(5, 12), rows=5), went_on
    )
    sampler.close()


def test_a_batch_out_of_turn_is_sampled_at_once(tmp_path):
    replay = make(tmp_path)
    sampler = Sampler(replay, 16)
    sampler.get(0)
    add(replay, 50)
    want = replay.sample((0, 9), 16)["action"]
    np.testing.assert_array_equal(sampler.get(9)["action"], want)
    sampler.close()


def test_batches_are_prepared_off_the_calling_thread(tmp_path):
    replay, threads = make(tmp_path), []

    class Watched:
        snapshot = staticmethod(replay.snapshot)

        @staticmethod
        def sample(*args, **kwargs):
            threads.append(threading.current_thread())
            return replay.sample(*args, **kwargs)

    sampler = Sampler(Watched(), 16)
    sampler.get(0)
    sampler.get(1)
    sampler.close()
    assert len(set(threads)) == 1
    assert threading.current_thread() not in threads
    assert not threads[0].is_alive()


def test_an_error_in_the_thread_is_raised_to_the_caller(tmp_path):
    replay = make(tmp_path)
    sampler = Sampler(replay, 16)
    sampler.get(0)
    sampler.cut()
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(RuntimeError, match=r"\.rows was removed"):
        sampler.get(1)
    sampler.close()
    sampler.close()
