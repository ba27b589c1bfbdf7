"""POPGym's tasks: every kind of space, and one seed for one stream."""

import numpy as np

import envs
from envs import popgym
from tests.envs.rows import play, to_rows


def test_every_task_runs_and_one_seed_gives_one_stream() -> None:
    names = popgym.register()
    assert len(names) >= 42
    for name in names:
        env = envs.make(f"popgym:{name}", 2)
        first = to_rows(play(env, 3, 30))
        for key, value in to_rows(play(env, 3, 30)).items():
            np.testing.assert_array_equal(value, first[key], err_msg=f"{name} {key}")
        env.close()


def test_discrete_tuple_and_multidiscrete_observations_are_one_hot() -> None:
    shapes = {
        "RepeatPreviousEasy-v0": {"vector": (4,)},
        "AutoencodeEasy-v0": {"0": (2,), "1": (4,)},
        "ConcentrationEasy-v0": {"vector": (52 * 3,)},
        "CountRecallEasy-v0": {"vector": (4,)},
    }
    for name, wanted in shapes.items():
        env = envs.make(f"popgym:{name}", 3)
        step = env.reset(0)
        for key, shape in wanted.items():
            value = step.observation[key]
            assert value.shape == (3, *shape) and value.dtype == np.float32
            assert set(np.unique(value)) <= {0.0, 1.0}
        assert env.spaces.observation.keys() == wanted.keys()


def test_the_pictures_of_those_that_have_any_are_drawn() -> None:
    env = envs.make("popgym:PositionOnlyCartPoleEasy-v0")
    env.reset(0)
    picture = env.render()
    assert picture is not None and picture.dtype == np.uint8 and picture.ndim == 3
    assert envs.make("popgym:RepeatFirstEasy-v0").render() is None
