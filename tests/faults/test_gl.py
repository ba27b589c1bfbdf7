"""OpenGL that is missing, turned off or wrong: a sentence for who wants pictures, nothing for who does not."""

import os
import pathlib
import subprocess
import sys

import pytest

import envs

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What a worker process does. It finds this machine's OpenGL; "missing" hides it.
PROGRAM = """
import sys
from functools import partial
from envs import gl
from envs.dm_control import ControlSuite
from envs.guard import GuardedEnv

if "missing" in sys.argv:
    gl.egl_works, gl.ctypes.util.find_library = lambda: False, lambda name: None
try:
    env = GuardedEnv(partial(ControlSuite, "cartpole-swingup", "pixels" in sys.argv))
    env.reset()
    print("made", "with" if env.render() is not None else "without", "pictures")
    env.close()
except ImportError as error:
    print(error)
"""


def make(*words: str, **variables: str) -> str:
    """Returns what a fresh process says of making the environment."""
    plain = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "DISPLAY")}
    plain.pop("PYOPENGL_PLATFORM", None)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=ROOT,
        env=plain | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    (sentence,) = done.stdout.splitlines()
    return sentence


def test_state_needs_no_opengl_and_has_no_pictures_then() -> None:
    assert make("missing") == "made without pictures"
    assert make(MUJOCO_GL="disable") == "made without pictures"


def test_the_sentence_of_a_worker_arrives_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "elg")
    with pytest.raises(ImportError, match=r"^dm_control cannot be loaded: OpenGL thr"):
        envs.make("dm_control:cartpole-swingup", 2)


def test_pictures_without_opengl_say_what_to_install_or_to_do_without() -> None:
    said = make("missing", "pixels")
    for part in ("OpenGL is missing", "apt install libegl1", "libosmesa6"):
        assert part in said
    assert said.endswith("or train from state: pixels=false")


@pytest.mark.parametrize(
    ("variables", "parts"),
    [
        ({"MUJOCO_GL": "off"}, ["MUJOCO_GL=off turns them off; unset it"]),
        ({"MUJOCO_GL": "elg"}, ["MUJOCO_GL=elg fails", "must be one of", "unset"]),
        (
            {"MUJOCO_GL": "osmesa", "PYOPENGL_PLATFORM": "egl"},
            ["MUJOCO_GL=osmesa fails", "PYOPENGL_PLATFORM", "libosmesa6 for osmesa"],
        ),
    ],
)
def test_a_wrong_choice_of_opengl_is_named(
    variables: dict[str, str], parts: list[str]
) -> None:
    said = make("pixels", **variables)
    for part in parts:
        assert part in said
