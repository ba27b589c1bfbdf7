"""What the READMEs show runs, and every metric they should explain is explained."""

import json
import re

import pytest

from agents import training


def python_blocks(path):
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


def test_the_python_example_runs_as_printed(repository, tmp_path, monkeypatch):
    import agents

    monkeypatch.chdir(tmp_path)
    (example,) = python_blocks(repository / "README.md")
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["agent"].updates > 0
    assert agents.load("my_agent").env_steps >= 400
    names["agent"].close()


def test_every_launcher_that_the_readme_names_exists(repository):
    commands = re.findall(
        r"python -m (launch\.\w+)", (repository / "README.md").read_text()
    )
    assert len(set(commands)) >= 4
    for name in commands:
        assert (repository / (name.replace(".", "/") + ".py")).is_file(), name


def test_every_link_of_the_readme_leads_somewhere(repository):
    for target in re.findall(r"\]\(([^)#]+)\)", (repository / "README.md").read_text()):
        if not target.startswith("http"):
            assert (repository / target).exists(), target


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    logdir = tmp_path_factory.mktemp("run")
    chosen = training.settings(
        "dreamerv2",
        preset="debug",
        env="zoo:Catch-v0",
        logdir=str(logdir),
        env_steps=200,
        actor_grad="both",
        eval_every=150,
    )
    training.train(chosen).close()
    return logdir


@pytest.fixture(scope="module")
def keys(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return {key for line in lines for key in json.loads(line)}


@pytest.fixture(scope="module")
def explained(repository):
    """The first and the second column of the README's table of metrics."""
    text = (repository / "agents" / "dreamerv2" / "README.md").read_text()
    section = text.split("## metrics.jsonl")[1].split("\n## ")[0]
    return re.findall(r"^\| (`.*?`) \| (.*) \|$", section, re.MULTILINE)


def test_every_key_of_metrics_jsonl_is_explained_in_the_agents_readme(keys, explained):
    assert {"eval_return", "open_loop_error", "actor_grad_mix"} <= keys
    known = {
        each for row in explained for each in re.findall(r"`(\w+)`", " ".join(row))
    }
    assert keys - known == set()


def test_every_metric_explained_there_is_logged(keys, explained):
    named = {each for first, _ in explained for each in re.findall(r"`(\w+)`", first)}
    assert len(named) > 30
    assert named - keys == {"KEY_loss"}
