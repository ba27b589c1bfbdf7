"""MiniGrid's Memory from the room with the cue."""

import sys

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from envs.minigrid_memory import MiniGridMemory

KEY, BALL = 5, 6  # MiniGrid's object types
LEFT, RIGHT, FORWARD = 0, 1, 2
# Cells of the view, [across, ahead]: the agent looks along the second axis from [3, 6].
AT_ITS_LEFT, NORTH_END, SOUTH_END = (2, 6), (1, 6), (5, 6)


def object_at(view: np.ndarray, cell: tuple[int, int]) -> int:
    """Returns the object type in a cell of a view [7, 7, 20]."""
    return int(view[cell][:11].argmax())


def walk(
    env: MiniGridMemory, seed: int, to_the_like: bool
) -> tuple[list[float], list[np.ndarray]]:
    """Returns the rewards, and the views, of the shortest way to one of the ends; it knows only what it sees."""
    views = [env.reset(seed=seed)[0]]
    cue, rewards, ended = object_at(views[0], AT_ITS_LEFT), [], False
    while not ended:
        here = views[-1]
        at_junction = {object_at(here, each) for each in (NORTH_END, SOUTH_END)}
        action = FORWARD
        if len(views) > 1 and at_junction == {KEY, BALL}:
            is_north = (object_at(here, NORTH_END) == cue) == to_the_like
            action = LEFT if is_north else RIGHT
        view, reward, ended, truncated, _ = env.step(action)
        assert not truncated
        views.append(view)
        rewards.append(reward)
    return rewards, views


def random_return(size: int) -> tuple[float, float]:
    """Returns mean and deviation for uniform actions, from the chain over cells and directions."""
    middle, end = size // 2, size - 2
    free = {(x, y) for x in (1, 2, 3) for y in (middle - 1, middle, middle + 1)}
    free |= {(x, middle) for x in range(1, end + 1)}
    free.remove((1, middle - 1))  # the cue
    ends = {(end, middle - 1), (end, middle + 1)}
    states = [(cell, way) for cell in sorted(free) for way in range(4)]
    index = {state: i for i, state in enumerate(states)}
    chain = np.zeros((len(states), len(states) + 1))
    for (cell, way), row in zip(states, chain, strict=True):
        row[index[cell, (way + 1) % 4]] += 1 / 3
        row[index[cell, (way - 1) % 4]] += 1 / 3
        ahead = tuple(np.add(cell, [(1, 0), (0, 1), (-1, 0), (0, -1)][way]).tolist())
        to = -1 if ahead in ends else index[ahead if ahead in free else cell, way]
        row[to] += 1 / 3
    place = np.eye(len(states))[index[(1, middle), 0]]
    longest, moments = 5 * size**2, np.zeros(2)
    for number in range(1, longest + 1):
        place = place @ chain
        place, ended = place[:-1], place[-1]
        reward = 1 - 0.9 * number / longest
        moments += (
            ended / 2 * np.array([reward, reward**2])
        )  # each end is the right one
    return moments[0], np.sqrt(moments[1] - moments[0] ** 2)


@pytest.mark.parametrize("size", [7, 9, 11, 13, 15, 17, 21, 31])
def test_every_size_is_registered_and_has_the_one_hot_view_and_three_actions(
    size: int,
) -> None:
    env = envs.make(f"zoo:MiniGridMemory{size}-v0")
    image = env.reset(0).observation["image"][0]
    assert image.shape == (7, 7, 20) and image.dtype == bool
    assert env.spaces.factors == {"image": (11, 6, 3)}
    words = envs.describe(env.name)["action_meanings"]
    assert words == ["left", "right", "forward"]
    for start in np.cumsum([0, 11, 6]):
        stop = {0: 11, 11: 17, 17: 20}[int(start)]
        np.testing.assert_array_equal(image[..., start:stop].sum(-1), 1)


def test_it_passes_gymnasiums_own_checker(recwarn: object) -> None:
    check_env(MiniGridMemory(7, render_mode="rgb_array"))


