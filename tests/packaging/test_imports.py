"""What importing our packages does to a process, each in a fresh one."""

import json
import subprocess
import sys

import pytest

import agents

ROOMS = ("agents", "layers", "estimators", "envs", "launch")
HEAVY = {
    "tensorflow",
    "keras",
    "tf_keras",
    "tensorflow_probability",
    "matplotlib",
    "ray",
}

LIST_MODULES = """
import json, sys
import {name}
print(json.dumps(sorted({{module.partition(".")[0] for module in sys.modules}})))
"""

IMPORT_EVERYTHING = """
import importlib, pkgutil
import keras
import tensorflow as tf

import launch

for room in ("agents", "layers", "estimators", "envs"):
    package = importlib.import_module(room)
    names = [room, *(each.name for each in pkgutil.walk_packages(package.__path__, room + "."))]
    for name in names:
        importlib.import_module(name)
        assert tf.keras.layers.Layer is keras.layers.Layer, name
        assert keras.backend.backend() == "tensorflow", name
print("one keras")
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("name", ROOMS)
def test_importing_a_package_loads_nothing_heavy(name):
    loaded = json.loads(run(LIST_MODULES.format(name=name)).stdout)
    assert set(loaded) & HEAVY == set()


def test_tf_keras_stays_keras_3_after_importing_all_our_modules():
    done = run(IMPORT_EVERYTHING)
    assert done.stdout.splitlines()[-1:] == ["one keras"], done.stderr


def test_the_four_functions_are_there_and_unknown_names_are_not():
    assert {"make", "load", "train", "evaluate"} <= set(dir(agents))
    for name in ("make", "load", "train", "evaluate"):
        assert callable(getattr(agents, name))
    with pytest.raises(AttributeError, match="no attribute 'mkae'"):
        agents.mkae  # noqa: B018
