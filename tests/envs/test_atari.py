"""Atari: the library's facts that we rely on, and what we make of them."""

import ale_py
import gymnasium
import numpy as np
import pytest

import envs
from envs.atari import TWO_PLAYER_ONLY, find_rom
from tests.envs.rows import play

ATARI57 = [
    "Alien",
    "Amidar",
    "Assault",
    "Asterix",
    "Asteroids",
    "Atlantis",
    "BankHeist",
    "BattleZone",
    "BeamRider",
    "Berzerk",
    "Bowling",
    "Boxing",
    "Breakout",
    "Centipede",
    "ChopperCommand",
    "CrazyClimber",
    "Defender",
    "DemonAttack",
    "DoubleDunk",
    "Enduro",
    "FishingDerby",
    "Freeway",
    "Frostbite",
    "Gopher",
    "Gravitar",
    "Hero",
    "IceHockey",
    "Jamesbond",
    "Kangaroo",
    "Krull",
    "KungFuMaster",
    "MontezumaRevenge",
    "MsPacman",
    "NameThisGame",
    "Phoenix",
    "Pitfall",
    "Pong",
    "PrivateEye",
    "Qbert",
    "Riverraid",
    "RoadRunner",
    "Robotank",
    "Seaquest",
    "Skiing",
    "Solaris",
    "SpaceInvaders",
    "StarGunner",
    "Surround",
    "Tennis",
    "TimePilot",
    "Tutankham",
    "UpNDown",
    "Venture",
    "VideoPinball",
    "WizardOfWor",
    "YarsRevenge",
    "Zaxxon",
]


def equal(left: list[envs.Step], right: list[envs.Step]) -> bool:
    return all(
        np.array_equal(a.observation["image"], b.observation["image"])
        and np.array_equal(a.reward, b.reward)
        and np.array_equal(a.is_last, b.is_last)
        for a, b in zip(left, right, strict=True)
    )


def native_pong() -> gymnasium.Env:
    gymnasium.register_envs(ale_py)
    return gymnasium.make("ALE/Pong-v5", frameskip=1, repeat_action_probability=0.0)


def area_weights(pixels: int, cells: int) -> np.ndarray:
    """Returns [cells, pixels]: the share of each pixel in each cell's mean."""
    edges = np.linspace(0, pixels, cells + 1)
    start, stop = edges[:-1, None], edges[1:, None]
    pixel = np.arange(pixels)[None]
    overlap = np.minimum(stop, pixel + 1) - np.maximum(start, pixel)
    return np.clip(overlap, 0, None) / (pixels / cells)


def test_pong_has_six_actions_of_its_own_and_eighteen_in_all() -> None:
    own = native_pong().action_space.n
    env, full = envs.make("atari:Pong"), envs.make("atari:Pong", full_action_space=True)
    assert (env.spaces.action.n, full.spaces.action.n) == (own, 18) == (6, 18)


def test_steps_have_one_gray_picture_channels_last_and_our_dtypes() -> None:
    env = envs.make("atari:Pong", 3)
    assert env.frames_per_step == 4 and env.name == "atari:Pong"
    step = play(env, 0, 2)[-1]
    assert step.observation["image"].shape == (3, 64, 64, 1)
    assert step.observation["image"].dtype == np.uint8
    dtypes = [np.int32, np.float32, np.float32, bool, bool]
    assert [each.dtype for each in step[1:6]] == dtypes
    rgb = envs.make("atari:Pong", grayscale=False, size=96)
    assert rgb.reset().observation["image"].shape == (1, 96, 96, 3)
    picture = rgb.render()
    assert picture is not None and picture.dtype == np.uint8 and picture.shape[2] == 3


def test_the_pictures_are_area_means_of_the_brighter_of_the_last_two_frames() -> None:
    native = native_pong()
    native.reset()
    screen = native.unwrapped.ale.getScreenGrayscale
    env = envs.make("atari:Pong", sticky=0.0, noop_max=0)
    env.reset()
    rows, columns = area_weights(210, 64), area_weights(160, 64)
    for action in np.random.default_rng(0).integers(0, 6, 60):
        frames, rewards = [], 0.0
        for _ in range(4):
            rewards += native.step(action)[1]
            frames.append(screen().astype(float))
        want = rows @ np.maximum(*frames[-2:]) @ columns.T
        step = env.step(np.array([action]))
        np.testing.assert_array_equal(
            step.observation["image"][0, ..., 0], want.round()
        )
        assert step.reward[0] == rewards