@pytest.mark.parametrize(
    ("size", "steps", "value"),
    [(7, 6, 0.978), (13, 12, 0.987), (21, 20, 0.992), (31, 30, 0.994)],
)
def test_the_shortest_way_to_the_cues_like_is_right_and_to_the_other_worth_nothing(
    size: int, steps: int, value: float
) -> None:
    env, cues, arms = MiniGridMemory(size), set(), set()
    for seed in range(12):
        rewards, views = walk(env, seed, to_the_like=True)
        assert len(rewards) == steps and not any(rewards[:-1])
        assert round(rewards[-1], 3) == value
        np.testing.assert_allclose(rewards[-1], 1 - 0.9 * steps / (5 * size**2))
        rewards, again = walk(env, seed, to_the_like=False)
        assert len(rewards) == steps and not any(rewards)
        np.testing.assert_array_equal(views[-3], again[-3])
        cues.add(object_at(views[0], AT_ITS_LEFT))
        arms.add(object_at(views[-3], NORTH_END))
    assert cues == arms == {KEY, BALL}


def test_nothing_seen_at_the_junction_tells_the_cue() -> None:
    for size in (7, 9, 11, 31):
        env, cues = MiniGridMemory(size), {}
        for seed in range(30):
            _, views = walk(env, seed, to_the_like=True)
            cue = object_at(views[0], AT_ITS_LEFT)
            cues.setdefault(views[-3].tobytes(), set()).add(cue)
        assert list(cues.values()) == [{KEY, BALL}] * 2


@pytest.mark.parametrize(("size", "objects"), [(7, 3), (9, 3), (11, 2), (13, 2)])
def test_a_look_back_from_the_junction_shows_the_cue_up_to_size_9_alone(
    size: int, objects: int
) -> None:
    env = MiniGridMemory(size)
    first = env.reset(seed=0)[0]
    for action in [FORWARD] * (size - 3) + [LEFT, LEFT]:
        view = env.step(action)[0]
    kinds = [np.isin(each[..., :11].argmax(-1), (KEY, BALL)) for each in (view, first)]
    assert [kind.sum() for kind in kinds] == [objects, 3 if objects == 3 else 1]


def test_uniform_actions_return_what_the_chain_over_cells_says() -> None:
    means = {size: random_return(size) for size in (7, 13, 21)}
    want = {7: (0.178, 0.306), 13: (0.178, 0.295), 21: (0.192, 0.300)}
    for size, numbers in want.items():
        np.testing.assert_allclose(means[size], numbers, atol=6e-4)

    env, rng, returns = MiniGridMemory(7), np.random.default_rng(0), []
    env.reset(seed=0)
    for _ in range(60):
        env.reset()
        ended = False
        while not ended:
            _, reward, terminated, truncated, _ = env.step(int(rng.integers(3)))
            ended = terminated or truncated
        returns.append(reward)
    mean, deviation = means[7]
    assert abs(np.mean(returns) - mean) < 4 * deviation / np.sqrt(60)


def test_turning_on_the_spot_is_truncated_after_five_times_the_area() -> None:
    env = envs.make("zoo:MiniGridMemory7-v0")
    step, steps = env.reset(0), 0
    while not step.is_last[0]:
        step, steps = env.step(np.array([LEFT])), steps + 1
    assert steps == 5 * 7**2 and step.discount[0] == 1 and step.reward[0] == 0


def test_the_picture_is_of_the_whole_grid_and_of_about_the_same_size_for_all() -> None:
    for size in (7, 13, 31):
        env = MiniGridMemory(size, render_mode="rgb_array")
        env.reset(seed=0)
        picture = env.render()
        assert picture.shape == (416 // size * size, 416 // size * size, 3)
        assert picture.dtype == np.uint8
    assert MiniGridMemory(7).render() is None


@pytest.mark.parametrize("size", [5, 8])
def test_a_size_without_a_middle_or_a_corridor_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=rf"size={size} came.*odd number of at least"):
        MiniGridMemory(size)


def test_without_minigrid_its_name_is_refused_with_the_extra_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("minigrid", "minigrid.envs"):
        monkeypatch.setitem(sys.modules, module, None)
    for ask in (envs.make, envs.check_name):
        with pytest.raises(ImportError, match=r"pip install .*\[minigrid\]"):
            ask("zoo:MiniGridMemory13-v0")
