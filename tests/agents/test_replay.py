import itertools
import pathlib
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import checkpoint
from agents.replay import Replay

SPEC = {
    "observation/vector": ((2,), "float32"),
    "action": ((), "int32"),
    "reward": ((), "float32"),
    "discount": ((), "float32"),
    "is_first": ((), "bool"),
    "is_last": ((), "bool"),
}
ROOT = pathlib.Path(__file__).resolve().parents[2]


def row(number, first):
    """Row `number` of every stream b, telling both; `first` is [B] bool."""
    first = np.asarray(first, bool)
    n = np.full(len(first), number)
    return {
        "observation/vector": np.stack([n, np.arange(len(first))], 1).astype("f4"),
        "action": n.astype("i4"),
        "reward": (n + 0.5).astype("f4"),
        "discount": np.ones(len(first), "f4"),
        "is_first": first,
        "is_last": np.zeros(len(first), bool),
    }


def fill(replay, firsts):
    """Adds rows with these is_first flags, [N, B]."""
    start = replay.committed // replay.num_streams
    for number, first in enumerate(firsts, start):
        replay.add(row(number, first))


def flags(num_rows, lengths):
    """is_first flags [N, B] of streams with these repeated episode lengths."""
    out = np.zeros((num_rows, len(lengths)), bool)
    for stream, cycle in enumerate(lengths):
        at = 0
        for length in itertools.cycle(cycle):
            if at >= num_rows:
                break
            out[at, stream] = True
            at += length
    return out


def open_replay(folder, streams=2, capacity=400, length=4, **options):
    options = {"chunk_rows": 8} | options
    return Replay(folder, SPEC, streams, capacity, length, **options)


def check_batch(batch, firsts, first_visible):
    """Every window is consecutive rows of one stream, as they were added, within what is visible."""
    number = batch["observation/vector"][..., 0].astype(int)
    stream = batch["observation/vector"][..., 1].astype(int)
    assert (number - number[:1] == np.arange(len(number))[:, None]).all()
    assert (stream == stream[:1]).all()
    assert number.min() >= first_visible and number.max() < len(firsts)
    np.testing.assert_array_equal(batch["action"], number)
    np.testing.assert_array_equal(batch["reward"], number + np.float32(0.5))
    assert batch["is_first"][0].all()
    np.testing.assert_array_equal(batch["is_first"][1:], firsts[number[1:], stream[1:]])


def equal(a, b):
    return list(a) == list(b) and all(
        a[key].dtype == b[key].dtype and np.array_equal(a[key], b[key]) for key in a
    )


@settings(max_examples=60, deadline=None)
@given(
    num_rows=st.integers(3, 90),
    lengths=st.lists(
        st.lists(st.integers(1, 20), min_size=1, max_size=4), min_size=1, max_size=3
    ),
    length=st.integers(1, 6),
    chunk_rows=st.integers(1, 9),
    slack=st.integers(0, 40),
    sampling=st.sampled_from(["episodes", "steps"]),
    ends=st.booleans(),
)
def test_windows_are_rows_as_they_were_added(
    tmp_path_factory, num_rows, lengths, length, chunk_rows, slack, sampling, ends
):
    streams = len(lengths)
    capacity = (length + chunk_rows - 1 + slack) * streams
    replay = open_replay(
        tmp_path_factory.mktemp("replay"),
        streams,
        capacity,
        length,
        chunk_rows=chunk_rows,
        sampling=sampling,
        prioritize_ends=ends,
    )
    firsts = flags(num_rows, lengths)
    fill(replay, firsts)
    assert replay.committed == num_rows * streams
    assert replay.num_rows <= capacity
    assert replay.num_rows > capacity - chunk_rows * streams or (
        replay.num_rows == num_rows * streams
    )
    if replay.ready:
        check_batch(
            replay.sample((3,), 20), firsts, num_rows - replay.num_rows // streams
        )


