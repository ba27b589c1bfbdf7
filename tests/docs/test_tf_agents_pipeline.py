"""examples/tf_agents_pipeline.py runs from beginning to end."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_pipeline_collects_trains_evaluates_and_saves(repository, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, runpy; import agents.dreamerv2.config as c;"
            "c.PRESETS['catch'] |= c.PRESETS['debug'] | {'prefill': 60, 'pretrain': 2};"
            f"sys.argv = ['x', '--env_steps=520', '--output={tmp_path}'];"
            "runpy.run_path('examples/tf_agents_pipeline.py', run_name='__main__')",
        ],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "steps  loss" in done.stdout
    assert "greedy, 100 episodes: " in done.stdout
    assert (tmp_path / "saved_model.pb").is_file()
