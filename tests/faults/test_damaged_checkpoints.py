"""Saves that are cut short, changed, lost, or meet a full disk."""

import pathlib
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest

from agents import checkpoint
from agents.checkpoint import Checkpoints, DamagedError
from agents.replay import Replay

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = {"action": ((), "int32"), "is_first": ((), "bool")}


def save_three(folder):
    saves = Checkpoints(folder)
    for step in (10, 20, 30):
        saves.save(step, {"step": step, "weights": np.full(50, step)})
    return folder / "000000000030"


def flip(path, at=None):
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 1
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("name", ["arrays.npz", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", [flip, truncate, empty, pathlib.Path.unlink])
def test_a_run_falls_back_past_damage_and_says_so_in_one_line(tmp_path, name, damage):
    newest, lines, seen = save_three(tmp_path), [], []
    damage(newest / name)
    saves = Checkpoints(tmp_path, report=lines.append)
    assert saves.restore(seen.append) == 20
    assert [tree["step"] for tree in seen] == [20]
    (line,) = lines
    assert "\n" not in line and newest.name in line
    # A changed manifest is found where it disagrees with the file it describes.
    assert name in line or (damage is flip and name == "manifest.json")
    assert (tmp_path / f"{newest.name}.damaged").is_dir() and not newest.exists()
    assert saves.restore(seen.append) == 20 and len(lines) == 1
    saves.save(30, {"step": 30})
    assert saves.steps() == [10, 20, 30]


def test_no_flipped_bit_anywhere_goes_unnoticed(tmp_path):
    checkpoint.write_tree(tmp_path / "saved", {"a": np.arange(3), "b": [1.5, "x"]})
    for path in sorted((tmp_path / "saved").iterdir()):
        original = path.read_bytes()
        for at in range(len(original)):
            flip(path, at)
            if path.name == "manifest.json":
                read_or_raise(tmp_path / "saved")
            else:
                with pytest.raises(DamagedError, match=path.name):
                    checkpoint.read_tree(tmp_path / "saved")
            path.write_bytes(original)


def read_or_raise(folder):
    """A changed manifest may still say the same about the files; it never lets other content through."""
    try:
        tree = checkpoint.read_tree(folder)
    except DamagedError:
        return
    assert tree["b"] == [1.5, "x"] and tree["a"].tolist() == [0, 1, 2]


def test_damage_is_reported_on_stderr_when_nobody_else_takes_it(tmp_path):
    truncate(save_three(tmp_path) / "arrays.npz")
    code = (
        "import sys; from agents.checkpoint import Checkpoints\n"
        "print(Checkpoints(sys.argv[1]).restore(lambda tree: None))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "20\n"
    assert done.stderr.count("\n") == 1 and "arrays.npz" in done.stderr


def test_a_run_whose_saves_are_all_damaged_never_begins_from_nothing(tmp_path):
    save_three(tmp_path)
    for path in list(tmp_path.iterdir()):
        truncate(path / "state.json")
    saves = Checkpoints(tmp_path, report=lambda line: None)
    for _ in range(2):  # the second time they lie aside
        with pytest.raises(DamagedError, match="--fresh"):
            saves.restore(lambda tree: None)


def test_a_stray_folder_without_a_manifest_is_passed_over(tmp_path):
    save_three(tmp_path)
    (tmp_path / "000000000040").mkdir()
    (tmp_path / "plots").mkdir()
    saves = Checkpoints(tmp_path, report=lambda line: None)
    assert saves.restore(lambda tree: None) == 30
    assert (tmp_path / "plots").is_dir()


def run_with_replay(folder):
    """Two saves of a replay; returns it and the name of a chunk that only the second one names."""
    replay = Replay(folder / "replay", SPEC, 2, 400, 4, chunk_rows=8)
    saves, names = Checkpoints(folder / "saves"), set()
    for step in range(1, 33):
        replay.add({"action": np.full(2, step), "is_first": np.full(2, step % 5 == 1)})
        if step in (12, 32):
            tree = replay.get_state()
            new, names = Replay.chunk_names(tree) - names, Replay.chunk_names(tree)
            saves.save(step, {"replay": tree})
    return replay, min(new)


@pytest.mark.parametrize("damage", [flip, truncate, empty, pathlib.Path.unlink])
def test_a_damaged_replay_chunk_makes_the_run_fall_back_to_a_save_without_it(
    tmp_path, damage
):
    _, name = run_with_replay(tmp_path)
    damage(tmp_path / "replay" / name)
    lines: list[str] = []
    replay = Replay(tmp_path / "replay", SPEC, 2, 400, 4, chunk_rows=8)
    saves = Checkpoints(tmp_path / "saves", report=lines.append)
    assert saves.restore(lambda tree: replay.set_state(tree["replay"])) == 12
    assert replay.committed == 24
    assert len(lines) == 1 and name in lines[0]
    assert replay.sample((0,), 8)["action"].max() == 12


def test_a_replay_that_is_refused_stays_as_it_was(tmp_path):
    replay, name = run_with_replay(tmp_path)
    tree = replay.get_state()
    other = Replay(tmp_path / "other", SPEC, 2, 400, 4, chunk_rows=8)
    shutil.copytree(tmp_path / "replay", tmp_path / "other")
    other.set_state(tree)
    before = other.sample((0,), 8)
    (tmp_path / "other" / name).rename(tmp_path / "aside")
    with pytest.raises(DamagedError, match=name):
        other.set_state(tree)
    (tmp_path / "aside").rename(tmp_path / "other" / name)
    np.testing.assert_array_equal(other.sample((0,), 8)["action"], before["action"])


def test_a_chunk_lost_while_the_run_goes_on_is_named(tmp_path):
    replay, name = run_with_replay(tmp_path)
    truncate(tmp_path / "replay" / name)
    with pytest.raises(DamagedError, match=f"{name} was cut short"):
        replay.sample((0,), 200)
    (tmp_path / "replay" / name).unlink()
    with pytest.raises(DamagedError, match=f"{name} was removed"):
        replay.sample((0,), 200)


@pytest.fixture
def full_disk():
    """Lets no file grow past 20 kB, as a full disk or a quota would not; a function ends that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

    def end():
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    yield end
    end()


def test_a_full_disk_in_a_save_leaves_the_earlier_saves(tmp_path, full_disk):
    save_three(tmp_path)
    saves = Checkpoints(tmp_path)
    with pytest.raises(OSError) as error:
        saves.save(40, {"step": 40, "weights": np.zeros(100_000)})
    assert "000000000040" in str(error.value) and "MB free" in str(error.value)
    assert len(list(tmp_path.iterdir())) == 3
    seen = []
    assert saves.restore(seen.append) == 30 and seen[0]["step"] == 30
    full_disk()
    saves.save(40, {"step": 40, "weights": np.zeros(100_000)})
    assert saves.steps() == [20, 30, 40]


def test_a_full_disk_in_the_replay_loses_no_row(tmp_path, full_disk):
    spec = {"observation/image": ((100,), "uint8"), "is_first": ((), "bool")}
    replay = Replay(tmp_path / "replay", spec, 2, 4000, 4, chunk_rows=200)

    def row(number):
        return {
            "observation/image": np.full((2, 100), number % 256, np.uint8),
            "is_first": np.full(2, number == 0),
        }

    for number in range(200):
        replay.add(row(number))
    for _ in range(2):
        with pytest.raises(OSError) as error:
            replay.add(row(200))
        assert str(tmp_path / "replay") in str(error.value)
        assert "MB free" in str(error.value)
        assert replay.committed == 400
        assert not list((tmp_path / "replay").iterdir())
    replay.sample((0,), 8)
    full_disk()
    for number in range(200, 450):
        replay.add(row(number))
    images = replay.sample((0,), 2000)["observation/image"][..., 0].astype(int)
    assert ((images - images[:1]) % 256 == np.arange(4)[:, None]).all()
    assert set(images.ravel()) == set(range(256))


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "saves").write_text("mine")
    with pytest.raises(OSError, match="saves"):
        Checkpoints(tmp_path / "saves").save(1, {})
