"""Runs: how settings resolve, what a resume allows, what lies in the logdir afterwards."""

import dataclasses
import json
import pathlib
import signal
import threading
from typing import Any

import pytest

from agents import process, registry, training
from agents.checkpoint import Checkpoints
from agents.logger import read_metrics
from agents.training import FREE_TO_CHANGE, RunConfig
from envs import catch
from tests.faults import tiny


@pytest.fixture(autouse=True)
def tiny_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.install(monkeypatch.setattr)


def metrics(logdir: pathlib.Path) -> list[dict[str, Any]]:
    return read_metrics(logdir / "metrics.jsonl")


def test_overrides_lie_over_ablations_and_these_over_presets() -> None:
    made = training.settings(
        "dreamerv2",
        "minigrid,debug",
        ["no_layer_norm", "no_kl_balancing"],
        env="zoo:Catch-v0",
        kl_balance=0.6,
        deter=32,
        seed=7,
    )
    assert made.config.gru_norm is False  # an ablation
    assert (made.config.kl_balance, made.config.deter) == (0.6, 32)  # overrides
    assert made.config.hidden == 16  # debug over minigrid
    assert made.config.discount == 0.98  # minigrid, which debug does not set
    assert (made.run.env_steps, made.run.seed) == (400, 7)
    assert made.run.logdir == (
        "runs/dreamerv2/zoo-Catch-v0/minigrid+debug-no_layer_norm-no_kl_balancing/seed7"
    )


def test_a_run_from_before_a_setting_existed_goes_on_with_its_default(
    logdir: pathlib.Path,
) -> None:
    tiny.train(logdir, env_steps=60)
    path = logdir / "config.json"
    saved = json.loads(path.read_text())
    del saved["run"]["env_options"]
    path.write_text(json.dumps(saved))
    assert tiny.train(logdir, env_steps=90).env_steps == 90
    assert json.loads(path.read_text())["run"]["env_options"] == ""


def changed(field: dataclasses.Field) -> Any:
    """Another value that the field may take; the environment has the same spaces."""
    others = {
        "ray_address": "auto",
        "env": "envs.counting:Counting",
        "env_options": "size=32",
        "env_steps": 70,
        "parallel": "process",
    }
    if field.name in others:
        return others[field.name]
    if isinstance(field.default, bool):
        return not field.default
    return field.default + 1


@pytest.mark.parametrize(
    "field",
    # Actors want an agent that learns from windows, arenas a population: tests/agents/test_actors.py and
    # tests/agents/ftw/test_cluster_ray.py.
    [
        each
        for each in dataclasses.fields(RunConfig)
        if each.name not in ("logdir", "actors", "arenas", "gpus_per_member")
    ],
    ids=lambda field: field.name,
)
def test_a_resume_allows_only_what_changes_nothing_that_is_learned(
    logdir: pathlib.Path, field: dataclasses.Field
) -> None:
    tiny.train(logdir, env_steps=50)
    value = changed(field)
    if field.name in FREE_TO_CHANGE:
        again = tiny.train(logdir, **({"env_steps": 60} | {field.name: value}))
        assert again.env_steps >= 60
    else:
        with pytest.raises(ValueError, match=f"holds another run: {field.name}: "):
            tiny.train(logdir, env_steps=60, **{field.name: value})


def test_a_run_in_two_parts_equals_one_in_one_part(tmp_path: pathlib.Path) -> None:
    tiny.train(tmp_path / "parts", env_steps=100)
    parts = tiny.train(tmp_path / "parts", env_steps=300)
    whole = tiny.train(tmp_path / "whole", env_steps=300)
    assert parts.weight.value == whole.weight.value and parts.updates == whole.updates
    kept = [
        [
            line | dict.fromkeys(("time", "cpu_time", "fps", "updates_per_s"), 0)
            for line in metrics(path)
        ]
        for path in (tmp_path / "parts", tmp_path / "whole")
    ]
    assert kept[0] == kept[1]


def test_evaluations_and_videos_change_nothing_that_is_learned(
    tmp_path: pathlib.Path,
) -> None:
    watched = tiny.train(
        tmp_path / "watched",
        env="zoo:Catch-v0",
        eval_every=40,
        eval_episodes=3,
        video_every=50,
    )
    plain = tiny.train(tmp_path / "plain", env="zoo:Catch-v0")
    assert watched.weight.value == plain.weight.value
    lines = metrics(tmp_path / "watched")
    assert [line["env_steps"] for line in lines if "eval_return" in line] != []
    assert all(
        -1 <= line["eval_return"] <= 1 and line["eval_length"] == 9
        for line in lines
        if "eval_return" in line
    )
    videos = {path.name for path in (tmp_path / "watched" / "videos").iterdir()}
    assert {name.split("-")[0] for name in videos} == {"episode"}
    assert not (tmp_path / "plain" / "videos").exists()


