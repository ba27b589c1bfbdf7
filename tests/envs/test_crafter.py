"""Crafter behind gymnasium's interface."""

from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from envs import crafter
from tests.envs.rows import random_action, to_rows

HEALTH = 9


@pytest.fixture
def meadow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes worlds of grass alone, which takes no time."""

    def grow(world: Any, player: Any) -> None:
        for place in np.ndindex(*world.area):
            world[place] = "grass"

    monkeypatch.setattr(crafter._load().env.worldgen, "generate_world", grow)


def play(env: envs.VectorEnv, steps: int, watched: bool = False) -> list[envs.Step]:
    """Steps at random from seed 1 until an episode ends; a watched one is rendered now and then."""
    rng = np.random.default_rng(1)
    made = [env.reset(1)]
    while len(made) <= steps and not made[-1].is_last[0]:
        made.append(env.step(random_action(env, rng)))
        if watched and len(made) % 10 == 0:
            env.render()
    return made


def test_an_episode_ends_by_death_and_returns_its_achievements_and_lost_health() -> (
    None
):
    env = envs.make("crafter:Crafter")
    steps = play(env, 1000)
    rows = to_rows(steps)
    assert rows["observation/image"].shape[1:] == (1, 64, 64, 3)
    unlocked = rows["info/achievements"][:, 0]
    assert unlocked.shape[1:] == (22,) and not unlocked[0].any()
    assert (np.diff(unlocked.astype(int), axis=0) >= 0).all()
    new = np.diff(unlocked.astype(int), axis=0).any(1).sum()
    assert rows["is_last"][-1] and rows["discount"][-1] == 0 and new >= 1
    health = rows["reward"].sum() - new
    np.testing.assert_allclose(health, -HEALTH / 10, atol=0.11)  # it may fall below 0


def test_one_seed_gives_one_stream_also_when_it_is_watched() -> None:
    env = envs.make("crafter:Crafter")
    first = to_rows(play(env, 100))
    for key, value in to_rows(play(env, 100, watched=True)).items():
        np.testing.assert_array_equal(value, first[key], err_msg=key)
    picture: Any = env.render()
    assert picture.shape == (252, 252, 3) and picture.dtype == np.uint8


def test_creatures_are_counted_in_the_order_of_their_birth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = crafter.Crafter()
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(
            crafter._load().Env,
            "_balance_object",
            lambda self, chunk, creatures, *rest: seen.append(creatures),
        )
        env.reset(seed=0)
        for _ in range(10):
            env.step(0)
    world = env._env._world
    born = {id(each): place for place, each in enumerate(world.objects)}
    assert max(len(creatures) for creatures in seen) > 1
    for creatures in seen:
        places = [born[id(each)] for each in creatures]
        assert places == sorted(places)
    assert sum(len(creatures) for creatures in seen) == 3 * len(world.objects)


def test_without_reward_there_is_none_and_a_long_episode_is_cut(meadow: None) -> None:
    env = crafter.Crafter(reward=False)
    env.reset(seed=0)
    env._env._length = 3
    ends = []
    for _ in range(3):
        _, reward, terminated, truncated, _ = env.step(5)
        ends.append((reward, terminated, truncated))
    assert ends == [(0, False, False)] * 2 + [(0, False, True)]
    assert envs.make("crafter:CrafterNoReward").spaces.action.n == 17


def test_the_score_is_the_geometric_mean_of_success_rates_plus_one() -> None:
    assert tuple(sorted(crafter.ACHIEVEMENTS)) == crafter.ACHIEVEMENTS
    known = crafter._load().constants.achievements
    assert tuple(known) == crafter.ACHIEVEMENTS
    everything = np.ones((3, 22), bool)
    np.testing.assert_allclose(crafter.score(everything), 100)
    np.testing.assert_allclose(crafter.score(~everything), 0)
    half = np.zeros((4, 22), bool)
    half[:2, :11] = True  # 50 % of episodes, half of the achievements
    np.testing.assert_allclose(crafter.score(half), np.sqrt(51) - 1)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_adapter_passes_gymnasiums_own_checker(meadow: None) -> None:
    check_env(crafter.Crafter())
