"""SavedModels act as the agents do, bit for bit, in processes that have only TensorFlow."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import agents
from agents import export_folder
from agents.api import Spaces, Step
from tests.agents.dummies import StatelessDummy
from tests.marks import some_slow

STEPS = 200
# Name -> agent, what it sees, its actions, settings.
KINDS = {
    "pictures": (
        "dreamerv2",
        {"image": Box(0, 255, (10, 10, 2), np.uint8)},
        Discrete(5),
        {"reward_transform": "identity"},
    ),
    "several": (
        "sac",
        {"vector": Box(-1, 1, (3,), np.float32)},
        MultiDiscrete([3, 2, 4]),
        {"estimator": "straight_through"},
    ),
    "vectors": (
        "dreamerv2",
        {"a/b": Box(-1, 1, (3,), np.float32), "board": Box(0, 1, (5, 5, 4), bool)},
        Box(-1, 1, (2,), np.float32),
        {"reward_transform": "identity"},
    ),
    "memory": (
        "merlin",
        {"image": Box(0, 255, (6, 6, 2), np.uint8)},
        Discrete(5),
        {},
    ),
    "baseline with a memory": (
        "merlin",
        {"vector": Box(-1, 1, (3,), np.float32)},
        Discrete(5),
        {"agent": "rl_mem"},
    ),
}
# Runs where this code is not on the path; -I keeps the environment out.
READER = """
import sys
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
there = dict(np.load(sys.argv[2]))
found = {}
for mode in ("greedy", "sample"):
    for batch in (1, 3):
        start = loaded.signatures["initial_state"](
            batch=tf.constant(batch), seed=tf.constant(7)
        )
        state = {name: np.asarray(value) for name, value in start.items()}
        for t in range(len(there[f"{batch}/is_first"])):
            given = {
                name.split("/")[1]: tf.constant(values[t])
                for name, values in there.items() if name.startswith(f"{batch}/")
            }
            out = loaded.signatures[mode](**given, **state)
            state = {k: v for k, v in out.items() if k != "action"}
            for name, value in out.items():
                found.setdefault(f"{mode}/{batch}/{name}", []).append(np.asarray(value))
