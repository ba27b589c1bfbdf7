"""The launchers as commands: their help, and one run of DreamerV2 from start to evaluation."""

import ast
import dataclasses
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import pytest

import agents
from agents.dreamerv2.config import PRESETS, DreamerV2Config
from agents.training import RunConfig

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAUNCHERS = sorted(
    path.stem
    for path in (ROOT / "launch").glob("*.py")
    if "app.run(main" in path.read_text()
)
RUN_FLAGS = {
    field.name
    for cls in (RunConfig, DreamerV2Config)
    for field in dataclasses.fields(cls)
}
MORE_FLAGS = {"ablate", "frames", "fresh", "game", "preset", "traceback"}


def call(
    module: str, *arguments: str, folder: pathlib.Path = ROOT
) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", LAUNCHERS)
def test_every_launcher_explains_every_flag(name: str) -> None:
    _, described, _ = call(f"launch.{name}", "--helpxml")
    elements = list(ElementTree.fromstring(described).iter("flag"))
    texts = {each.findtext("name"): each.findtext("meaning") for each in elements}
    assert all(text and text.strip() for text in texts.values()), texts
    own = {
        each.findtext("name")
        for each in elements
        if str(each.findtext("file")).startswith("launch.")
        or str(each.findtext("file")).endswith(f"{name}.py")
    }
    status, shown, error = call(f"launch.{name}", "--help")
    assert status in (0, 1) and "Traceback" not in error
    listed = set(re.findall(r"^  --(?:\[no\])?(\w+):", shown, re.MULTILINE))
    assert own and own <= listed
    assert ("traceback" in listed) == ("traceback" in texts)
    source = ast.parse((ROOT / "launch" / f"{name}.py").read_text())
    assert shown.split("\n")[0] == str(ast.get_docstring(source)).split("\n")[0]


def test_a_console_script_shows_the_same_flags() -> None:
    code = "from launch.evaluate import cli; cli()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    listed = set(re.findall(r"^  --(?:\[no\])?(\w+):", done.stdout, re.MULTILINE))
    assert listed >= {"logdir", "episodes", "mode", "video", "json", "traceback"}


