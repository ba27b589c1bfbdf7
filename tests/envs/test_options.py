"""Options as text, and the arrays of `info` that environments declare."""

from typing import Any

import numpy as np
import pytest

import envs
from envs import EnvError
from tests.envs.rows import play, to_rows


@pytest.mark.parametrize(
    ("name", "text", "options", "spelled"),
    [
        ("zoo:Catch-v0", "", {}, ""),
        ("minigrid:MiniGrid-Empty-5x5-v0", "rgb=True", {"rgb": True}, "rgb=true"),
        (
            "dm_control:walker-walk",
            " pixels=FALSE, camera=1",
            {"pixels": False, "camera": 1},
            "camera=1,pixels=false",
        ),
        ("atari:Pong", "sticky=0", {"sticky": 0.0}, "sticky=0.0"),
        ("gym:CartPole-v1", "size=none", {"size": None}, "size=null"),
        ("gym:CartPole-v1", "size=null", {"size": None}, "size=null"),
        (
            "my_module:Mine",
            "kwargs.level=3,kwargs.map=Big,grayscale=true,kwargs.fog=false",
            {"kwargs": {"level": 3, "map": "Big", "fog": False}, "grayscale": True},
            "grayscale=true,kwargs.fog=false,kwargs.level=3,kwargs.map=Big",
        ),
    ],
)
def test_text_is_read_by_the_types_of_the_suite_and_has_one_spelling(
    name: str, text: str, options: dict[str, Any], spelled: str
) -> None:
    read = envs.parse_options(name, text)
    assert read == options
    assert [type(value) for value in read.values()] == [
        type(value) for value in options.values()
    ]
    assert envs.format_options(read) == spelled
    assert envs.parse_options(name, spelled) == read


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("zoo:Catch-v0", "size", "key=value by comma, such as .*; got 'size'"),
        ("zoo:Catch-v0", "size=", "key=value by comma"),
        ("zoo:Catch-v0", "=3", "key=value by comma"),
        ("zoo:Catch-v0", "size=3.5", r"size=3.5 came, but int \| None is expected"),
        ("zoo:Catch-v0", "size=true", "size=true came"),
        ("zoo:Catch-v0", "grayscale=1", "but true or false is expected"),
        ("zoo:Catch-v0", "grayscal=true", "did you mean 'grayscale'"),
        ("zoo:Catch-v0", "timeout_s=3", "unknown option 'timeout_s'"),
        ("zoo:Catch-v0", "size.x=3", "unknown option 'size.x'"),
        ("zoo:Catch-v0", "kwargs=3", r"write kwargs\.NAME=VALUE"),
        ("minatar:Breakout-v1", "kwargs.x=3", "unknown option 'kwargs'"),
        ("atari:Pong", "sticky=often", "sticky=often came, but float is expected"),
        ("dm_control:walker-walk", "fast_rendr=true", "did you mean 'fast_render'"),
    ],
)
def test_text_that_says_nothing_is_refused_with_what_is_expected(
    name: str, text: str, error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        envs.parse_options(name, text)


@pytest.mark.parametrize("parallel", ["sync", "process"])
def test_the_info_that_an_environment_declares_arrives_in_every_step(
    parallel: str,
) -> None:
    env = envs.make("tests.envs.rows:Events", 2, parallel=parallel, time_limit=3)
    try:
        rows = to_rows(play(env, 0, 5))
    finally:
        env.close()
    assert list(env.spaces.info) == ["steps"]
    assert rows["info/steps"].dtype == np.float32
    counted = rows["info/steps"][:, :, 0]
    np.testing.assert_array_equal(counted.T, [[0, 1, 2, 3, 0, 1]] * 2)


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ({}, r"info: got \{\}; expected the keys of info_spaces, \['steps'\]"),
        ([], r"info: got \[\]; expected the keys"),
        ({"steps": np.full(2, np.nan, np.float32)}, "info: .*'steps'.*got nan"),
        ({"steps": np.zeros(3, np.float32)}, r"info: .*shape \(3,\); expected"),
    ],
)
def test_an_info_that_is_not_as_declared_is_named(broken: Any, error: str) -> None:
    env = envs.make("tests.envs.rows:Events", kwargs={"broken": broken})
    env.reset()
    with pytest.raises(EnvError, match="env 0, step 1, last action 0: " + error):
        env.step(np.array([0]))
