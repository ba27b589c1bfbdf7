"""The DeepMind Control Suite behind the one interface, from state and from pictures.

This process may load TensorFlow, and so must never load OpenGL: what draws runs in others.
"""

import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs
from envs import dm_control
from envs.dm_control import ControlSuite
from envs.seeding import row_seeds
from tests.envs.rows import play, to_rows

ROOT = pathlib.Path(__file__).resolve().parents[2]
CARTPOLE = "dm_control:cartpole-swingup"

# Draws with the suite alone, checks the adapter, and counts how often that draws.
DRAWING = """
import sys
import numpy as np
from gymnasium.utils.env_checker import check_env
from envs.dm_control import ControlSuite, load_suite

pictures = {}
for domain, task, camera in (("cartpole", "swingup", 0), ("quadruped", "walk", 2)):
    env = load_suite(True).load(domain, task, task_kwargs={"random": 0})
    env.task.random.seed(int(sys.argv[2]))
    env.reset()
    pictures[domain] = env.physics.render(64, 64, camera_id=camera)
    env.close()

env = ControlSuite("cartpole-swingup", fast_render=True, action_repeat=4)
check_env(env)
drawn, draw = [], env._draw
env._draw = lambda: drawn.append(1) or draw()
env.reset(seed=0)
for _ in range(3):
    env.step(np.zeros(1))
env.render()
env.close()
np.savez(sys.argv[1], drawn=len(drawn), **pictures)
"""


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the program above found, with episodes seeded as row 0 is by seed 7."""
    path = tmp_path_factory.mktemp("drawing") / "pictures.npz"
    command = [sys.executable, "-W", "ignore", "-c", DRAWING]
    seed = row_seeds(7, 1)[0]
    subprocess.run([*command, str(path), str(seed)], cwd=ROOT, check=True)
    return np.load(path)


def first_picture(name: str, **options: Any) -> tuple[np.ndarray, Any]:
    """Returns the image of seed 7's first row, and the picture for people."""
    env = envs.make(name, **options)
    try:
        return env.reset(7).observation["image"], env.render()
    finally:
        env.close()


def test_every_task_of_the_suite_is_found_however_it_is_written() -> None:
    tasks = dm_control.load_suite(False).ALL_TASKS
    assert len(tasks) == sum(len(names.split()) for names in dm_control.TASKS.values())
    for domain, task in tasks:
        name = f"{domain}-{task}"
        for written in (name, f"{domain}_{task}", name.replace("_", "-").lower()):
            assert dm_control.find_task(written) == name


def test_state_and_rewards_are_those_of_the_suite_summed_over_the_repeat() -> None:
    env = envs.make(CARTPOLE, pixels=False, action_repeat=2, parallel="sync")
    load = dm_control.load_suite(False).load
    own = load("cartpole", "swingup", task_kwargs={"random": 0})
    own.task.random.seed(row_seeds(7, 1)[0])
    step, time_step = env.reset(7), own.reset()
    assert env.frames_per_step == 2
    rng = np.random.default_rng(0)
    for _ in range(30):
        for key, value in time_step.observation.items():
            assert step.observation[key].dtype == np.float32
            np.testing.assert_allclose(step.observation[key][0], value, rtol=1e-6)
        action = rng.uniform(-1, 1, (1, 1)).astype(np.float32)
        step, reward = env.step(action), 0.0
        for _ in range(2):
            time_step = own.step(action[0])
            reward += time_step.reward
        np.testing.assert_allclose(step.reward, reward, rtol=1e-6)


def test_pictures_are_what_camera_0_sees_and_2_of_the_quadruped(drawing: Any) -> None:
    for domain, task in (("cartpole", "swingup"), ("quadruped", "walk")):
        image, picture = first_picture(f"dm_control:{domain}-{task}")
        assert image.shape == (1, 64, 64, 3) and image.dtype == np.uint8
        np.testing.assert_array_equal(image[0], drawing[domain])
        np.testing.assert_array_equal(picture, image[0].repeat(3, 0).repeat(3, 1))