def test_only_the_episodes_before_a_video_are_drawn(
    logdir: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    render = catch.Catch.render

    def counted(env: catch.Catch) -> Any:
        drawn.append(env)
        return render(env)

    monkeypatch.setattr(catch.Catch, "render", counted)
    tiny.train(logdir, env="zoo:Catch-v0", env_steps=2000, video_every=1000)
    # Two environments; episodes have 10 rows, and two of them are within reach of a video: at the start, 100 and 1100.
    assert 10 <= len(drawn) <= 100
    assert len(list((logdir / "videos").iterdir())) == 2


def test_a_finished_run_is_left_as_it_is(logdir: pathlib.Path) -> None:
    first = tiny.train(logdir)
    lines, steps = metrics(logdir), Checkpoints(logdir / "checkpoints").steps()
    again = tiny.train(logdir)
    assert (again.env_steps, again.updates) == (first.env_steps, first.updates)
    assert again.weight.value == first.weight.value
    assert metrics(logdir) == lines
    assert Checkpoints(logdir / "checkpoints").steps() == steps


def test_a_time_limit_saves_and_the_same_settings_go_on(
    logdir: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_NAP", "0.01")
    short = tiny.train(logdir, minutes=0.5 / 60)
    assert 0 < short.env_steps < 200
    assert Checkpoints(logdir / "checkpoints").steps()[-1] == short.env_steps
    monkeypatch.setenv("TINY_NAP", "0")
    assert tiny.train(logdir).env_steps == 200


def test_only_the_checkpoints_kept_and_their_chunks_lie_on_disk(
    logdir: pathlib.Path,
) -> None:
    agent = tiny.train(logdir, env_steps=3_000, save_every=250, keep=2)
    saves = Checkpoints(logdir / "checkpoints")
    assert saves.steps() == [2_750, 3_000]
    named = registry.chunks_kept(saves)
    there = {path.name for path in (logdir / "replay").iterdir()}
    assert there == named
    capacity, chunk = agent.config.replay_capacity, agent.replay.chunk_rows
    assert len(there) <= (capacity + 250 * 1.5) / chunk + 1
    numbers = sorted(int(name.split(".")[0]) for name in there)
    assert numbers[0] > 1_000  # old ones went


def test_a_run_works_in_a_thread_where_signals_cannot_be_caught(
    logdir: pathlib.Path,
) -> None:
    agents = []
    thread = threading.Thread(target=lambda: agents.append(tiny.train(logdir)))
    thread.start()
    thread.join()
    assert agents[0].env_steps == 200


def test_a_run_leaves_no_thread_and_gives_the_signals_back(
    logdir: pathlib.Path,
) -> None:
    threads, handler = set(threading.enumerate()), signal.getsignal(signal.SIGTERM)
    tiny.train(logdir)
    assert set(threading.enumerate()) <= threads
    assert signal.getsignal(signal.SIGTERM) == handler


def test_everything_that_was_made_is_closed_even_if_one_of_it_fails(
    logdir: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    make = training.make_envs

    def make_envs(*args: Any) -> Any:
        made = make(*args)
        really_close = made.close

        def close() -> None:
            really_close()
            closed.append(made)
            raise OSError("cannot close")

        made.close = close  # type: ignore[method-assign]
        return made

    monkeypatch.setattr(training, "make_envs", make_envs)
    threads = set(threading.enumerate())
    with pytest.raises(OSError, match="cannot close"):
        tiny.train(logdir, eval_every=50)
    assert len(closed) == 2 and set(threading.enumerate()) <= threads


def test_the_command_that_resumes_does_not_start_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = ["x.py", "--logdir=a run", "--fresh", "--entropy_scale=linear(1,0,9)"]
    monkeypatch.setattr("sys.argv", line)
    command = process.command()
    assert command.endswith(" '--logdir=a run' '--entropy_scale=linear(1,0,9)'")


def test_metrics_name_replay_and_returns(logdir: pathlib.Path) -> None:
    agent = tiny.train(logdir)
    last = metrics(logdir)[-1]
    assert last["env_steps"] == 200 and last["updates"] == agent.updates == 35
    assert last["replay_steps"] == agent.replay.num_rows
    assert {"return", "length", "loss", "replay_gb", "fps", "time"} <= last.keys()
