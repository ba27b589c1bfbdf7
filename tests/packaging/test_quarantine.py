"""TF-Agents is in one file; without it everything else works, and what needs it says so."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

from tests.marks import some_slow

BRIDGE = "agents/tf_agents.py"
WRAPPERS = {"agents/tf_agents_dqn/agent.py", "agents/tf_agents_ppo/agent.py"}
ROOMS = ("agents", "layers", "estimators", "envs", "launch")

BLOCK = """
import importlib.abc, importlib.metadata, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tf_agents":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
known = importlib.metadata.version

def version(name):
    if name == "tf-agents" and VERSION is None:
        raise importlib.metadata.PackageNotFoundError(name)
    return VERSION if name == "tf-agents" else known(name)

importlib.metadata.version = version
"""

EVERYTHING = """
import importlib, pathlib, pkgutil, subprocess, sys, tempfile
from absl import flags
count = 0
for room in ("agents", "layers", "estimators", "envs"):
    package = importlib.import_module(room)
    for each in pkgutil.walk_packages(package.__path__, room + "."):
        if each.name != "agents.tf_agents":
            importlib.import_module(each.name)
            count += 1
import agents
folder = pathlib.Path(tempfile.mkdtemp())
agent = agents.train(
    "dreamerv2", env="zoo:Catch-v0", preset="catch,debug", env_steps=300,
    logdir=str(folder / "run"), eval_episodes=1,
)
agent.export(folder / "export")
agent.close()
result = agents.evaluate(folder / "run", episodes=2)
print("works", count > 80, agent.updates > 0, len(result["returns"]))
assert not any(name.partition(".")[0] == "tf_agents" for name in sys.modules)
"""

BRIDGE_ALONE = """
try:
    import agents.tf_agents
except ImportError as error:
    print(error)
"""


def imports(path: pathlib.Path) -> set[str]:
    """The modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def run(code: str, version: str | None, folder: pathlib.Path) -> str:
    env = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run(
        [sys.executable, "-c", f"VERSION = {version!r}\n{BLOCK}\n{code}"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_one_file_imports_tf_agents_and_two_use_it_lazily(repository):
    users, through = set(), set()
    for room in ROOMS:
        for path in (repository / room).rglob("*.py"):
            name = path.relative_to(repository).as_posix()
            found = imports(path)
            if any(each.partition(".")[0] == "tf_agents" for each in found):
                users.add(name)
            if any(
                each.startswith("agents.tf_agents.") or each == "agents.tf_agents"
                for each in found
            ):
                through.add(name)
    assert users == {BRIDGE}
    assert through == WRAPPERS


@pytest.mark.timeout(600)
def test_without_tf_agents_the_rest_works(repository):
    assert "works True True 2" in run(EVERYTHING, None, repository)


def test_its_absence_is_said_with_what_to_do(repository):
    text = run(BRIDGE_ALONE, None, repository)
    assert text.startswith("TF-Agents is not installed: install the extra")
    assert "pip install --no-deps tf-agents==0.19.0" in text


def test_another_version_is_refused(repository):
    text = run(BRIDGE_ALONE, "0.16.0", repository)
    assert text.startswith("TF-Agents 0.16.0 is installed, but 0.19 or 0.20 is")


def test_a_broken_installation_names_what_is_missing(repository):
    text = run(BRIDGE_ALONE, "0.19.0", repository)
    assert "TF-Agents 0.19.0 cannot be imported (No module named 'tf_agents')" in text


@pytest.mark.parametrize(
    "launcher", some_slow(["tf_agents_dqn", "tf_agents_ppo"], ["tf_agents_ppo"])
)
def test_the_launchers_say_it_in_one_line(launcher, repository, tmp_path):
    script = (
        "import sys, runpy\n"
        f"sys.argv = ['{launcher}', '--env=gym:CartPole-v1', '--preset=vector,debug', '--logdir={tmp_path}']\n"
        f"runpy.run_module('launch.{launcher}', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"VERSION = None\n{BLOCK}\n{script}"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "error: TF-Agents is not installed: install the extra" in done.stderr
    assert "Traceback" not in done.stderr
