"""Environments that are vectorised already: gymnasium's VectorEnv and games with a reset mask."""

import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import envs
from envs import EnvError, counting
from envs.api import Spaces
from envs.counting import Counting, CountingGame
from envs.reset_mask import ResetMaskEnvs, Turn
from envs.vector import GymVectorEnvs
from tests.envs.rows import play_rows


def counting_vector(
    num_envs: int, mode: AutoresetMode = AutoresetMode.NEXT_STEP
) -> SyncVectorEnv:
    return SyncVectorEnv([Counting] * num_envs, autoreset_mode=mode)


def test_a_gymnasium_vector_environment_gives_the_same_steps_as_its_parts() -> None:
    rows = play_rows(GymVectorEnvs("here:counting_vector", counting_vector(3)), 3, 60)
    counting.check_rows(rows)
    for key, value in play_rows(envs.make("zoo:Counting-v0", 3), 3, 60).items():
        np.testing.assert_array_equal(rows[key], value, err_msg=key)


def test_a_module_may_name_a_factory_of_vector_environments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    source = (
        "from gymnasium.vector import SyncVectorEnv\n"
        "from envs.counting import Counting\n"
        "def make(num_envs, image): return SyncVectorEnv([lambda: Counting(image)] * num_envs)\n"
    )
    (tmp_path / "factory_in_the_current_directory.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    name = "factory_in_the_current_directory:make"
    env = envs.make(name, 2, kwargs={"image": True}, size=None)
    counting.check_rows(play_rows(env, 0, 30))
    assert env.name == name
    with pytest.raises(ValueError, match="makes all its rows itself"):
        envs.make(name, 2, kwargs={"image": True}, parallel="process")
    with pytest.raises(TypeError, match="unknown option 'time_limit'"):
        envs.make(name, 2, kwargs={"image": True}, time_limit=3)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
def test_other_autoreset_modes_are_refused(mode: AutoresetMode) -> None:
    with pytest.raises(ValueError, match=r"expected AutoresetMode\.NEXT_STEP"):
        GymVectorEnvs("here:counting_vector", counting_vector(2, mode))


class Faulty(SyncVectorEnv):
    """Replaces one of the five values that step returns."""

    def __init__(self, index: int, value: Any):
        super().__init__([lambda: gymnasium.make("CartPole-v1")] * 2)
        self.fault = (index, value)

    def step(self, actions: Any) -> Any:
        if self.fault[0] < 0:
            raise KeyError("the cause")
        result = list(super().step(actions))
        result[self.fault[0]] = self.fault[1]
        return tuple(result)


@pytest.mark.parametrize(
    ("index", "value", "text"),
    [
        (0, np.full((2, 4), np.nan, np.float32), r"got nan at index \[0, 0\]"),
        (0, np.zeros((3, 4), np.float32), r"shape \(3, 4\); expected float32 and \(2"),
        (1, np.array([0.0, np.inf]), "reward: got inf in env 1"),
        (1, np.array([0.0]), r"reward: got dtype float64 and shape \(1,\)"),
        (2, np.array([0, 1]), "terminated: got dtype int64"),
        (-1, None, r"step raised(.|\n)*the cause"),
    ],
)
def test_a_broken_vector_environment_is_named(
    index: int, value: Any, text: str
) -> None:
    env = GymVectorEnvs("here:Faulty", Faulty(index, value))
    env.reset()
    with pytest.raises(EnvError, match="here:Faulty, step 1: (.|\n)*" + text):
        env.step(np.zeros(2, np.int32))
    env.close()
    env.close()


class Cheat(CountingGame):
    """Breaks one rule of the reset-mask protocol after the first step."""

    def __init__(self, **changes: Any):
        super().__init__(num_envs=2)
        self._changes = changes

    def step(self, action: np.ndarray, reset_mask: np.ndarray) -> Turn:
        return super().step(action, reset_mask)._replace(**self._changes)


TRUE, FALSE = np.ones(2, bool), np.zeros(2, bool)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"is_first": TRUE}, "row 0: a row with is_first must have no reward"),
        ({"reward": np.array([0, np.nan])}, "reward: got .*nan"),
        ({"reward": np.zeros(3)}, r"finite numbers of shape \(2,\)"),
        ({"terminated": np.zeros(2)}, r"terminated: got .*expected bool of shape"),
        ({"observation": {}}, r"observation: got \[\]; expected the keys \['vector'\]"),
        ({"info": {}}, r"info: got \[\]; expected the keys \['counter'\]"),
        ({"observation": {"vector": np.zeros((2, 4), np.float32)}}, "expected float32"),
        ({"observation": {"vector": -np.ones((2, 3), np.float32)}}, "values inside"),
    ],
)
def test_a_game_that_breaks_its_protocol_is_named(changes: dict, text: str) -> None:
    env = ResetMaskEnvs("here:Cheat", Cheat(**changes))
    env.reset(20)
    with pytest.raises(EnvError, match="here:Cheat, step [12]: .*" + text):
        for _ in range(2):
            env.step(np.zeros(2, np.int32))


def test_a_player_that_vanishes_in_mid_episode_is_named() -> None:
    class Vanishing(CountingGame):
        def step(self, action: np.ndarray, reset_mask: np.ndarray) -> Turn:
            turn = super().step(action, reset_mask)
            if self._vector[0, 0] < 2:
                return turn
            return turn._replace(is_first=TRUE, reward=np.zeros(2))

    env = ResetMaskEnvs("here:Vanishing", Vanishing(num_envs=2, longest=1000))
    env.reset(20)
    env.step(np.zeros(2, np.int32))
    with pytest.raises(EnvError, match="row 0: only reset or waiting rows may have"):
        env.step(np.zeros(2, np.int32))


def test_a_game_that_does_not_reset_when_asked_is_named() -> None:
    class Forgetful(CountingGame):
        def step(self, action: np.ndarray, reset_mask: np.ndarray) -> Turn:
            return super().step(action, FALSE)

    env = ResetMaskEnvs("here:Forgetful", Forgetful(num_envs=2))
    env.reset(0)
    with pytest.raises(EnvError, match="reset mask must come back with is_first"):
        for _ in range(12):
            env.step(np.zeros(2, np.int32))


def test_a_game_that_raises_arrives_with_its_traceback_and_bad_actions_never_reach_it() -> (
    None
):
    class Raises(CountingGame):
        def step(self, action: np.ndarray, reset_mask: np.ndarray) -> Turn:
            raise KeyError("the cause")

    env = ResetMaskEnvs("here:Raises", Raises(num_envs=2))
    env.reset()
    with pytest.raises(EnvError, match=r"step 1: step raised(.|\n)*the cause"):
        env.step(np.zeros(2, np.int32))
    with pytest.raises(ValueError, match="got action 4 in row 1"):
        env.step(np.array([0, 4]))
    assert env.render() is None
    env.close()


def test_a_factory_that_takes_num_envs_must_return_rows() -> None:
    with pytest.raises(ValueError, match="made 1 rows; expected 2"):
        envs.make("tests.envs.rows:one_row", 2)
    with pytest.raises(TypeError, match="takes kwargs alone"):
        envs.make("envs.counting:CountingGame", 2, size=64)


def test_spaces_survive_json() -> None:
    for name in ("zoo:Counting-v0", "gym:Pendulum-v1", "minatar:Breakout-v1"):
        spaces = envs.make(name).spaces
        assert Spaces.from_json(spaces.to_json()) == spaces
