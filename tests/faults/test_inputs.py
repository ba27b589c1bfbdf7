"""Bad input to a launcher: one clear sentence, exit status 1, nothing built, no folder made."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from agents import registry, training
from agents.checkpoint import DamagedError
from tests.faults import tiny

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Runs main of the launcher once per command line, in one process.
LAUNCH = """
import contextlib, io, json, os, sys

class Blocked:
    def find_spec(self, name, *_):
        if name.split(".")[0] in os.environ.get("BLOCKED", "").split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from absl.testing import flagsaver
from launch import app, dreamerv2

results = []
for arguments in json.loads(sys.argv[1]):
    said = io.StringIO()
    with flagsaver.flagsaver(), contextlib.redirect_stderr(said):
        try:
            app.run(dreamerv2.main, ["launcher", *arguments])
            code = 0
        except SystemExit as error:
            code = error.code
    if isinstance(code, str):  # Python prints it and exits with 1
        code = said.write(code) and 1
    results.append([code, said.getvalue()])
json.dump([results, "tensorflow" in sys.modules], open(sys.argv[2], "w"))
"""


def launch(
    folder: pathlib.Path, lines: list[list[str]], **variables: str
) -> list[list[Any]]:
    """Returns exit status and stderr of each command line; asserts that none loaded TensorFlow."""
    path = folder / "results.json"
    subprocess.run(
        [sys.executable, "-c", LAUNCH, json.dumps(lines), str(path)],
        cwd=ROOT,
        env=os.environ | variables,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    results, loaded = json.loads(path.read_text())
    assert not loaded
    return results


def check_one_sentence(code: int, said: str, wanted: str) -> None:
    assert code == 1, said
    lines = [line for line in said.splitlines() if "--helpfull" not in line]
    assert len(lines) == 1, said
    assert lines[0].startswith(("error: ", "FATAL Flags parsing error: ")), said
    assert "Traceback" not in said
    assert wanted in said


CATCH = ["--env=zoo:Catch-v0", "--preset=debug"]
UNKNOWN = [
    (["--game=Pnog"], "'pong'"),
    (["--env=zoo:Cach-v0"], "'Catch-v0'"),
    (["--env=atri:Pong"], "did you mean 'atari'"),
    (["--env=Pong"], "'suite:name'"),
    (["--env=dm_control:cartpole-swngup"], "'cartpole-swingup'"),
    (["--env=crafter:Crafer"], "'Crafter'"),
    (["--env=popgym:RepeatFirstEsy-v0"], "'RepeatFirstEasy-v0'"),
    (["--env=zoo:Catch-v0", "--preset=debgu"], "Did you mean 'debug'"),
    (["--env=zoo:Catch-v0", "--preset=minigrid,debgu"], "Did you mean 'debug'"),
    ([*CATCH, "--gaem=Pong"], "Did you mean: game"),
    ([*CATCH, "--reward_transform=tan"], "<identity|tanh|sign>"),
    ([*CATCH, "--parallel=threads"], "<auto|sync|process>"),
    ([*CATCH, "--batch_size=many"], "--batch_size=many"),
    ([*CATCH, "--batch_size=0"], "batch_size=0 came, but a number of at least 1"),
    ([*CATCH, "--horizon=-3"], "horizon=-3 came"),
    (
        [*CATCH, "--train_every=0"],
        "train_every=0.0 came, but a number of at least 0.001",
    ),
    ([*CATCH, "--model_lr=nan"], "model_lr=nan came"),
    ([*CATCH, "--num_envs=0"], "num_envs=0 came, but a number of at least 1"),
    ([*CATCH, "--seed=-1"], "seed=-1 came"),
    ([*CATCH, "--eval_every=-1"], "eval_every=-1 came"),
    ([*CATCH, "--entropy_scale=liner(1,0,5)"], "Did you mean linear"),
    ([*CATCH, "--ablate=no_layer_nrm"], "Did you mean 'no_layer_norm'"),
    ([*CATCH, "--ablate=no_layer_norm,nothing"], "unknown ablation 'nothing'"),
    (["--game=Pong", "--env=atari:Pong"], "--game and --env both came"),
    ([*CATCH, "--frames=8", "--env_steps=8"], "--frames and --env_steps both came"),
    ([*CATCH, "--env_options=rgb=true"], "unknown option 'rgb' for 'zoo'"),
    ([*CATCH, "--env_options=sise=32"], "did you mean 'size'"),
    ([*CATCH, "--env_options=size"], "key=value by comma"),
    ([*CATCH, "--env_options=size=big"], "size=big came, but int | None is expected"),
    ([*CATCH, "--env_options=time_limit=3"], "a setting of its own, --time_limit"),
    (
        ["--env=minigrid:MiniGrid-Empty-5x5-v0", "--env_options=rgb=1", CATCH[1]],
        "rgb=1 came, but true or false is expected",
    ),
    ([*CATCH, "Pong"], "'Pong' came, but only --flags are expected"),
]


def test_what_is_unknown_is_refused_with_the_near_names_before_anything_is_built(
    tmp_path: pathlib.Path,
) -> None:
    logdir = tmp_path / "run"
    lines = [[*arguments, f"--logdir={logdir}"] for arguments, _ in UNKNOWN]
    results = launch(tmp_path, lines)
    for (code, said), (_, wanted) in zip(results, UNKNOWN, strict=True):
        check_one_sentence(code, said, wanted)
    assert not logdir.exists()


def test_a_missing_extra_is_named_with_what_to_install(tmp_path: pathlib.Path) -> None:
    suites = {
        "atari:Pong": "atari",
        "minatar:Breakout-v1": "minatar",
        "minigrid:MiniGrid-Empty-5x5-v0": "minigrid",
        "dm_control:cartpole-swingup": "dm-control",
        "crafter:Crafter": "crafter",
        "popgym:RepeatPreviousEasy-v0": "popgym",
    }
    lines = [[f"--env={env}", f"--logdir={tmp_path / 'run'}"] for env in suites]
    blocked = "ale_py minatar minigrid dm_control crafter popgym"
    results = launch(tmp_path, lines, BLOCKED=blocked)
    for (code, said), extra in zip(results, suites.values(), strict=True):
        check_one_sentence(code, said, f"pip install 'latent-agent-zoo[{extra}]'")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_of_keras_is_refused(
    tmp_path: pathlib.Path, backend: str
) -> None:
    line = [*CATCH, f"--logdir={tmp_path / 'run'}"]
    ((code, said),) = launch(tmp_path, [line], KERAS_BACKEND=backend)
    check_one_sentence(code, said, f"{backend!r} was chosen: unset KERAS_BACKEND")
    assert not (tmp_path / "run").exists()


def test_frames_count_the_action_repeat_of_the_preset(tmp_path: pathlib.Path) -> None:
    code = (
        "import sys; from launch import app, dreamerv2\n"
        "app.run(lambda: print(app.run_settings('dreamerv2', str).run.env_steps))"
    )
    for arguments, steps in (
        (["--env=zoo:Catch-v0", "--preset=dmc_vision"], 500),
        (["--env=zoo:Catch-v0", "--preset=debug"], 1000),
        (["--env=zoo:Catch-v0", "--preset=debug", "--action_repeat=3"], 334),
        (["--game=Pong", "--preset=debug"], 250),
    ):
        command = [sys.executable, "-c", code, "--frames=1000", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert int(done.stdout) == steps


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"full_action_space": True}, "unknown option 'full_action_space' for 'zoo'"),
        ({"env": "atari:Pong", "parallel": "process"}, "threads of its own"),
    ],
)
def test_an_option_that_an_environment_does_not_have_is_named(
    overrides: dict[str, Any], text: str
) -> None:
    wanted = {"env": "zoo:Catch-v0"} | overrides
    run = training.settings("dreamerv2", "debug", **wanted).run
    with pytest.raises(ValueError, match=text):
        training.make_envs(run)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"preset": "debgu"}, "Did you mean 'debug'"),
        ({"ablate": ["no_layer"]}, "Did you mean 'no_layer_norm'"),
        ({"batch_sise": 3}, "Did you mean 'batch_size'"),
        ({"batch_size": 2.5}, "batch_size=2.5 came, but a value of type int"),
        ({"batch_size": -2}, "batch_size=-2 came"),
        ({"norm": "batch"}, "one of 'none', 'layer'"),
        ({"jit_compile": "yes"}, "a value of type bool"),
    ],
)
def test_the_functions_refuse_what_the_flags_refuse(
    options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        training.settings("dreamerv2", env="zoo:Catch-v0", **options)
    with pytest.raises(ValueError, match=text):
        registry.make("dreamerv2", None, **options)  # type: ignore[arg-type]


def tiny_launcher(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tests.faults.tiny", *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_logdir_that_cannot_be_written_is_named_with_the_reason(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "file").write_text("mine")
    for logdir, reason in (
        (tmp_path / "file", "File exists"),
        (tmp_path / "file" / "run", "Not a directory"),
        (pathlib.Path("/proc/self/fdinfo/run"), ""),
    ):
        done = tiny_launcher(f"--logdir={logdir}", "--env=zoo:Counting-v0")
        check_one_sentence(done.returncode, done.stderr, f"cannot write {logdir}: ")
        assert reason in done.stderr and "MB free" in done.stderr
        assert "give another --logdir" in done.stderr
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_logdir_of_another_run_is_refused_with_every_differing_field(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.install(monkeypatch.setattr)
    tiny.train(tmp_path, env_steps=50)
    before = contents(tmp_path)
    done = tiny_launcher(
        f"--logdir={tmp_path}", "--seed=3", "--batch_size=5", "--env_steps=100"
    )
    check_one_sentence(done.returncode, done.stderr, f"{tmp_path} holds another run")
    assert "batch_size: 4 there, 5 here; seed: 0 there, 3 here." in done.stderr
    assert "--fresh" in done.stderr
    for differing, text in (
        ({"env": "tests.faults.tiny:Faulty"}, "env: 'zoo:Counting-v0' there"),
        ({"num_envs": 2}, "num_envs: 1 there, 2 here"),
        ({"save_every": 60}, "save_every: 50 there, 60 here"),
    ):
        with pytest.raises(ValueError, match=text):
            tiny.train(tmp_path, **differing)
    other = training.settings(
        "dreamerv2", "debug", env="zoo:Catch-v0", logdir=str(tmp_path)
    )
    with pytest.raises(ValueError, match="agent: 'tiny' there, 'dreamerv2' here"):
        training.train(other)
    assert contents(tmp_path) == before


def test_a_config_that_cannot_be_read_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.install(monkeypatch.setattr)
    tiny.train(tmp_path, env_steps=50)
    (tmp_path / "config.json").write_text("")
    done = tiny_launcher(f"--logdir={tmp_path}")
    check_one_sentence(done.returncode, done.stderr, "config.json is damaged")
    assert "--fresh" in done.stderr
    with pytest.raises(DamagedError, match=r"config\.json is damaged"):
        registry.load(tmp_path)


def test_fresh_starts_over_and_removes_only_what_a_run_wrote(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.install(monkeypatch.setattr)
    run = tmp_path / "run"
    tiny.train(run, env_steps=200)
    (run / "notes.txt").write_text("mine")
    (run / "plots").mkdir()
    (run / "plots" / "curve.png").write_bytes(b"mine")
    np.savez(run / "not_finite_batch.npz", reward=np.zeros(1))
    settings = training.settings(
        "tiny", "small", fresh=True, seed=3, env_steps=50, logdir=str(run)
    )
    agent = training.train(settings)
    assert agent.env_steps == 50
    names = contents(run)
    assert names["notes.txt"] == b"mine" and names["plots/curve.png"] == b"mine"
    assert "not_finite_batch.npz" not in names
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["000000000050"]
    assert len(list(run.glob("events.*"))) == 1
    assert json.loads((run / "config.json").read_text())["run"]["seed"] == 3


def test_a_second_run_in_one_logdir_is_refused_with_the_pid_of_the_first(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.install(monkeypatch.setattr)
    refused = []

    class Curious(tiny.Tiny):
        def update(self, batch: Any) -> dict[str, Any]:
            if self.updates == 5:
                refused.append(tiny_launcher(f"--logdir={tmp_path}"))
                refused.append(tiny_launcher(f"--logdir={tmp_path}", "--fresh"))
            return super().update(batch)

    monkeypatch.setattr(tiny, "Tiny", Curious)
    assert tiny.train(tmp_path).env_steps == 200
    assert len(refused) == 2
    for done in refused:
        check_one_sentence(
            done.returncode, done.stderr, f"is in use by the process {os.getpid()}."
        )
