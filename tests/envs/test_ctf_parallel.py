"""Capture the flag as a pettingzoo ParallelEnv."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

import envs
from envs.ctf_parallel import CaptureTheFlag
from envs.ctf_rules import EVENTS
from tests.envs.rows import play_rows

NAME = "envs.ctf_parallel:CaptureTheFlag"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "settings", [{}, {"team_size": 3, "factored": True}, {"rgb": True, "size": 11}]
)
def test_it_passes_the_tests_of_pettingzoo(settings: dict[str, Any]) -> None:
    parallel_api_test(CaptureTheFlag(length=30, **settings), num_cycles=70)
    parallel_seed_test(lambda: CaptureTheFlag(length=40, **settings), num_cycles=30)


@pytest.mark.parametrize(
    ("preset", "options", "num_envs"),
    [
        ("small", {"length": 40, "win_reward": True}, 8),
        ("medium", {"length": 30, "team_size": 1, "factored": True}, 6),
        ("large", {"length": 20, "team_size": 4, "rgb": True}, 8),
    ],
)
def test_its_rows_are_those_of_the_vectorised_game(
    preset: str, options: dict[str, Any], num_envs: int
) -> None:
    fast = play_rows(envs.make(f"ctf:{preset}", num_envs, **options), 7, 70)
    kwargs = options | {"preset": preset}
    plain = envs.make(NAME, num_envs, kwargs=kwargs, size=None)
    assert plain.spaces == envs.make(f"ctf:{preset}", num_envs, **options).spaces
    for key, value in play_rows(plain, 7, 70).items():
        np.testing.assert_array_equal(fast[key], value, err_msg=key)
        assert fast[key].dtype == value.dtype
    assert fast["is_last"].any()


def test_agents_have_teams_and_events_that_are_whole_numbers() -> None:
    env = CaptureTheFlag(team_size=2)
    assert env.teams == {"blue_1": 0, "blue_2": 0, "red_1": 1, "red_2": 1}
    assert env.event_names == EVENTS
    infos = env.reset(seed=0)[1]
    assert infos["red_2"]["events"].shape == (13,)
    assert infos["red_2"]["events"].dtype.kind == "i"


def test_without_seed_the_stream_goes_on_and_a_first_game_is_any() -> None:
    one, other = CaptureTheFlag("large"), CaptureTheFlag("large")
    first = [env.reset(seed=3)[0]["blue_1"]["image"] for env in (one, other)]
    again = [env.reset()[0]["blue_1"]["image"] for env in (one, other)]
    np.testing.assert_array_equal(*first)
    np.testing.assert_array_equal(*again)
    games = [CaptureTheFlag("large") for _ in range(6)]
    for env in games:
        env.reset()
    assert len({str(sorted(env._game.walls)) for env in games}) > 1


def test_it_draws_where_it_is_asked_to_and_the_picture_is_that_of_the_fast_game() -> (
    None
):
    env = CaptureTheFlag("small", "rgb_array")
    assert env.render() is None
    assert CaptureTheFlag().render() is None
    fast: Any = envs.make("ctf:small", 4)
    plain = envs.make(NAME, 4, kwargs={"render_mode": "rgb_array"})
    fast.reset(4)
    plain.reset(4)
    rng = np.random.default_rng(1)
    for _ in range(60):
        action = rng.choice([1, 1, 3, 4, 6, 7], 4)
        fast.step(action)
        plain.step(action)
    assert len(fast.game._told) > 0
    np.testing.assert_array_equal(fast.render(), plain.render())


def test_wrong_use_is_answered_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="preset='smal' came; expected one of"):
        CaptureTheFlag("smal")
    with pytest.raises(RuntimeError, match="step before reset"):
        CaptureTheFlag().step({})


WITHOUT = """
import sys
sys.modules["pettingzoo"] = None
import envs
made = envs.make("ctf:small", 4)
made.reset()
try:
    envs.make("envs.ctf_parallel:CaptureTheFlag", 4)
except ImportError as error:
    print(error)
"""


def test_the_suite_works_without_pettingzoo_and_the_class_says_what_is_missing() -> (
    None
):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=120
    )
    assert "pip install 'latent-agent-zoo[multiplayer]'" in done.stdout, done.stderr
