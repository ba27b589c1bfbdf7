"""launch.watch, and what launch.evaluate changes of an agent."""

import pytest

from agents import training


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    logdir = tmp_path_factory.mktemp("run")
    chosen = training.settings(
        "merlin", preset="debug", env="zoo:Catch-v0", logdir=str(logdir), video_every=0
    )
    training.train(chosen).close()
    return logdir


def test_the_launcher_draws_an_episode_of_a_run(run, launch, tmp_path):
    output = tmp_path / "out"
    text = launch("watch")(f"--logdir={run}", f"--output={output}")
    assert "in 9 steps" in text
    assert {path.stem for path in output.iterdir()} == {"memory"}
    assert sorted(path.suffix for path in output.iterdir())[-1] == ".png"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "who is to be watched"),
        (["--policy=dreamerv2/catch"], "has nothing to show of its inside"),
        (["--logdir=nowhere"], "nowhere"),
    ],
)
def test_the_launcher_says_what_it_cannot_watch(launch, arguments, message):
    assert message in launch("watch")(*arguments, ok=False)


def test_the_launcher_takes_them_and_refuses_unknown_ones_at_once(
    launch, run, tmp_path
):
    evaluate = launch("evaluate")
    result = tmp_path / "result.json"
    evaluate(
        f"--logdir={run}",
        "--episodes=1",
        "--agent_options=use_memory=false",
        f"--json={result}",
    )
    assert '"agent_options": "use_memory=false"' in result.read_text()
    text = evaluate(f"--logdir={run}", "--agent_options=memory=false", ok=False)
    assert "use_memory" in text