@pytest.mark.parametrize("noop_max", [0, 30])
def test_the_frame_cap_counts_frames_after_the_no_op_start_and_truncates(
    noop_max: int,
) -> None:
    env = envs.make("atari:Freeway", 2, max_frames=400, noop_max=noop_max)
    env.reset(seed=3)
    for step_number in range(1, 102):
        step = env.step(np.zeros(2, np.int32))
        assert step.is_last.all() == (step_number == 100)
        assert step.is_first.all() == (step_number == 101)
        np.testing.assert_array_equal(step.discount, 1)


def test_a_game_that_ends_has_discount_zero_and_the_next_row_is_a_reset() -> None:
    env = envs.make("atari:Breakout", 2)
    steps = play(env, 1, 400)
    ends = [
        (t, row) for t, step in enumerate(steps) for row in np.flatnonzero(step.is_last)
    ]
    assert len(ends) >= 2
    for t, row in ends:
        assert steps[t].discount[row] == 0
        if t + 1 < len(steps):
            following = steps[t + 1]
            assert following.is_first[row] and not following.is_last[row]
            assert following.action[row] == following.reward[row] == 0
            assert following.discount[row] == 1
    assert sum(step.is_first.sum() for step in steps) == 2 + len(
        [t for t, _ in ends if t + 1 < len(steps)]
    )


def test_losing_a_life_does_not_end_the_episode() -> None:
    env = envs.make("atari:Breakout", sticky=0.0, noop_max=0)
    env.reset()
    lives = []  # as the library reports them
    step = env.step(np.array([1]))
    while not step.is_last[0] and len(lives) < 400:
        step = env.step(np.array([1]))
        lives.append(int(env._envs.step(np.array([1]))[4]["lives"][0]))
    assert {4, 3, 2, 1} <= set(lives)


def test_one_seed_gives_one_stream_on_the_same_and_on_a_new_instance() -> None:
    env = envs.make("atari:Breakout", 2, num_threads=2)
    first = play(env, 7, 300)
    assert any(step.is_last.any() for step in first)
    assert equal(first, play(env, 7, 300))
    assert equal(first, play(envs.make("atari:Breakout", 2, num_threads=1), 7, 300))
    assert equal(first, play(envs.make("atari:Breakout", 2, seed=7), None, 300))
    assert not equal(first, play(env, 8, 300))


def test_rows_differ_and_a_reset_without_a_seed_goes_on() -> None:
    env = envs.make("atari:Breakout", 2)
    steps = play(env, 7, 60)
    left, right = zip(*(step.observation["image"] for step in steps), strict=True)
    assert not np.array_equal(left, right)
    assert not equal(steps, play(env, None, 60))


def test_observations_of_earlier_steps_are_never_written_to() -> None:
    env = envs.make("atari:Breakout")
    steps = play(env, 0, 30)
    copies = [step.observation["image"].copy() for step in steps]
    play(env, None, 30)
    for step, copy in zip(steps, copies, strict=True):
        np.testing.assert_array_equal(step.observation["image"], copy)


@pytest.mark.parametrize(
    "action", [[99], [-1], [6], [0, 0], [1.0], 3, [[1]], [True], ["1"]]
)
def test_a_bad_action_raises_instead_of_hanging(action: object) -> None:
    env = envs.make("atari:Pong")
    env.reset()
    with pytest.raises(ValueError, match="got action"):
        env.step(np.array(action))
    assert env.step(np.array([5])).reward.shape == (1,)


def test_rewards_are_not_clipped() -> None:
    env = envs.make("atari:SpaceInvaders", 2)
    assert max(step.reward.max() for step in play(env, 0, 300)) > 1


def test_step_before_reset_and_process_mode_are_refused() -> None:
    with pytest.raises(RuntimeError, match="call reset first"):
        envs.make("atari:Pong").step(np.array([0]))
    with pytest.raises(ValueError, match="num_threads"):
        envs.make("atari:Pong", parallel="process")


def test_every_one_of_the_57_games_is_found_in_both_spellings() -> None:
    assert len(ATARI57) == 57
    roms = {find_rom(name) for name in ATARI57}
    assert len(roms) == 57 and not roms & set(TWO_PLAYER_ONLY)
    assert all(find_rom(rom) == rom for rom in roms)
    assert find_rom("MsPacman") == find_rom("ms_pacman") == "ms_pacman"
