"""A resumed run equals, bit for bit, one that saved at the same step and went on."""

import json

import numpy as np
import pytest

import agents
from agents import training

NOT_REPEATED = ("time", "cpu_time", "fps", "updates_per_s")
RUNS = {
    "counting": {"env": "zoo:Counting-v0", "preset": "debug", "num_envs": 2},
    "atari": {"env": "atari:Pong", "preset": "atari_small,debug"},
}
HALF = 90


def run(logdir, name, env_steps=2 * HALF, seed=0):
    """Trains to `env_steps` with a save at every half, resuming what lies in `logdir`."""
    settings = training.settings(
        "dreamerv2",
        **RUNS[name],
        logdir=str(logdir),
        seed=seed,
        env_steps=env_steps,
        save_every=HALF,
        log_every=30,
        eval_every=60 if name == "counting" else 0,
        video_every=0,
    )
    return training.train(settings)


def lines(logdir):
    """The lines of metrics.jsonl without what depends on the clock."""
    text = (logdir / "metrics.jsonl").read_text()
    read = [json.loads(line) for line in text.splitlines()]
    return [
        {key: value for key, value in line.items() if key not in NOT_REPEATED}
        for line in read
    ]


def assert_equal_agents(one, two):
    assert (one.env_steps, one.updates) == (two.env_steps, two.updates)
    variables, others = one.variables(), two.variables()
    assert variables.keys() == others.keys()
    for name, variable in variables.items():
        np.testing.assert_array_equal(variable, others[name], err_msg=name)
    for update in (one.updates, one.updates + 1):
        batches = [agent.replay.sample((0, update), 4) for agent in (one, two)]
        assert batches[0].keys() == batches[1].keys()
        for key, value in batches[0].items():
            np.testing.assert_array_equal(value, batches[1][key], err_msg=key)


@pytest.fixture(
    scope="module",
    params=["counting", pytest.param("atari", marks=pytest.mark.slow)],
)
def runs(request, tmp_path_factory):
    """A run that went through, and one that stopped in the middle and was resumed."""
    folder = tmp_path_factory.mktemp(request.param)
    through = run(folder / "through", request.param)
    stopped = run(folder / "resumed", request.param, env_steps=HALF)
    at_half = {name: np.array(value) for name, value in stopped.variables().items()}
    resumed = run(folder / "resumed", request.param)
    return folder, through, resumed, at_half


def test_a_resumed_run_has_the_variables_counters_and_replay_of_one_that_went_on(runs):
    _, through, resumed, at_half = runs
    assert through.updates >= 8
    assert_equal_agents(through, resumed)
    moved = [
        name
        for name, value in resumed.variables().items()
        if not np.array_equal(value, at_half[name])
    ]
    assert {"encoder", "rssm", "actor", "model_optimizer", "updates"} <= {
        name.split("/")[0] for name in moved
    }


def test_a_resumed_run_logs_what_one_that_went_on_logs(runs):
    folder, *_ = runs
    through, resumed = lines(folder / "through"), lines(folder / "resumed")
    assert through == resumed
    steps = [line["env_steps"] for line in through]
    assert len(steps) >= 6
    assert steps[-1] >= 2 * HALF
    assert {"loss", "actor_ent_scale", "replay_steps"} <= through[-1].keys()


def test_the_agent_loaded_from_a_run_is_the_trained_one(runs):
    folder, through, *_ = runs
    loaded = agents.load(folder / "through", learn=True)
    assert_equal_agents(through, loaded)
    loaded.close()


@pytest.mark.parametrize("runs", ["counting"], indirect=True)
def test_another_seed_is_another_run(runs, tmp_path):
    *_, at_half = runs  # that runs of one seed are equal is shown above
    other = run(tmp_path, "counting", HALF, seed=1).variables()
    for module in ("encoder", "rssm", "actor", "critic", "model_optimizer"):
        names = [name for name in at_half if name.split("/")[0] == module]
        assert any(not np.array_equal(at_half[name], other[name]) for name in names)
