"""The command worked out from settings gives the same settings when it is parsed."""

import json
import shlex
import subprocess
import sys
from typing import Any

import pytest

from agents import command, config, training
from tests.faults import tiny


def content(settings: training.Settings) -> dict[str, Any]:
    return {
        "agent": settings.agent,
        "preset": settings.preset,
        "ablate": list(settings.ablate),
        "run": config.to_json(settings.run),
        "config": config.to_json(settings.config),
    }


def test_only_what_differs_from_the_preset_is_named() -> None:
    chosen = training.settings(
        "dreamerv2",
        preset="minatar",
        ablate=["no_image_gradients"],
        env="minatar:Breakout-v1",
        env_steps=50_000,
        seed=2,
        kl_scale=0.03,
        gru_norm=False,
        entropy_scale="linear(3e-3,3e-4,2e4)",
        logdir="somewhere",
        minutes=20,
    )
    said = shlex.split(command.of_run(content(chosen)))
    assert said[:3] == ["python", "-m", "launch.dreamerv2"]
    assert said[3:] == [
        "--env=minatar:Breakout-v1",
        "--preset=minatar",
        "--ablate=no_image_gradients",
        "--env_steps=50000",
        "--nogru_norm",
        "--kl_scale=0.03",
        "--entropy_scale=linear(3e-3,3e-4,2e4)",
    ]


_PARSE = """
import json, sys
from absl import flags
from launch import app, dreamerv2
from agents import config
flags.FLAGS(sys.argv)
settings = app.run_settings("dreamerv2", dreamerv2.default_preset)
print(json.dumps([config.to_json(settings.run), config.to_json(settings.config)]))
"""


@pytest.mark.parametrize("preset", ["", "crafter,debug"])
def test_a_launcher_that_parses_it_has_the_same_settings(preset: str) -> None:
    chosen = training.settings(
        "dreamerv2", preset=preset, env="zoo:Catch-v0", video_every=0, prefill=77
    )
    arguments = shlex.split(command.of_run(content(chosen)))[3:]
    done = subprocess.run(
        [sys.executable, "-c", _PARSE, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    run, agent = json.loads(done.stdout.splitlines()[-1])
    assert agent == config.to_json(chosen.config)
    del run["logdir"]
    assert run == {k: v for k, v in config.to_json(chosen.run).items() if k != "logdir"}


def test_settings_that_are_gone_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.install(monkeypatch.setattr)
    saved = content(tiny.settings("x"))
    saved["config"]["older"] = 1
    with pytest.raises(ValueError, match="unknown option 'older'"):
        command.of_run(saved)
