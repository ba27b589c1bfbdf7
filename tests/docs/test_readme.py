"""What the READMEs show runs, and every metric they should explain is explained."""

import json
import re

import pytest

from agents import training
from tests.marks import some_slow


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


# Agent -> settings of its run, metrics among those logged, and names in its table that stand for others.
AGENTS = {
    "dreamerv2": (
        {"env_steps": 200, "actor_grad": "both", "eval_every": 150},
        {"eval_return", "open_loop_error", "actor_grad_mix"},
        {"KEY_loss"},
    ),
    "ftw": (
        {
            "env_steps": 800,
            "env": "ctf:small",
            "env_options": "length=50",
            "save_every": 800,
            "population": 2,
        },
        {"return", "kl", "pixel_loss", "elo"},
        {"lag"},
    ),
    "impala": ({"env_steps": 80}, {"eval_return", "importance"}, {"lag"}),
    "merlin": (
        {"env_steps": 80},
        {"eval_return", "image_error", "watched_value_error"},
        {"KEY_error"},
    ),
    "sac": (
        {"env_steps": 80, "estimator": "gumbel_softmax"},
        {"eval_return", "temperature"},
        set(),
    ),
}


@pytest.fixture(
    scope="module", params=some_slow(AGENTS, ["ftw", "merlin", "dreamerv2"])
)
def agent(request):
    return request.param


@pytest.fixture(scope="module")
def run(agent, tmp_path_factory):
    logdir = tmp_path_factory.mktemp("run")
    chosen = training.settings(
        agent,
        preset="debug",
        logdir=str(logdir),
        **{"env": "zoo:Catch-v0"} | AGENTS[agent][0],
    )
    training.train(chosen).close()
    return logdir


@pytest.fixture(scope="module")
def keys(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    found = {key for line in lines for key in json.loads(line)}
    # Of a population's members, and of the numbers of a vector.
    of_members = {re.sub(r"^member\d+/", "", key) for key in found}
    return {re.sub(r"_\d+$", "_N", key) for key in of_members}


@pytest.fixture(scope="module")
def explained(agent, repository):
    """The first and the second column of the README's table of metrics."""
    text = (repository / "agents" / agent / "README.md").read_text()
    section = text.split("## metrics.jsonl")[1].split("\n## ")[0]
    return re.findall(r"^\| (`.*?`) \| (.*) \|$", section, re.MULTILINE)


def test_every_key_of_metrics_jsonl_is_explained_in_the_agents_readme(
    agent, keys, explained
):
    assert AGENTS[agent][1] <= keys
    known = {
        each for row in explained for each in re.findall(r"`(\w+)`", " ".join(row))
    }
    assert keys - known == set()


def test_every_metric_explained_there_is_logged(agent, keys, explained):
    named = {each for first, _ in explained for each in re.findall(r"`(\w+)`", first)}
    assert len(named) > 20
    assert named - keys == AGENTS[agent][2]
