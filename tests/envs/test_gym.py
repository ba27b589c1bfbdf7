"""Gymnasium environments, in this process and in others."""

from typing import Any

import gymnasium
import numpy as np
import pytest

import envs
from envs import counting
from envs.seeding import row_seeds
from tests.envs.rows import play
from tests.envs.rows import to_rows as rows


def assert_equal(left: list[envs.Step], right: list[envs.Step]) -> None:
    for key, value in rows(left).items():
        np.testing.assert_array_equal(value, rows(right)[key], err_msg=key)


@pytest.mark.parametrize("parallel", ["sync", "process"])
def test_counting_rows_are_right_in_both_modes(parallel: str) -> None:
    kwargs = {"image": True}
    env = envs.make("zoo:Counting-v0", 3, kwargs=kwargs, parallel=parallel)
    try:
        stored = rows(play(env, 5, 60))
    finally:
        env.close()
    counting.check_rows(stored)
    assert stored["is_first"].sum() > 20 and stored["is_first"][0].all()
    last = stored["discount"][stored["is_last"]]
    assert {0.0, 1.0} == set(last.tolist())
    np.testing.assert_array_equal(stored["discount"][~stored["is_last"]], 1)


@pytest.mark.parametrize(
    "name",
    [
        "gym:CartPole-v1",
        "gym:Pendulum-v1",
        "zoo:Catch-v0",
        "zoo:MemoryGame8-v0",
        "zoo:MemoryGame6Pictures-v0",
        "zoo:MemoryLength10Distractors-v0",
        "zoo:MiniGridMemory7-v0",
        "minigrid:MiniGrid-DoorKey-5x5-v0",
        "minatar:Asterix-v1",
        "minatar:Breakout-v1",
        "minatar:Freeway-v1",
        "minatar:Seaquest-v1",
        "minatar:SpaceInvaders-v1",
    ],
)
def test_one_seed_gives_one_stream_also_in_the_middle_of_a_run(name: str) -> None:
    env = envs.make(name, 2)
    first = play(env, 3, 120)
    assert_equal(first, play(env, 3, 120))
    assert_equal(first, play(envs.make(name, 2, seed=3), None, 120))
    other = play(env, 4, 120)
    assert any(
        not np.array_equal(rows(first)[key], rows(other)[key]) for key in rows(first)
    )


def test_a_process_per_row_gives_the_same_steps_as_one_process() -> None:
    env = envs.make("gym:CartPole-v1", 2, parallel="process")
    try:
        steps, picture = play(env, 3, 80), env.render()
    finally:
        env.close()
        env.close()
    assert_equal(steps, play(envs.make("gym:CartPole-v1", 2), 3, 80))
    assert picture is not None and picture.dtype == np.uint8


def test_seeds_of_rows_do_not_meet_those_of_the_neighbouring_seed() -> None:
    seeds = [seed for base in range(100) for seed in row_seeds(base, 16)]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) >= 0 and max(seeds) < 2**31
    assert row_seeds(3, 4)[:2] == row_seeds(3, 2)


def test_a_cartpole_row_says_what_the_native_environment_says() -> None:
    env = envs.make("gym:CartPole-v1")
    native = gymnasium.make("CartPole-v1")
    step, (observation, _) = env.reset(9), native.reset(seed=row_seeds(9, 1)[0])
    rng, ended, ends = np.random.default_rng(0), False, 0
    for _ in range(100):
        np.testing.assert_array_equal(step.observation["vector"][0], observation)
        action = int(rng.integers(2))
        step = env.step(np.array([action]))
        assert step.is_first[0] == ended
        if ended:
            observation, ended = native.reset()[0], False
            assert step.action[0] == step.reward[0] == 0 and step.discount[0] == 1
            continue
        observation, reward, ended, _, _ = native.step(action)
        assert (step.action[0], step.reward[0]) == (action, reward)
        assert step.is_last[0] == ended and step.discount[0] == 1 - ended
        ends += ended
    assert ends >= 2


def test_a_time_limit_truncates_and_leaves_the_discount_at_one() -> None:
    env = envs.make("gym:CartPole-v1", time_limit=5)
    steps = play(env, 0, 11)
    assert [int(step.is_last[0]) for step in steps] == [0] * 5 + [1] + [0] * 5 + [1]
    assert [int(step.is_first[0]) for step in steps][6] == 1
    assert all(step.discount[0] == 1 for step in steps)


def test_action_repeat_sums_rewards_and_counts_frames() -> None:
    one = play(envs.make("gym:Pendulum-v1"), 0, 0)[0]
    env, twice = (
        envs.make("gym:Pendulum-v1"),
        envs.make("gym:Pendulum-v1", action_repeat=2),
    )
    assert (env.frames_per_step, twice.frames_per_step) == (1, 2)
    env.reset(0)
    twice.reset(0)
    action = np.array([[0.5]], np.float32)
    single = [env.step(action) for _ in range(2)]
    double = twice.step(action)
    want = single[0].reward + single[1].reward
    np.testing.assert_allclose(double.reward, want, rtol=1e-6)
    for key, value in double.observation.items():
        np.testing.assert_array_equal(value, single[1].observation[key])
    assert one.is_first.all()