np.savez(sys.argv[3], **found)
ours = {"agents", "layers", "estimators", "tensorflow_probability"} & set(sys.modules)
print(tf.__version__, sorted(ours))
"""


def make(kind):
    name, observation, action, overrides = KINDS[kind]
    agent = agents.make(
        name, Spaces(observation, action), preset="debug", seed=3, **overrides
    )
    # Larger weights, so that actions differ.
    for name, variable in agent.variables().items():
        if name.startswith(("actor/", "policy/")):
            variable.assign(5 * np.asarray(variable))
    return agent


def episode(agent, batch):
    """Random steps with resets at random places, [T] Steps."""
    rng = np.random.default_rng(batch)
    steps = []
    for t in range(STEPS):
        observation = {
            key: np.stack([draw(box, rng) for _ in range(batch)])
            for key, box in agent.spaces.observation.items()
        }
        is_first = (rng.random(batch) < 0.05) | (t == 0)
        reward = np.where(is_first, 0, rng.normal(size=batch)).astype(np.float32)
        nothing = np.zeros(batch, np.float32)
        steps.append(
            Step(observation, nothing, reward, nothing + 1, is_first, is_first)
        )
    return steps


def draw(box, rng):
    if box.dtype == bool:
        return rng.random(box.shape) < 0.5
    if box.dtype == np.uint8:
        return rng.integers(256, size=box.shape, dtype=np.uint8)
    return rng.uniform(-1, 1, box.shape).astype(np.float32)


@pytest.mark.parametrize(
    "kind", some_slow(KINDS, ["several", "baseline with a memory"])
)
def test_a_bare_process_acts_bit_for_bit_as_the_agent(kind, tmp_path):
    agent = make(kind)
    agent.export(tmp_path / "policy", {"note": "of a test"}, untrained=True)
    card = json.loads((tmp_path / "policy" / "card.json").read_text())
    assert card["note"] == "of a test" and card["agent"] == KINDS[kind][0]
    names, runs = card["observation"], {}
    for batch in (1, 3):
        steps = episode(agent, batch)
        for key, name in names.items():
            runs[f"{batch}/{name}"] = np.stack([s.observation[key] for s in steps])
        runs[f"{batch}/reward"] = np.stack([s.reward for s in steps])
        runs[f"{batch}/is_first"] = np.stack([s.is_first for s in steps])
    np.savez(tmp_path / "in.npz", **runs)
    command = [sys.executable, "-I", "-c", READER]
    paths = [str(tmp_path / name) for name in ("policy", "in.npz", "out.npz")]
    done = subprocess.run(
        [*command, *paths],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={
            key: os.environ[key] for key in os.environ if not key.startswith("PYTHON")
        },
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split(maxsplit=1)[1] == "[]\n"
    found = np.load(tmp_path / "out.npz")
    chosen = set()
    for mode in ("greedy", "sample"):
        for batch in (1, 3):
            state = agent.initial_state(batch, seed=7)
            for t, step in enumerate(episode(agent, batch)):
                action, state = agent.act(step, state, mode=mode)
                there = found[f"{mode}/{batch}/action"][t]
                np.testing.assert_array_equal(there, action)
                chosen |= {tuple(np.ravel(a)) for a in action}
                for key, value in state.items():
                    there = found[f"{mode}/{batch}/{card['state'][key]}"][t]
                    np.testing.assert_array_equal(there, value, key)
    assert len(chosen) >= 3


def test_the_card_names_every_input_with_shape_and_type(tmp_path):
    agent = make("vectors")
    agent.export(tmp_path, untrained=True)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["observation"] == {
        "a/b": "observation_a_b",
        "board": "observation_board",
    }
    inputs = card["inputs"]
    assert inputs["observation_a_b"] == {"shape": [None, 3], "dtype": "float32"}
    assert inputs["state_seed"] == {"shape": [None, 2], "dtype": "int32"}
    assert inputs["is_first"] == {"shape": [None], "dtype": "bool"}
    assert card["env_steps"] == 0 and "tensorflow" in card["tested_with"]


def test_keys_that_would_have_the_same_name_are_refused(tmp_path):
    boxes = {key: Box(-1, 1, (3,), np.float32) for key in ("a/b", "a_b")}
    agent = agents.make("dreamerv2", Spaces(boxes, Discrete(2)), preset="debug")
    with pytest.raises(ValueError, match="read the same"):
        agent.export(tmp_path, untrained=True)


def test_an_agent_without_a_graph_says_so(tmp_path):
    box = Box(-1, 1, (3,), np.float32)
    agent = StatelessDummy(Spaces({"vector": box}, Discrete(2)))
    with pytest.raises(ValueError, match="acts outside of TensorFlow's graphs"):
        agent.export(tmp_path, untrained=True)
    assert list(tmp_path.iterdir()) == []


def test_an_agent_that_was_never_trained_is_exported_only_where_that_is_said(tmp_path):
    agent = make("vectors")
    with pytest.raises(ValueError, match=r"dreamerv2 made no update yet.*at random"):
        agent.export(tmp_path / "policy")
    assert not (tmp_path / "policy").exists()
    agent.updates = 1
    agent.export(tmp_path / "policy")
    assert (tmp_path / "policy" / "saved_model.pb").exists()


def test_an_earlier_export_is_replaced_and_nothing_else(tmp_path):
    folder = tmp_path / "policy"
    with export_folder.replacing(folder) as draft:
        draft.mkdir()
        (draft / "card.json").write_text("old")
        (draft / "assets").mkdir()
    with export_folder.replacing(folder) as draft:
        draft.mkdir()
        (draft / "card.json").write_text("new")
        assert (folder / "card.json").read_text() == "old"
    assert [path.name for path in folder.iterdir()] == ["card.json"]
    assert (folder / "card.json").read_text() == "new"
    assert list(tmp_path.iterdir()) == [folder]  # no draft stays
    (folder / "thesis.tex").write_text("years")
    with pytest.raises(ValueError, match=r"something else than an export \(thesis.tex"):
        export_folder.check(folder)


def test_an_export_that_fails_leaves_the_earlier_one_whole(tmp_path):
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "card.json").write_text("old")
    failing = pytest.raises(OSError, match=r"cannot write \S+policy: disk full; its")
    with failing, export_folder.replacing(folder) as draft:
        draft.mkdir()
        raise OSError(28, "disk full")
    assert (folder / "card.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


def test_what_tensorflow_cannot_write_is_one_sentence(tmp_path, monkeypatch):
    def save(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "no space left on device")

    monkeypatch.setattr(tf.saved_model, "save", save)
    with pytest.raises(OSError, match=r"cannot write \S+policy: no space left"):
        make("vectors").export(tmp_path / "policy", untrained=True)


def test_a_file_in_the_way_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("file", "file/policy"):
        with pytest.raises(OSError, match=r"cannot write \S+: \S+file is a file"):
            export_folder.check(tmp_path / name)


STEPPER = """
import sys
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
state = loaded.signatures["initial_state"](batch=tf.constant(2), seed=tf.constant(7))
for t in range(20):
    out = loaded.signatures["sample"](
        observation_image=tf.constant(np.full((2, 10, 10, 2), t, np.uint8)),
        reward=tf.zeros(2), is_first=tf.fill([2], t == 0), **state)
    state = {k: v for k, v in out.items() if k != "action"}
    assert all(np.isfinite(np.asarray(v)).all() for v in state.values())
    assert ((out["action"].numpy() >= 0) & (out["action"].numpy() < 5)).all()
print(tf.__version__)
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_tensorflow_2_15_loads_and_steps_it_too(tmp_path):
    make("pictures").export(tmp_path / "policy", untrained=True)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "old"], check=True)
    python = tmp_path / "old" / "bin" / "python"
    wanted = ["tensorflow-cpu==2.15.1"]
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    done = subprocess.run(
        [python, "-I", "-c", STEPPER, tmp_path / "policy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "2.15.1\n", done.stderr[-2000:]
