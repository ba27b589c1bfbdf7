"""Results of runs: what is refused, what is written, and how it is repeated. With an agent that needs no TensorFlow."""

import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from agents import score
from launch import card, finished
from tests.faults import tiny

_PROLOGUE = """
import pathlib, sys
from tests.faults import tiny
tiny.install()
from agents import policy
from launch import tensorflow_log
tensorflow_log.load = lambda: None
if scores := {scores!r}:
    policy.SCORES = pathlib.Path(scores)
import launch.{name} as launcher
launcher.cli()
"""


def call(
    name: str, *arguments: str, folder: pathlib.Path, scores: str = ""
) -> subprocess.CompletedProcess[str]:
    """Runs a launcher that knows the tiny agent, in a folder."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    code += _PROLOGUE.format(name=name, scores=scores)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )


ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """Three seeds, of which one stopped early, and a run of another experiment."""
    patch = pytest.MonkeyPatch()
    tiny.install(patch.setattr)
    folder = tmp_path_factory.mktemp("home")
    for seed in (1, 0):
        tiny.train(folder / f"seed{seed}", seed=seed, env_steps=100).close()
    tiny.train(folder / "seed2", seed=2, env_steps=60).close()
    path = folder / "seed2" / "config.json"
    content = json.loads(path.read_text())
    content["run"]["env_steps"] = 100
    path.write_text(json.dumps(content))
    tiny.train(folder / "other", seed=3, env_steps=100, prefill=40).close()
    yield folder
    patch.undo()


def test_runs_that_do_not_belong_together_are_refused(home: pathlib.Path) -> None:
    for patterns, said in (
        (f"{home}/seed*", r"not finished, of 100 steps: \S+/seed2 at 60\. Go on"),
        (f"{home}/other,{home}/seed0", r"not seeds of one .*: prefill: 30 .* 40 here"),
        (f"{home}/seed0,{home}/copy", r"the seeds \[0, 0\], .* each .* once"),
        (f"{home}/seed0,{home}/longer", r"end at different steps \(100, 200\)"),
    ):
        shutil.copytree(home / "seed0", home / "copy", dirs_exist_ok=True)
        shutil.copytree(home / "seed1", home / "longer", dirs_exist_ok=True)
        path = home / "longer" / "config.json"
        path.write_text(
            path.read_text().replace('"env_steps": 100', '"env_steps": 200')
        )
        with pytest.raises(ValueError, match=said):
            finished.find(patterns)
        shutil.rmtree(home / "copy")
        shutil.rmtree(home / "longer")
    with pytest.raises(FileNotFoundError, match=r"no folder matches .*nothing\*'"):
        finished.find(f"{home}/seed0,{home}/nothing*")


def test_runs_come_by_seed_and_those_left_out_are_known(home: pathlib.Path) -> None:
    runs = finished.find(f"{home}/seed[01]")
    assert [run.seed for run in runs] == [0, 1]
    assert finished.left_out(runs) == ["seed2"]
    every = finished.find(f"{home}/seed*", unfinished=True)
    assert [run.env_steps for run in every] == [100, 100, 60]
    assert finished.left_out(every) == []


@pytest.fixture(scope="module")
def made(home: pathlib.Path) -> tuple[pathlib.Path, str]:
    """The folder of a result of two seeds, and what was printed."""
    done = call(
        "score",
        "--name=counting",
        "--logdirs=seed[01]",
        "--episodes=6",
        "--bar",
        "1e6",
        "--reference=The moon.",
        "--notes=A note.",
        folder=home,
    )
    assert done.returncode == 0, done.stderr
    return home / "scores" / "tiny" / "counting", done.stdout


def test_a_result_holds_every_seed_and_what_it_was_made_with(
    made: tuple[pathlib.Path, str], home: pathlib.Path
) -> None:
    content = score.read(made[0])
    assert [seed["seed"] for seed in content["seeds"]] == [0, 1]
    assert [seed["env_steps"] for seed in content["seeds"]] == [100, 100]
    assert all(seed["curve"] and seed["cpu_hours"] >= 0 for seed in content["seeds"])
    assert content["evaluation"] == {"episodes": 6, "mode": "greedy", "seed": 1_000_000}
    assert content["mean"] == pytest.approx(
        sum(seed["final"] for seed in content["seeds"]) / 2, abs=1e-4
    )
    assert content["interval"][0] <= content["mean"] <= content["interval"][1]
    assert (content["bar"], content["met"], content["notes"]) == (1e6, False, "A note.")
    saved = json.loads((home / "seed0" / "config.json").read_text())
    assert content["command"] == saved["command"]
    assert content["commit"] == saved["commit"] and content["left_out"] == ["seed2"]


def test_the_final_score_is_that_of_fresh_episodes_of_the_newest_checkpoint(
    made: tuple[pathlib.Path, str], home: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agents import evaluation

    tiny.install(monkeypatch.setattr)
    content = score.read(made[0])
    for seed in content["seeds"]:
        again = evaluation.evaluate(home / f"seed{seed['seed']}", episodes=6)
        assert again["mean"] == seed["final"] and again["env_steps"] == 100
    random = evaluation.evaluate(home / "seed0", episodes=6, mode="random")["mean"]
    assert content["random"] == pytest.approx(random, abs=1e-4)


def test_the_policy_of_the_lowest_seed_is_shipped_and_its_own_score_is_stated(
    made: tuple[pathlib.Path, str],
) -> None:
    content = score.read(made[0])
    folder = made[0] / "policy"
    config = json.loads((folder / "config.json").read_text())
    assert config["seed"] == content["policy"]["seed"] == 0
    assert content["policy"]["dreams"] is True
    assert content["policy"]["final"] == content["seeds"][0]["final"]
    size = sum(path.stat().st_size for path in (folder / "weights").iterdir())
    assert size == content["policy"]["bytes"]


def test_the_card_says_it_all_in_words(made: tuple[pathlib.Path, str]) -> None:
    text = (made[0] / "card.md").read_text()
    content = score.read(made[0])
    for part in (
        "# counting",
        "bar 1e+06 missed",
        "95 % interval",
        "![curve](curve.png)",
        "| 0 | 100 |",
        f"{content['command']} --seed=1",
        "--policy=tiny/counting",
        content["hardware"],
        "- A note.",
        "For comparison: The moon.",
        "Started too, and not in it: seed2.",
        "seed 0, the lowest, not the best",
    ):
        assert part in text, part
    assert card.headline(content) in made[1]
    assert (made[0] / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_unfinished_runs_are_scored_only_when_asked_and_the_card_says_so(
    home: pathlib.Path,
) -> None:
    flags = ["--name=early", "--logdirs=seed2", "--episodes=2", "--random=0"]
    done = call("score", *flags, folder=home)
    assert done.returncode == 1
    assert re.fullmatch(r"error: not finished.*\n", done.stderr)
    assert not (home / "scores" / "tiny" / "early").exists()
    done = call("score", *flags, "--unfinished", "--output=new", folder=home)
    assert done.returncode == 0, done.stderr
    text = (home / "new" / "tiny" / "early" / "card.md").read_text()
    assert "Stopped before the 100 steps" in text and "- One seed" in text
    assert "random 0." in text and "bar" not in text


def test_a_score_without_a_name_or_runs_is_one_sentence(home: pathlib.Path) -> None:
    for flags in (["--name=x"], ["--logdirs=seed0"]):
        done = call("score", *flags, folder=home)
        assert done.returncode == 1
        assert re.fullmatch(r"error: --name and --logdirs .*\n", done.stderr)


def test_a_policy_that_is_too_large_is_left_out_and_said(
    made: tuple[pathlib.Path, str],
) -> None:
    content = score.read(made[0]) | {"policy": None}
    assert "No policy is shipped" in card.text(content)
    assert "--policy" not in card.text(content)
    small = content | {"policy": {"seed": 0, "final": 1.0, "bytes": 1, "dreams": False}}
    assert "acts but does not dream" in card.text(small)


def shown(*arguments: str, folder: pathlib.Path) -> tuple[int, str, str]:
    done = call("reproduce", *arguments, folder=folder)
    return done.returncode, done.stdout, done.stderr


def test_reproduce_prints_every_command_of_a_result(
    made: tuple[pathlib.Path, str], home: pathlib.Path
) -> None:
    status, out, err = shown(str(made[0]), "--dry_run", "--output=o", folder=home)
    assert status == 0, err
    commands = [line for line in out.splitlines() if line.startswith("python ")]
    trained, scored = commands[:2], shlex.split(commands[2])
    command = score.read(made[0])["command"]
    assert trained == [
        f"{command} --seed={seed} --logdir=o/tiny/counting/seed{seed}"
        for seed in (0, 1)
    ]
    assert scored[:3] == ["python", "-m", "launch.score"]
    assert set(scored[3:]) == {
        "--name=counting",
        "--episodes=6",
        "--bar=1000000.0",
        "--reference=The moon.",
        "--notes=A note.",
        "--logdirs=o/tiny/counting/seed*",
        "--output=o/tiny/counting",
    }
    assert not (home / "o").exists()


def test_reproduce_runs_the_commands_and_compares(
    made: tuple[pathlib.Path, str], home: pathlib.Path
) -> None:
    package = home / "launch_tiny"
    content = score.read(made[0])
    replaced = content | {
        "command": content["command"].replace("launch.tiny", "tiny_train"),
        "score_command": content["score_command"].replace("launch.score", "tiny_score"),
    }
    package.mkdir()
    score.write(package / "score.json", replaced)
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    (home / "tiny_train.py").write_text(
        start + "from tests.faults import tiny\ntiny.main()\n"
    )
    (home / "tiny_score.py").write_text(
        start + _PROLOGUE.format(name="score", scores="")
    )
    before = (made[0] / "score.json").read_bytes()
    status, out, err = shown(str(package), "--output=again", folder=home)
    assert status == 0, err
    rows = [line.split() for line in out.splitlines()[-5:]]
    assert rows[0] == ["seed", "shipped", "here"]
    for row, seed in zip(rows[1:3], content["seeds"], strict=True):
        assert row[0] == str(seed["seed"])
        assert row[1] == row[2] == f"{seed['final']:.2f}"  # the same seeds, bit for bit
    assert rows[3][0] == "mean" and rows[4][:2] == ["95", "%"]
    assert (made[0] / "score.json").read_bytes() == before


def test_reproduce_stops_at_a_command_that_fails(
    made: tuple[pathlib.Path, str], tmp_path: pathlib.Path
) -> None:
    content = score.read(made[0]) | {"command": "python -c 'raise SystemExit(3)'"}
    score.write(tmp_path / "score.json", content)
    status, _, err = shown(str(tmp_path), folder=tmp_path)
    assert status == 1
    assert re.search(r"error: the command ended with status 3: python -c", err)


def test_what_cannot_be_reproduced_is_one_sentence(tmp_path: pathlib.Path) -> None:
    scores = ROOT / "scores" / "dreamerv2"
    for arguments, said in (
        ([str(scores / "benchmark")], "run this .*: python -m launch.benchmark"),
        ([str(scores / "demo")], "run this and compare by hand: make demo"),
        (["scores/dreamerv2/demo"], "run this and compare by hand: make demo"),
        (["scores/no"], r"there is no score file scores/no/score\.json"),
        ([], "0 results came, but one is expected"),
        (["a", "b"], "2 results came"),
    ):
        status, out, err = shown(*arguments, folder=tmp_path)
        assert status == 1 and out == ""
        assert re.fullmatch(f"error: .*{said}.*\n", err), err


@pytest.fixture
def shipped(made: tuple[pathlib.Path, str], tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder of results with one policy."""
    shutil.copytree(made[0], tmp_path / "scores" / "tiny" / "counting")
    return tmp_path / "scores"