def test_an_action_repeat_ends_with_the_episode() -> None:
    env = envs.make("zoo:Counting-v0", action_repeat=100)
    env.reset(0)
    step = env.step(np.array([0]))
    counter, number = step.observation["vector"][0, [0, 2]]
    assert step.is_last[0] and counter == counting.episode_length(number)


def test_box_actions_are_rescaled_from_the_unit_cube() -> None:
    class Reach(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-9.0, 9.0, (2,), np.float64)
        action_space = gymnasium.spaces.Box(
            np.array([[-2.0, 0.0]]), np.array([[2.0, 8.0]]), dtype=np.float64
        )

        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            return np.zeros(2), {}

        def step(self, action: np.ndarray) -> Any:
            assert action.shape == (1, 2) and self.action_space.contains(action)
            return action[0], 0.0, False, False, {}

    gymnasium.register("tests/Reach-v0", Reach)
    env = envs.make("gym:tests/Reach-v0", 3)
    del gymnasium.registry["tests/Reach-v0"]
    assert env.spaces.action.shape == (2,)
    env.reset()
    step = env.step(np.array([[-1, -1], [0, 0], [1, 0.5]], np.float32))
    np.testing.assert_allclose(step.observation["vector"], [[-2, 0], [0, 4], [2, 6]])
    assert step.observation["vector"].dtype == np.float32
    for bad in ([[2, 0]] * 3, [[np.nan, 0]] * 3, [[0, 0]] * 2, [[0, 0]] * 3):
        dtype = np.float32 if bad != [[0, 0]] * 3 else np.int32
        with pytest.raises(ValueError, match="got action"):
            env.step(np.array(bad, dtype))


def test_box_actions_without_finite_bounds_are_refused() -> None:
    class Unbounded(gymnasium.Env):
        observation_space = gymnasium.spaces.Discrete(2)
        action_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,))

    gymnasium.register("tests/Unbounded-v0", Unbounded)
    try:
        with pytest.raises(ValueError, match="bounds that are not finite"):
            envs.make("gym:tests/Unbounded-v0")
    finally:
        del gymnasium.registry["tests/Unbounded-v0"]


def test_steps_are_copies_that_later_steps_leave_alone() -> None:
    class SameArray(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0, 255, (4, 4, 1), np.uint8)
        action_space = gymnasium.spaces.Discrete(2)
        board = np.zeros((4, 4, 1), np.uint8)

        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            return self.board, {}

        def step(self, action: int) -> Any:
            self.board += 1
            return self.board, 0.0, False, False, {}

    gymnasium.register("tests/SameArray-v0", SameArray)
    env = envs.make("gym:tests/SameArray-v0")
    del gymnasium.registry["tests/SameArray-v0"]
    pictures = [step.observation["image"] for step in play(env, 0, 3)]
    assert [int(picture.max()) for picture in pictures] == [0, 1, 2, 3]


def test_minigrid_shows_one_object_colour_and_state_per_cell() -> None:
    env = envs.make("minigrid:MiniGrid-Empty-5x5-v0")
    native = gymnasium.make("MiniGrid-Empty-5x5-v0")
    image = env.reset(2).observation["image"][0]
    codes = native.reset(seed=row_seeds(2, 1)[0])[0]["image"]
    assert image.shape == (7, 7, 20) and image.dtype == bool
    np.testing.assert_array_equal(image[..., :11].argmax(-1), codes[..., 0])
    np.testing.assert_array_equal(image[..., 11:17].argmax(-1), codes[..., 1])
    np.testing.assert_array_equal(image[..., 17:].argmax(-1), codes[..., 2])
    np.testing.assert_array_equal(image.sum(-1), 3)
    rgb = envs.make("minigrid:MiniGrid-Empty-5x5-v0", rgb=True).reset()
    assert rgb.observation["image"].shape == (1, 64, 64, 3)


def test_minatar_has_bool_pictures_and_its_own_or_all_actions() -> None:
    env = envs.make("minatar:Breakout-v1", 2)
    image = env.reset().observation["image"]
    assert image.shape == (2, 10, 10, 4) and image.dtype == bool
    assert env.spaces.action.n == 3
    assert envs.make("minatar:Breakout-v0").spaces.action.n == 6
    picture = env.render()
    assert picture is not None and picture.dtype == np.uint8 and picture.max() > 100


def test_a_reset_step_has_no_action_and_no_reward_and_comes_before_any_step() -> None:
    env = envs.make("zoo:Catch-v0", 2)
    with pytest.raises(RuntimeError, match="call reset first"):
        env.step(np.zeros(2, np.int32))
    step = env.reset()
    assert step.is_first.all() and not step.is_last.any()
    assert not step.action.any() and not step.reward.any() and step.discount.all()
    assert step.info == {}
