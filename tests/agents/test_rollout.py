import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.rollout import Rollout, to_transitions

SPEC = {
    "observation/vector": ((2,), "float32"),
    "action": ((), "int32"),
    "reward": ((), "float32"),
    "discount": ((), "float32"),
    "is_first": ((), "bool"),
    "is_last": ((), "bool"),
    "state/log_prob": ((), "float32"),
}


def row(number, batch=2):
    """Row n of stream b, every field telling n and b; episodes of 5 rows."""
    n = np.full(batch, number)
    unique = (n * 10 + np.arange(batch)).astype(np.float32)
    return {
        "observation/vector": np.stack([unique, -unique], 1),
        "action": n.astype(np.int32),
        "reward": unique,
        "discount": np.ones(batch, np.float32),
        "is_first": n % 5 == 0,
        "is_last": n % 5 == 4,
        "state/log_prob": -unique,
    }


@settings(max_examples=30, deadline=None)
@given(length=st.integers(1, 7), rows=st.integers(1, 40))
def test_windows_share_one_row_and_lose_none(length, rows):
    rollout = Rollout(length, SPEC, 2)
    windows = []
    for number in range(rows):
        rollout.add(row(number))
        if rollout.full:
            windows.append(rollout.take())
    assert len(windows) == (rows - 1) // length
    for index, window in enumerate(windows):
        want = [row(index * length + t) for t in range(length + 1)]
        for key in SPEC:
            np.testing.assert_array_equal(window[key], np.stack([w[key] for w in want]))


def test_a_window_taken_does_not_change_while_the_next_is_filled():
    rollout = Rollout(2, SPEC, 2)
    for number in range(3):
        rollout.add(row(number))
    window = rollout.take()
    before = {key: value.copy() for key, value in window.items()}
    rollout.add(row(3))
    rollout.add(row(4))
    for key in SPEC:
        np.testing.assert_array_equal(window[key], before[key])


def test_taking_early_and_adding_late_are_refused():
    rollout = Rollout(2, SPEC, 2)
    with pytest.raises(RuntimeError, match="0 of 3 rows"):
        rollout.take()
    for number in range(3):
        rollout.add(row(number))
    with pytest.raises(RuntimeError, match="take"):
        rollout.add(row(3))


def test_a_half_full_window_goes_on_after_a_restore():
    first, second = Rollout(3, SPEC, 2), Rollout(3, SPEC, 2)
    for number in range(2):
        first.add(row(number))
    second.set_state(first.get_state())
    for number in range(2, 4):
        first.add(row(number))
        second.add(row(number))
    a, b = first.take(), second.take()
    for key in SPEC:
        np.testing.assert_array_equal(a[key], b[key])


def test_a_window_of_other_rows_is_refused():
    rollout = Rollout(3, SPEC, 2)
    rollout.add(row(0))
    with pytest.raises(ValueError, match="expected"):
        Rollout(3, SPEC, 4).set_state(rollout.get_state())


def episode_rows():
    rows = [row(number, batch=1) for number in range(8)]
    return {key: np.stack([r[key] for r in rows]) for key in SPEC}


def written_out(rows):
    """Transition t joins row t to row t + 1, written as a loop."""
    for t in range(len(rows["reward"]) - 1):
        yield {
            "s": rows["observation/vector"][t],
            "a": rows["action"][t + 1],
            "r": rows["reward"][t + 1],
            "d": rows["discount"][t + 1],
            "s'": rows["observation/vector"][t + 1],
            "mask": 0.0 if rows["is_first"][t + 1, 0] else 1.0,
            "log": rows["state/log_prob"][t + 1],
        }


def test_transitions_of_arrays_agree_with_the_loop():
    rows = episode_rows()
    found = to_transitions(rows)
    assert found.mask.dtype == np.float32
    assert found.mask[:, 0].tolist() == [1, 1, 1, 1, 0, 1, 1]
    for t, want in enumerate(written_out(rows)):
        np.testing.assert_array_equal(found.observation["vector"][t], want["s"])
        np.testing.assert_array_equal(found.action[t], want["a"])
        np.testing.assert_array_equal(found.reward[t], want["r"])
        np.testing.assert_array_equal(found.discount[t], want["d"])
        np.testing.assert_array_equal(found.next_observation["vector"][t], want["s'"])
        assert found.mask[t, 0] == want["mask"]
        np.testing.assert_array_equal(found.state["log_prob"][t], want["log"])


def test_a_cut_without_a_last_row_is_masked_too():
    rows = episode_rows()
    rows["is_last"][:] = False
    assert to_transitions(rows).mask[:, 0].tolist() == [1, 1, 1, 1, 0, 1, 1]


def test_transitions_of_tensors_equal_those_of_arrays():
    import tensorflow as tf

    rows = episode_rows()
    arrays = to_transitions(rows)
    shift = tf.function(lambda rows: to_transitions(rows)._asdict())
    tensors = shift({key: tf.constant(value) for key, value in rows.items()})
    assert tensors["mask"].dtype == tf.float32
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_array_equal(a, b), arrays._asdict(), tensors
    )


def test_storage_loads_no_tensorflow():
    code = (
        "import sys, agents.replay, agents.sampler, agents.rollout, agents.checkpoint\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