def test_fast_rendering_shows_the_same_scene_without_shadows_and_reflections(
    drawing: Any,
) -> None:
    fast = first_picture(CARTPOLE, fast_render=True)[0][0].astype(np.float32)
    slow = drawing["cartpole"].astype(np.float32)
    assert 1 < np.abs(fast - slow).mean() < 30
    cart = slow[..., 0] > 150  # the cart and its pole are orange, all else is blue
    assert cart.sum() > 20
    assert (fast[cart][:, 0] > 100).mean() > 0.8


def test_a_picture_is_drawn_once_per_step_whatever_the_repeat(drawing: Any) -> None:
    assert drawing["drawn"] == 1 + 3  # reset and steps; people see the same picture


def test_the_time_limit_cuts_and_only_discount_0_terminates() -> None:
    env = envs.make(CARTPOLE, pixels=False, action_repeat=2, parallel="sync")
    rows = to_rows(play(env, 0, 502))
    assert np.flatnonzero(rows["is_last"]).tolist() == [500]
    assert np.flatnonzero(rows["is_first"]).tolist() == [0, 501]
    assert rows["discount"].all()
    for discount, ending in ((0.0, (True, False)), (0.5, (False, True))):
        own = ControlSuite("cartpole-swingup", pixels=False, draws=False)
        own._env.task.get_termination = lambda _, discount=discount: discount
        own.reset(seed=0)
        assert own.step(np.zeros(1))[2:4] == ending


def test_one_seed_gives_one_stream_on_the_same_and_on_a_new_instance() -> None:
    made = [envs.make(CARTPOLE, 2, pixels=False, parallel="sync") for _ in range(2)]
    first = to_rows(play(made[0], 3, 60))
    for again in (play(made[0], 3, 60), play(made[1], 3, 60)):
        for key, value in to_rows(again).items():
            np.testing.assert_array_equal(value, first[key], err_msg=key)
    other = to_rows(play(made[1], 4, 60))
    assert (other["observation/position"] != first["observation/position"]).any()


def test_a_process_per_row_gives_the_same_steps_and_has_pictures_beside() -> None:
    here = envs.make(CARTPOLE, 2, pixels=False, parallel="sync")
    assert here.render() is None and "OpenGL" not in sys.modules
    before = os.environ.get("MUJOCO_GL")
    workers = envs.make(CARTPOLE, 2, pixels=False)
    try:
        rows, picture = to_rows(play(workers, 3, 5)), workers.render()
    finally:
        workers.close()
    for key, value in to_rows(play(here, 3, 5)).items():
        np.testing.assert_array_equal(value, rows[key], err_msg=key)
    assert picture is not None and picture.shape == (240, 240, 3)
    assert os.environ.get("MUJOCO_GL") == before


def test_pictures_are_not_drawn_beside_tensorflow() -> None:
    with pytest.raises(ValueError, match=r"draws in worker processes.*pixels=False"):
        envs.make(CARTPOLE, parallel="sync")


def test_what_the_state_is_becomes_flat_vectors() -> None:
    name = "dm_control:manipulator-bring_ball"
    spaces = envs.make(name, pixels=False, parallel="sync").spaces
    shapes = {key: box.shape for key, box in spaces.observation.items()}
    assert shapes["arm_pos"] == (16,) and shapes["touch"] == (5,)
    assert spaces.action.shape == (5,)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_adapter_passes_gymnasiums_own_checker() -> None:
    check_env(ControlSuite("walker-walk", pixels=False, draws=False))


def test_a_task_without_bounds_for_its_actions_says_so() -> None:
    with pytest.raises(ValueError, match="bounds that are not finite"):
        envs.make("dm_control:lqr-lqr_2_1", pixels=False, parallel="sync")