def enumerate_starts(firsts, first, length, ends):
    """The probability of each (stream, start), from the rule written as loops over rows and draws."""
    stop, streams = firsts.shape
    episodes = []
    for stream in range(streams):
        begins = [first] + [
            n
            for n in range(first + 1, stop)
            if firsts[n, stream] and not firsts[n - 1, stream]
        ]
        episodes += [
            (stream, a, b) for a, b in zip(begins, begins[1:] + [stop], strict=True)
        ]
    chance = {}
    for stream, begin, end in episodes:
        total = end - begin
        draws = total - length + 1 + (length if ends else 0) if total >= length else 1
        for draw in range(draws):
            start = begin + min(draw, max(total - length, 0))
            start = max(min(start, stop - length), first)
            key = (stream, start)
            chance[key] = chance.get(key, 0) + 1 / draws / len(episodes)
    return chance, len(episodes)


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("num_rows", [30, 61])
def test_windows_are_drawn_as_the_formula_says(tmp_path, ends, num_rows):
    replay = open_replay(tmp_path, 2, 80, 4, prioritize_ends=ends, seed=5)
    # Whole, open, short and one-row episodes, and rows of a player that left (all first).
    firsts = flags(num_rows, [[11, 5, 2], [1, 7, 3, 1, 1]])
    fill(replay, firsts)
    first = num_rows - replay.num_rows // 2
    assert (first > 0) == (num_rows == 61)
    chance, episodes = enumerate_starts(firsts, first, 4, ends)
    assert replay.num_episodes == episodes
    draws = 40000
    streams, starts = replay.sample_starts((1, 2), draws)
    found, counts = np.unique(np.stack([streams, starts]), axis=1, return_counts=True)
    found = dict(zip(map(tuple, found.T.tolist()), counts, strict=True))
    assert found.keys() <= chance.keys()
    expected = np.array(list(chance.values())) * draws
    observed = np.array([found.get(key, 0) for key in chance])
    chi_square = np.sum((observed - expected) ** 2 / expected)
    freedom = len(chance) - 1
    assert chi_square < freedom + 4 * np.sqrt(2 * freedom)


def test_steps_are_drawn_uniformly_over_all_windows(tmp_path):
    replay = open_replay(tmp_path, 2, 80, 4, sampling="steps")
    fill(replay, flags(61, [[11], [3]]))
    first, draws = 61 - replay.num_rows // 2, 40000
    streams, starts = replay.sample_starts((1,), draws)
    counts = np.zeros((2, 61 - 4 + 1 - first))
    np.add.at(counts, (streams, starts - first), 1)
    expected = draws / counts.size
    freedom = counts.size - 1
    chi_square = np.sum((counts - expected) ** 2 / expected)
    assert chi_square < freedom + 4 * np.sqrt(2 * freedom)


def test_rows_of_episodes_shorter_than_a_window_are_all_learned_from(tmp_path):
    replay = open_replay(tmp_path, 1, 400, 10)
    firsts = flags(53, [[3, 4]])
    fill(replay, firsts)
    batch = replay.sample((0,), 500)
    check_batch(batch, firsts, 0)
    assert set(batch["action"].ravel()) == set(range(53))


def test_the_same_key_and_snapshot_give_the_same_batch_after_more_rows(tmp_path):
    replay = open_replay(tmp_path, 2, 60, 4)
    firsts = flags(300, [[9], [5, 2]])
    fill(replay, firsts[:50])
    snapshot = replay.snapshot()
    first = 50 - replay.num_rows // 2
    want = [replay.sample((u,), 16) for u in range(4)]
    assert not equal(want[0], want[1])
    fill(replay, firsts[50:])
    for u in range(4):
        batch = replay.sample((u,), 16, snapshot=snapshot)
        assert equal(batch, want[u])
        check_batch(batch, firsts[:50], first)
        assert not equal(replay.sample((u,), 16), want[u])


def test_batches_depend_on_the_seed(tmp_path):
    batches = []
    for seed in (0, 1):
        replay = open_replay(tmp_path / str(seed), seed=seed)
        fill(replay, flags(50, [[9], [5]]))
        batches.append(replay.sample((0,), 16))
    assert not equal(*batches)


