"""docs/serving.md: its client and its calls run against a server of the same interface, and act as the agent does."""

import json
import re
import shlex
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import agents
import envs
from launch import benchmark_serving, rest

URL = "http://localhost:8501/v1/models/policy:predict"


@pytest.fixture(scope="module")
def text(repository: Path) -> str:
    return (repository / "docs" / "serving.md").read_text()


@pytest.fixture(scope="module")
def agent():
    return agents.load("dreamerv2/minatar-breakout")


@pytest.fixture(scope="module")
def home(agent, tmp_path_factory):
    """A folder that has served/breakout/1."""
    folder = tmp_path_factory.mktemp("home")
    card = {"env": envs.describe("minatar:Breakout-v1")}
    agent.export(folder / "served" / "breakout" / "1", card)
    return folder


@pytest.fixture(scope="module")
def address(home):
    with rest.serving(home / "served" / "breakout" / "1") as found:
        yield found


@pytest.fixture(scope="module")
def programs(text, address):
    """The doc's two programs, which call the server that runs here."""
    client, play = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert URL in client
    return client.replace(URL, address), play


def post(address: str, body: str) -> dict:
    with urllib.request.urlopen(address, body.encode()) as reply:
        return json.load(reply)["outputs"]


@pytest.mark.parametrize(("signature", "batch"), [("greedy", 3), ("sample", 2)])
def test_the_client_acts_as_the_agent_bit_for_bit(
    agent, home, programs, address, signature, batch
):
    names: dict = {}
    exec(compile(programs[0], "serving.md", "exec"), names)
    path = home / "served" / "breakout" / "1" / "card.json"
    card = json.loads(path.read_text())
    served = names["Served"](address, card, batch=batch, seed=5)
    games = envs.make("minatar:Breakout-v1", batch)
    step, state = games.reset(seed=1), agent.initial_state(batch, seed=5)
    rng, resets, chosen = np.random.default_rng(0), 0, set()
    for _ in range(60):
        # It plays too well to lose here: rows start anew at random as well.
        step = step._replace(is_first=step.is_first | (rng.random(batch) < 0.1))
        resets += int(step.is_first.sum())
        action, state = agent.act(step, state, mode=signature)
        there = served.act(step.observation, step.reward, step.is_first, signature)
        np.testing.assert_array_equal(there, action)
        for key, value in state.items():
            value = np.asarray(value)
            found = np.asarray(served.state[card["state"][key]], value.dtype)
            np.testing.assert_array_equal(found, value, key)
        step = games.step(action)
        chosen |= set(action.tolist())
    games.close()
    assert resets > batch and len(chosen) >= 2


def test_the_programs_run_as_printed(home, programs, monkeypatch, capsys):
    monkeypatch.chdir(home)
    names: dict = {}
    for program in programs:
        exec(compile(program, "serving.md", "exec"), names)
    assert re.search(r"\d+ bricks in 100 steps of 4 games", capsys.readouterr().out)


def test_the_bodies_that_are_printed_are_calls(text, address, agent):
    (line,) = [x for x in text.splitlines() if x.startswith(f"curl {URL}")]
    state = post(address, shlex.split(line)[-1])
    start = {k: np.asarray(v) for k, v in agent.initial_state(1, seed=0).items()}
    assert {f"state_{key}" for key in start} == state.keys()
    for key, value in start.items():
        np.testing.assert_array_equal(state[f"state_{key}"], value)
    picture = np.zeros((1, 10, 10, 4), bool).tolist()
    given = {"observation_image": picture, "reward": [0.0], "is_first": [True]}
    body = json.dumps({"signature_name": "greedy", "inputs": given | state})
    printed = re.search(r"```text\n(.*?)\n→\n(.*?)```", text, re.DOTALL)
    assert printed is not None
    for shown, there in zip(
        printed.groups(), (body, json.dumps(post(address, body))), strict=True
    ):
        keys = set(re.findall(r'"(\w+)":', shown)) - {"outputs"}
        assert keys == set(re.findall(r'"(\w+)":', there))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reward": None}, "Missing named input: reward in 'inputs' object."),
        ({"reward": [True]}, "reward is not of expected type: float32"),
        ({"is_first": [1]}, "is_first is not of expected type: bool"),
        ({"state_seed": [[0.5, 0]]}, "state_seed is not of expected type: int32"),
        ({"state_seed": [[0, 0], [1]]}, "inhomogeneous"),
    ],
)
def test_a_wrong_call_gets_an_error(address, change, said):
    state = post(
        address,
        '{"signature_name": "initial_state", "inputs": {"batch": 1, "seed": 0}}',
    )
    picture = np.zeros((1, 10, 10, 4), bool).tolist()
    given = {"observation_image": picture, "reward": [0], "is_first": [True]} | state
    post(address, json.dumps({"signature_name": "sample", "inputs": given | {"x": 1}}))
    wrong = {k: v for k, v in (given | change).items() if v is not None}
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(address, json.dumps({"signature_name": "sample", "inputs": wrong}))
    assert caught.value.code == 400 and said in json.load(caught.value)["error"]


def test_an_unknown_signature_and_rows_get_an_error(address):
    for body, said in (
        ('{"inputs": {}}', "Signature 'serving_default' not found"),
        ('{"signature_name": "greedy", "instances": []}', "Missing 'inputs'"),
        ("{", "Expecting property name"),
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(address, body)
        assert said in json.load(caught.value)["error"]


def test_the_table_of_costs_is_that_of_the_measurements(repository, text):
    folder = repository / "scores" / "dreamerv2" / "serving"
    rows = json.loads((folder / "benchmark.json").read_text())
    assert all(row["suite"] == "serving" for row in rows)
    found = {row["name"]: row["value"] for row in rows}
    for preset in benchmark_serving.PRESETS:
        for batch in benchmark_serving.BATCHES:
            name = f"{preset}/batch_{batch}"
            times = (
                "in_process_wall",
                "in_process_cpu",
                "rest_wall",
                "rest_cpu",
                "json_cpu",
            )
            cells = [f"{found[f'{name}/{each}']:.1f}" for each in times]
            cells += [f"{found[f'{name}/{each}']:.0f}" for each in ("request", "reply")]
            assert f"| `{preset}` | {batch} | {' | '.join(cells)} |" in text
    run = json.loads((folder / "run.json").read_text())
    command = run["command"].partition(" --json")[0]
    assert f"`{command}`" in text


def test_every_link_of_the_page_leads_somewhere(repository, text):
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (repository / "docs" / target).exists(), target
