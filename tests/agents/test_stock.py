"""TF-Agents' own agents in the zoo, which need a process whose tf.keras is Keras 2."""

import os
import subprocess
import sys

import pytest

CASES = "tests/agents/stock_cases.py"
CLOSED = """
import sys
import tensorflow
import agents
from agents.api import Spaces
import gymnasium, numpy as np
box = gymnasium.spaces.Box(-1, 1, (4,), np.float32)
try:
    agents.make("tf_agents_dqn", Spaces({"v": box}, gymnasium.spaces.Discrete(2)), preset="vector,debug")
except ImportError as error:
    print(error)
"""


@pytest.mark.timeout(900)
def test_stock_agents_keep_the_contract(repository):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", CASES],
        cwd=repository,
        env=os.environ | {"TF_USE_LEGACY_KERAS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    print(done.stdout[-2000:])


def test_in_a_process_with_keras_3_they_say_what_to_do():
    env = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run(
        [sys.executable, "-c", CLOSED], capture_output=True, text=True, env=env
    )
    assert "set TF_USE_LEGACY_KERAS=1 before it is" in done.stdout, done.stderr