def test_a_restored_replay_in_another_process_draws_the_same_batches(tmp_path):
    replay = open_replay(tmp_path / "replay", 2, 60, 4)
    firsts = flags(200, [[9], [5, 2]])
    fill(replay, firsts[:101])
    checkpoint.write_tree(tmp_path / "saved", replay.get_state())
    np.savez(tmp_path / "want.npz", **replay.sample((7,), 16))
    code = (
        "import sys, pathlib, numpy as np\n"
        "from agents import checkpoint; from agents.replay import Replay\n"
        "folder = pathlib.Path(sys.argv[1]); tree = checkpoint.read_tree(folder / 'saved')\n"
        "replay = Replay(folder / 'replay', tree['spec'], 2, 60, 4)\n"
        "replay.set_state(tree); want = np.load(folder / 'want.npz')\n"
        "batch = replay.sample((7,), 16)\n"
        "assert set(batch) == set(want) and all(np.array_equal(batch[k], want[k]) for k in want)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


@settings(max_examples=25, deadline=None)
@given(before=st.integers(0, 70), after=st.integers(1, 70), lost=st.integers(0, 30))
def test_a_resumed_replay_goes_on_as_the_one_that_was_never_stopped(
    tmp_path_factory, before, after, lost
):
    folder = tmp_path_factory.mktemp("replay")
    firsts = flags(200, [[9], [5, 2]])
    straight = open_replay(folder / "a", 2, 60, 4)
    fill(straight, firsts[: before + after])
    stopped = open_replay(folder / "b", 2, 60, 4)
    fill(stopped, firsts[:before])
    tree = stopped.get_state()
    fill(stopped, ~firsts[before : before + lost])  # rows that the crash takes
    resumed = open_replay(folder / "b", 2, 60, 4)
    resumed.set_state(tree)
    resumed.collect_garbage(Replay.chunk_names(tree))
    fill(resumed, firsts[before : before + after])
    for name in ("committed", "num_rows", "num_episodes", "ready"):
        assert getattr(resumed, name) == getattr(straight, name)
    if straight.ready:
        for u in range(3):
            assert equal(straight.sample((u,), 8), resumed.sample((u,), 8))
    resumed.collect_garbage(set())
    a, b = ({p.name for p in (folder / x).glob("*")} for x in "ab")
    assert a == b


def chunk_files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_forgotten_files_do_not_pile_up_when_nobody_saves(tmp_path):
    replay = open_replay(tmp_path, 2, 60, 4)
    for firsts in np.split(flags(480, [[9], [5]]), 48):
        fill(replay, firsts)
        assert len(chunk_files(tmp_path)) * 16 <= 60
    assert replay.disk_bytes == sum(p.stat().st_size for p in tmp_path.iterdir())


def test_files_that_a_kept_checkpoint_names_stay_until_it_goes(tmp_path):
    replay = open_replay(tmp_path, 2, 60, 4)
    firsts = flags(300, [[9], [5]])
    fill(replay, firsts[:60])
    old = replay.get_state()
    names = Replay.chunk_names(old)
    fill(replay, firsts[60:200])  # between get_state and the end of the save
    assert names <= set(chunk_files(tmp_path))
    replay.collect_garbage(names)
    fill(replay, firsts[200:])
    live = Replay.chunk_names(replay.get_state())
    assert set(chunk_files(tmp_path)) == names | live
    assert replay.disk_bytes == sum(p.stat().st_size for p in tmp_path.iterdir())
    replay.collect_garbage(live)
    assert set(chunk_files(tmp_path)) == live
    fresh = open_replay(tmp_path, 2, 60, 4)
    with pytest.raises(checkpoint.DamagedError, match=sorted(names)[0]):
        fresh.set_state(old)


def test_restoring_keeps_what_earlier_checkpoints_name_and_drops_later_files(tmp_path):
    replay = open_replay(tmp_path, 2, 60, 4)
    firsts = flags(300, [[9], [5]])
    fill(replay, firsts[:40])
    early = replay.get_state()
    fill(replay, firsts[40:100])
    late = replay.get_state()
    fill(replay, firsts[100:140])
    (tmp_path / "000000009999.rows.tmp").write_bytes(b"half")
    resumed = open_replay(tmp_path, 2, 60, 4)
    resumed.set_state(late)
    names = Replay.chunk_names(early) | Replay.chunk_names(late)
    assert set(chunk_files(tmp_path)) >= names
    assert max(chunk_files(tmp_path)) == max(Replay.chunk_names(late))
    fill(resumed, firsts[100:140])
    assert set(chunk_files(tmp_path)) >= names
    resumed.set_state(early)
    check_batch(resumed.sample((1,), 16), firsts[:40], 10)


def test_a_replay_that_begins_empty_clears_what_a_dead_run_left(tmp_path):
    fill(open_replay(tmp_path), flags(100, [[9], [5]]))
    (tmp_path / "notes.txt").write_text("mine")
    replay = open_replay(tmp_path)
    fill(replay, flags(9, [[9], [5]]))
    assert chunk_files(tmp_path) == ["000000000000.rows", "notes.txt"]


def test_an_empty_replay_can_be_saved_and_restored(tmp_path):
    tree = open_replay(tmp_path).get_state()
    replay = open_replay(tmp_path)
    replay.set_state(tree)
    assert not replay.ready and replay.committed == 0
    fill(replay, flags(20, [[9], [5]]))
    check_batch(replay.sample((1,), 16), flags(20, [[9], [5]]), 0)


def test_sampling_too_early_is_refused(tmp_path):
    replay = open_replay(tmp_path)
    fill(replay, flags(3, [[9], [5]]))
    assert not replay.ready
    with pytest.raises(RuntimeError, match="3 rows per stream"):
        replay.sample((0,), 2)
    fill(replay, flags(1, [[9], [5]]))
    assert replay.ready
    replay.sample((0,), 2)


def test_rows_of_another_kind_are_refused_with_the_fields_that_differ(tmp_path):
    tree = open_replay(tmp_path).get_state()
    spec = SPEC | {"action": ((3,), "float32"), "state/log_prob": ((), "float32")}
    replay = Replay(tmp_path, spec, 4, 400, 4)
    with pytest.raises(ValueError) as error:
        replay.set_state(tree)
    for field in ("action", "state/log_prob", "num_streams: saved 2, now 4"):
        assert field in str(error.value)
    assert "reward" not in str(error.value)
    with pytest.raises(ValueError, match="action"):
        replay.add(row(0, [True] * 4))


@pytest.mark.parametrize(
    "options", [{"sampling": "rows"}, {"capacity": 7}, {"capacity": 20}]
)
def test_bad_options_are_refused(tmp_path, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        open_replay(tmp_path, **options)


def test_the_smallest_capacity_works(tmp_path):
    replay = Replay(tmp_path, SPEC, 2, 8, 4)
    firsts = flags(30, [[9], [5]])
    fill(replay, firsts)
    assert replay.num_rows == 8
    check_batch(replay.sample((0,), 16), firsts, 26)


def test_a_larger_or_smaller_capacity_goes_on_from_the_same_save(tmp_path):
    replay = open_replay(tmp_path, 2, 100, 4)
    firsts = flags(120, [[9], [5]])
    fill(replay, firsts[:80])
    for capacity in (200, 40):
        resumed = open_replay(tmp_path, 2, capacity, 4, chunk_rows=1)
        resumed.set_state(replay.get_state())
        resumed.add(row(80, firsts[80]))
        assert resumed.num_rows <= capacity
        check_batch(resumed.sample((0,), 16), firsts[:81], 81 - resumed.num_rows // 2)


def test_rows_may_be_added_while_others_are_sampled(tmp_path):
    replay = open_replay(tmp_path, 2, 200, 5, chunk_rows=4)
    firsts = flags(3000, [[9], [5, 2]])
    fill(replay, firsts[:100])
    failures, samples = [], 0
    stop = threading.Event()

    def read(reader):
        nonlocal samples
        try:
            for u in itertools.count():
                if stop.is_set():
                    break
                snapshot = replay.snapshot()
                batch = replay.sample((reader, u), 8, snapshot=snapshot)
                check_batch(batch, firsts[: snapshot.stop], snapshot.first)
                samples += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read, args=(reader,)) for reader in range(2)]
    for thread in threads:
        thread.start()
    for start in range(100, 3000, 100):
        fill(replay, firsts[start : start + 100])
        replay.collect_garbage(Replay.chunk_names(replay.get_state()))
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures and samples
    replay.collect_garbage(set())
    assert len(chunk_files(tmp_path)) * 8 <= 200


ATARI = """
import os, sys, numpy as np
from agents.replay import Replay

def resident():
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024

B = 16
spec = {"observation/image": ((64, 64, 1), "uint8"), "action": ((), "int32"), "reward": ((), "float32"),
        "discount": ((), "float32"), "is_first": ((), "bool"), "is_last": ((), "bool")}
rows = {key: np.ones((B, *shape), dtype) for key, (shape, dtype) in spec.items()}
replay = Replay(sys.argv[1], spec, B, 2_000_000, 50)
assert replay.bytes_at_capacity < 9e9
before = resident()
for number in range(int(sys.argv[2]) // B):
    rows["is_first"][:] = number % 500 == 0
    replay.add(rows)
    if number > 100 and number % 400 == 0:
        replay.sample((number,), 16)
print(resident() - before, replay.disk_bytes, replay.num_rows)
"""


def test_a_large_replay_stays_out_of_memory(tmp_path):
    num_rows = 64_000
    command = [sys.executable, "-c", ATARI, str(tmp_path / "replay"), str(num_rows)]
    out = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    shutil.rmtree(tmp_path / "replay")
    grown, disk, rows = map(int, out.split())
    assert rows == num_rows
    assert disk > 0.98 * num_rows * 4110
    assert grown < num_rows * 4110 / 5