def test_the_help_of_dreamerv2_lists_every_setting_and_names_the_presets() -> None:
    _, shown, _ = call("launch.dreamerv2", "--help")
    listed = set(re.findall(r"^  --(?:\[no\])?(\w+):", shown, re.MULTILINE))
    assert listed >= RUN_FLAGS | MORE_FLAGS
    text = " ".join(shown.split())
    for preset in PRESETS:
        assert re.search(rf"\b{preset}\b", text), preset
    assert "--game=Pong" in text
    _, full, _ = call("launch.dreamerv2", "--helpfull")
    assert len(re.findall(r"^  --", full, re.MULTILINE)) > len(listed)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, str]:
    """A run of DreamerV2 that got a SIGTERM while training; returns its folder and stdout."""
    folder = tmp_path_factory.mktemp("launch")
    arguments = ["--env=zoo:Catch-v0", "--preset=debug", "--logdir=run"]
    arguments += [
        "--env_steps=100000",
        "--save_every=50000",
        "--video_every=0",
        "--log_every=10",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "launch.dreamerv2", *arguments, "--eval_every=0"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    metrics = folder / "run" / "metrics.jsonl"
    while not (metrics.exists() and '"model_loss"' in metrics.read_text()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 143, err
    assert "stopping: one save, then done" in err and "Traceback" not in err
    return folder, out


def printed(out: str, word: str) -> list[str]:
    """The arguments of a printed command, from the module on."""
    (line,) = [line for line in out.splitlines() if line.startswith(f"  {word} ")]
    command = shlex.split(line)[1:]
    assert "python" in command[0] and command[1] == "-m"
    return command[2:]


def test_a_stopped_run_goes_on_with_the_command_it_printed(
    stopped: tuple[pathlib.Path, str],
) -> None:
    folder, out = stopped
    before = json.loads((folder / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    resume = printed(out, "resume")
    until = before["env_steps"] + 40
    status, out, err = call(*resume, f"--env_steps={until}", folder=folder)
    assert status == 0, err
    assert re.search(r"resuming at step \d+", err)
    assert f"Finished at step {until}." in out
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["env_steps"] for line in lines]
    assert steps == sorted(set(steps)) and steps[-1] == until
    status, out, err = call(*printed(out, "plot"), folder=folder)
    assert status == 0, err


def test_a_run_is_evaluated_with_the_command_it_printed_as_json_and_video(
    stopped: tuple[pathlib.Path, str],
) -> None:
    folder, out = stopped
    evaluate = [*printed(out, "evaluate"), "--episodes=6", "--seed=3"]
    status, shown, err = call(*evaluate, "--json=-", folder=folder)
    assert status == 0, err
    result = json.loads(shown)  # nothing but JSON on stdout
    assert result["env"] == "zoo:Catch-v0" and result["mode"] == "greedy"
    assert len(result["returns"]) == result["episodes"] == 6
    assert set(result["returns"]) <= {-1.0, 1.0} and result["lengths"] == [9] * 6
    assert result["mean"] == pytest.approx(sum(result["returns"]) / 6)
    files = ["--json=result.json", "--video=out/play.gif"]
    status, shown, err = call(*evaluate, *files, folder=folder)
    assert status == 0, err
    assert "zoo:Catch-v0 at step" in shown and "6 episodes, greedy" in shown
    assert "video: out/play.gif" in shown
    again = json.loads((folder / "result.json").read_text())
    assert again.pop("video") == ["out/play.gif"]
    result.pop("video")
    assert again == result  # the same seed, the same episodes
    assert (folder / "out" / "play.gif").read_bytes().startswith(b"GIF8")


def test_evaluation_acts_in_each_mode_and_refuses_what_does_not_fit(
    stopped: tuple[pathlib.Path, str],
) -> None:
    logdir = stopped[0] / "run"
    for mode in ("greedy", "sample", "random"):
        result = agents.evaluate(logdir, episodes=5, mode=mode, num_envs=3)
        assert result["mode"] == mode and len(result["returns"]) == 5
    other = agents.evaluate(logdir, episodes=2, env="envs.catch:Catch")
    assert other["env"] == "envs.catch:Catch" and other["episodes"] == 2
    for wrong, text in (
        ({"mode": "gredy"}, "Did you mean 'greedy'"),
        ({"episodes": 0}, "episodes=0 came"),
        ({"env": "zoo:Cach-v0"}, "'Catch-v0'"),
        ({"env": "zoo:Counting-v0"}, "other spaces than the agent was trained on"),
    ):
        with pytest.raises(ValueError, match=text):
            agents.evaluate(logdir, **wrong)


def test_evaluating_what_is_no_run_is_one_sentence(tmp_path: pathlib.Path) -> None:
    for arguments, text in (
        ([f"--logdir={tmp_path}"], "holds no agent: it has no config.json"),
        ([f"--logdir={tmp_path / 'no'}"], "holds no agent"),
        ([], "neither --logdir, --logdirs nor --policy came"),
        ([f"--logdir={tmp_path}", "--mode=best"], "<greedy|sample|random>"),
        ([f"--logdir={tmp_path}", "--episodes=0"], "--episodes"),
    ):
        status, _, err = call("launch.evaluate", *arguments)
        assert status == 1 and "Traceback" not in err
        lines = [line for line in err.splitlines() if text in line]
        assert len(lines) == 1, err
        assert lines[0].startswith(("error: ", "FATAL Flags parsing error: "))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_before_training_exits_with_130(tmp_path: pathlib.Path) -> None:
    code = (
        "import os, signal; from launch import app\n"
        "app.run(lambda: os.kill(os.getpid(), signal.SIGINT))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 130 and done.stderr == "interrupted\n"