def test_a_shipped_policy_plays_by_name(shipped: pathlib.Path) -> None:
    play = {"folder": shipped.parent, "scores": str(shipped)}
    done = call("evaluate", "--policy=list", **play)  # type: ignore[arg-type]
    assert (done.returncode, done.stdout) == (0, "tiny/counting\n")
    arguments = ["--policy=tiny/counting", "--video=out.gif", "--json=r.json"]
    done = call("evaluate", *arguments, **play)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    assert "zoo:Counting-v0 at step 100:" in done.stdout
    assert (shipped.parent / "out.gif").read_bytes().startswith(b"GIF8")
    result = json.loads((shipped.parent / "r.json").read_text())
    assert result["episodes"] == 4


def test_a_policy_that_cannot_be_played_is_one_sentence(shipped: pathlib.Path) -> None:
    (shipped / "tiny" / "counting" / "policy" / "weights" / "arrays.npz").write_bytes(
        b"PK"
    )
    wrong: list[tuple[list[str], Any]] = [
        (["--policy=tiny/count"], "unknown policy 'tiny/count'.*Known: tiny/counting"),
        (["--policy=tiny/counting"], r"is damaged: \S+arrays\.npz has 2 bytes"),
        ([], "neither --logdir, --logdirs nor --policy came: .* one of tiny/counting"),
        (
            ["--policy=tiny/counting", "--logdir=x"],
            "--logdir and --policy came: give one",
        ),
    ]
    for arguments, said in wrong:
        done = call("evaluate", *arguments, folder=shipped.parent, scores=str(shipped))
        assert done.returncode == 1 and done.stdout == ""
        lines = done.stderr.splitlines()
        assert re.search(f"^error: .*{said}", lines[-1]), done.stderr
