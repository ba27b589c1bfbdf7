"""DreamerV2 learns Catch: a few minutes on two cores."""

import subprocess
import sys

import pytest

import agents


@pytest.mark.learning
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_dreamerv2_learns_catch_where_chance_scores_minus_0_6(tmp_path, seed):
    agents.train(
        "dreamerv2",
        env="zoo:Catch-v0",
        preset="catch",
        seed=seed,
        logdir=str(tmp_path),
        video_every=0,
        eval_every=0,
    ).close()
    assert agents.evaluate(tmp_path, episodes=100)["mean"] >= 0.5
    assert agents.evaluate(tmp_path, episodes=100, mode="random")["mean"] < -0.3


@pytest.mark.learning
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_learns_as_well_in_a_tf_agents_pipeline(repository, tmp_path, seed):
    done = subprocess.run(
        [
            sys.executable,
            "examples/tf_agents_pipeline.py",
            f"--seed={seed}",
            f"--output={tmp_path}",
        ],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split("greedy, 100 episodes: ")[1].split()[0]) >= 0.5
    assert (tmp_path / "saved_model.pb").is_file()
