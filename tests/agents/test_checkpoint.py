import json
import os
import pathlib
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agents import checkpoint

ROOT = pathlib.Path(__file__).resolve().parents[2]

NUMBERS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
)
ARRAYS = hnp.arrays(
    st.sampled_from([np.uint8, np.int64, np.float32, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    elements=st.sampled_from([0, 1]),
)
TREES = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        NUMBERS | ARRAYS,
        lambda leaf: (
            st.lists(leaf, max_size=3)
            | st.dictionaries(st.text(max_size=4), leaf, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)


def same(a, b):
    """Equal in type, structure and value."""
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, dict):
        return (
            isinstance(b, dict)
            and list(a) == list(b)
            and all(same(a[key], b[key]) for key in a)
        )
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=60, deadline=None)
@given(tree=TREES)
def test_any_tree_comes_back_as_it_was_written(tmp_path_factory, tree):
    folder = tmp_path_factory.mktemp("tree") / "saved"
    checkpoint.write_tree(folder, tree)
    assert same(checkpoint.read_tree(folder), tree)


def test_bfloat16_arrays_numpy_scalars_and_tuples_are_kept(tmp_path):
    array = np.array([[1.5, -2.0]], ml_dtypes.bfloat16)
    tree = {"a": array, "b": np.float32(0.1), "c": (np.int64(3), np.bool_(True))}
    checkpoint.write_tree(tmp_path / "saved", tree)
    found = checkpoint.read_tree(tmp_path / "saved")
    assert same(found["a"], array)
    assert found["b"] == float(np.float32(0.1))
    assert found["c"] == [3, True]


@pytest.mark.parametrize(
    "leaf", [{1, 2}, object(), np.array([object()]), np.zeros(2, [("x", "f4")])]
)
def test_a_leaf_that_cannot_be_saved_is_refused_with_its_place(tmp_path, leaf):
    with pytest.raises(TypeError, match="/agent/weights/0"):
        checkpoint.write_tree(tmp_path / "saved", {"agent": {"weights": [leaf]}})
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("key", [3, "__array__"])
def test_a_key_that_cannot_be_saved_is_refused(tmp_path, key):
    with pytest.raises(TypeError, match="key"):
        checkpoint.write_tree(tmp_path / "saved", {"agent": {key: 1}})


def test_saved_files_hold_no_pickle(tmp_path):
    checkpoint.write_tree(tmp_path / "saved", {"a": np.arange(3), "b": "text"})
    with np.load(tmp_path / "saved" / "arrays.npz", allow_pickle=False) as arrays:
        assert [arrays[name].tolist() for name in arrays] == [[0, 1, 2]]
    assert json.loads((tmp_path / "saved" / "state.json").read_text())["b"] == "text"


def test_the_newest_by_step_is_restored_whatever_the_clock_says(tmp_path):
    saves = checkpoint.Checkpoints(tmp_path)
    paths = [saves.save(step, {"step": step}) for step in (900, 1000, 20000)]
    for age, path in enumerate(paths):
        os.utime(path, (1e9 - age, 1e9 - age))
    seen = []
    assert checkpoint.Checkpoints(tmp_path).restore(seen.append) == 20000
    assert seen == [{"step": 20000}]


def test_a_save_of_some_step_is_restored_or_the_others_are_listed(tmp_path):
    saves = checkpoint.Checkpoints(tmp_path)
    for step in (10, 20, 30):
        saves.save(step, {"step": step})
    seen = []
    assert saves.restore(seen.append, 20) == 20 and seen == [{"step": 20}]
    with pytest.raises(ValueError, match=r"step=25 came, but .* steps: 10, 20, 30"):
        saves.restore(seen.append, 25)


def test_only_the_newest_saves_are_kept(tmp_path):
    saves = checkpoint.Checkpoints(tmp_path, keep=3)
    for step in range(0, 60, 10):
        saves.save(step, {"step": step})
    assert saves.steps() == [30, 40, 50]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_second_save_at_one_step_replaces_the_first(tmp_path):
    saves = checkpoint.Checkpoints(tmp_path, keep=2)
    for value in range(4):
        saves.save(10, {"value": value})
        saves.save(20, {"value": value}) if value == 0 else None
    saves.save(20, {"value": 9})
    seen = []
    assert saves.restore(seen.append) == 20
    assert seen == [{"value": 9}]
    assert saves.steps() == [10, 20]
    assert len(list(tmp_path.iterdir())) == 2


def test_restoring_from_nothing_says_none(tmp_path):
    def apply(tree):
        raise AssertionError(tree)

    assert checkpoint.Checkpoints(tmp_path / "absent").restore(apply) is None
    assert checkpoint.Checkpoints(tmp_path).restore(apply) is None
    assert checkpoint.Checkpoints(tmp_path).steps() == []


def test_what_a_dead_writer_left_is_removed_at_the_next_save(tmp_path):
    debris = tmp_path / ".tmp-000000000010"
    debris.mkdir()
    (debris / "arrays.npz").write_bytes(b"half")
    saves = checkpoint.Checkpoints(tmp_path)
    assert saves.restore(lambda tree: None) is None
    saves.save(10, {})
    assert not debris.exists()


def test_a_leaf_that_cannot_be_saved_leaves_earlier_saves_and_no_debris(tmp_path):
    saves = checkpoint.Checkpoints(tmp_path)
    saves.save(1, {"a": 1})
    with pytest.raises(TypeError):
        saves.save(2, {"a": object()})
    assert [path.name for path in tmp_path.iterdir()] == ["000000000001"]


def test_kept_trees_are_listed_without_their_arrays(tmp_path):
    saves = checkpoint.Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 3):
        saves.save(step, {"step": step, "names": ["a", "b"], "array": np.zeros(3)})
    want = [{"step": step, "names": ["a", "b"], "array": None} for step in (2, 3)]
    assert list(saves.trees_kept()) == want
    (tmp_path / "000000000002" / "state.json").write_text("{}")
    assert list(saves.trees_kept()) == want[1:]


def test_keeping_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(ValueError, match="keep=0"):
        checkpoint.Checkpoints(tmp_path, keep=0)


def test_a_second_lock_on_a_logdir_is_refused_with_the_pid_of_the_first(tmp_path):
    code = (
        "import sys; from agents import checkpoint\n"
        "with checkpoint.lock(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert first.stdout is not None and first.stdin is not None
    try:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(checkpoint.LogdirInUse, match=rf"process {first.pid}\b"):
            checkpoint.lock(tmp_path / "run")
    finally:
        first.kill()
        first.wait()
        first.stdin.close()
        first.stdout.close()
    with checkpoint.lock(tmp_path / "run"):
        assert (tmp_path / "run" / "lock").read_text() == str(os.getpid())


def test_a_lock_released_can_be_taken_again(tmp_path):
    held = checkpoint.lock(tmp_path)
    with pytest.raises(checkpoint.LogdirInUse, match=str(os.getpid())):
        checkpoint.lock(tmp_path)
    held.release()
    held.release()
    checkpoint.lock(tmp_path).release()
