"""Observation and action spaces: what agents see of each kind."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import envs
from envs import actions, images
from envs.api import Spaces
from envs.observations import ObservationMap, OneHotBox
from envs.vector import GymVectorEnvs

FLOAT, BYTE = np.float32, np.uint8


@pytest.mark.parametrize(
    ("space", "key", "shape", "dtype"),
    [
        (spaces.Box(-1, 1, (3,), np.float64), "vector", (3,), FLOAT),
        (spaces.Box(-1, 1, (), FLOAT), "vector", (1,), FLOAT),
        (spaces.Box(0, 9, (3,), np.int64), "vector", (3,), FLOAT),
        (spaces.Box(0, 255, (3,), BYTE), "vector", (3,), BYTE),
        (spaces.Box(0, 255, (10, 9), BYTE), "image", (10, 9, 1), BYTE),
        (spaces.Box(0, 255, (10, 9, 7), BYTE), "image", (10, 9, 7), BYTE),
        (spaces.Box(0, 1, (10, 9, 7), np.bool_), "image", (10, 9, 7), np.bool_),
        (spaces.Box(0, 255, (210, 160, 3), BYTE), "image", (64, 64, 3), BYTE),
        (spaces.Box(0, 1, (32, 48), FLOAT), "image", (64, 64, 1), FLOAT),
        (spaces.Box(0, 1, (40, 40, 2), np.bool_), "image", (64, 64, 2), np.bool_),
        (spaces.Box(0, 1, (31, 99, 1), FLOAT), "image", (31, 99, 1), FLOAT),
        (spaces.Discrete(4, start=-2), "vector", (4,), FLOAT),
        (spaces.MultiDiscrete([2, 3], start=[1, 0]), "vector", (5,), FLOAT),
        (spaces.MultiBinary(4), "vector", (4,), np.bool_),
    ],
)
def test_each_kind_of_space_becomes_a_box_that_holds_its_samples(
    space: Any, key: str, shape: tuple, dtype: Any
) -> None:
    observations = ObservationMap(space)
    box = observations.spaces[key]
    assert (box.shape, box.dtype) == (shape, dtype)
    space.seed(0)
    samples = [space.sample() for _ in range(5)]
    single = [observations(sample)[key] for sample in samples]
    batch = observations(np.stack(samples), (5,))[key]
    assert all(box.contains(each) for each in single)
    np.testing.assert_array_equal(np.stack(single), batch)


def test_discrete_parts_are_one_hot_counted_from_their_start() -> None:
    observe = ObservationMap(spaces.Discrete(3, start=5))
    np.testing.assert_array_equal(observe(6)["vector"], [0, 1, 0])
    observe = ObservationMap(spaces.MultiDiscrete([2, 3]))
    np.testing.assert_array_equal(observe([1, 2])["vector"], [0, 1, 0, 0, 1])
    with pytest.raises(ValueError, match=r"got 8 .*expected values inside Discrete"):
        ObservationMap(spaces.Discrete(3, start=5))(8)


def test_factors_are_the_classes_of_discrete_parts_and_of_no_others() -> None:
    space = spaces.Dict(
        {
            "card": spaces.Discrete(4, start=-2),
            "pair": spaces.Dict({"both": spaces.MultiDiscrete([2, 3])}),
            "bits": spaces.MultiBinary(3),
            "clock": spaces.Box(0, 1, (1,), FLOAT),
            "view": OneHotBox((7, 7, 20), (11, 6, 3)),
        }
    )
    observe = ObservationMap(space)
    want = {"card": (4,), "pair/both": (2, 3), "view": (11, 6, 3)}
    assert observe.factors == want
    space.seed(0)
    for _ in range(20):
        sample = space.sample()
        sample["view"] = np.zeros((7, 7, 20), bool)
        sample["view"][..., [3, 11, 19]] = True
        for key, classes in want.items():
            codes = np.split(observe(sample)[key], np.cumsum(classes)[:-1], -1)
            assert [code.shape[-1] for code in codes] == list(classes)
            assert all((code.sum(-1) == 1).all() for code in codes)


def test_one_hot_codes_that_resizing_would_mix_are_no_factors() -> None:
    large = OneHotBox((32, 48, 5), (2, 3), FLOAT)
    assert ObservationMap(large).factors == {}
    assert ObservationMap(large, size=None).factors == {"image": (2, 3)}


@pytest.mark.parametrize("parallel", ["sync", "process"])
@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("zoo:MemoryGame6-v0", {"vector": (6, 3)}),
        ("zoo:MemoryLength10Distractors-v0", {"cue": (3,), "junction": (2,)}),
        ("minigrid:MiniGrid-Empty-5x5-v0", {"image": (11, 6, 3)}),
        ("popgym:AutoencodeEasy-v0", {"0": (2,), "1": (4,)}),
        ("zoo:Catch-v0", {}),
    ],
)
def test_the_spaces_of_made_environments_have_the_factors_and_keep_them_in_json(
    name: str, factors: dict, parallel: str
) -> None:
    made = envs.make(name, 2, parallel=parallel)
    made.close()
    assert made.spaces.factors == factors
    data = made.spaces.to_json()
    assert ("factors" in data) == bool(factors)
    assert Spaces.from_json(data) == made.spaces
    data.pop("factors", None)
    assert Spaces.from_json(data).factors == {}


def test_a_users_vector_environment_has_the_factors_too() -> None:
    made = gymnasium.make_vec("zoo/MemoryGame4-v0", 2, vectorization_mode="sync")
    assert GymVectorEnvs("here:Two", made).spaces.factors == {"vector": (4, 2)}


@pytest.mark.parametrize("factors", [{"v": (2, 2)}, {"w": (5,)}])
def test_factors_that_do_not_fill_the_last_axis_are_refused(factors: dict) -> None:
    with pytest.raises(ValueError, match="class counts that add up to its last axis"):
        Spaces({"v": spaces.Box(0, 1, (5,))}, spaces.Discrete(2), factors=factors)


def test_dicts_and_tuples_keep_their_keys() -> None:
    space = spaces.Dict(
        {
            "camera": spaces.Box(0, 255, (8, 8, 3), BYTE),
            "body": spaces.Dict({"joints": spaces.Box(-1, 1, (2,), np.float64)}),
            "pair": spaces.Tuple([spaces.Discrete(2), spaces.Discrete(3)]),
        }
    )
    observe = ObservationMap(space)
    keys = {"camera", "body/joints", "pair/0", "pair/1"}
    sample = space.sample()
    assert set(observe.spaces) == set(observe(sample)) == keys
    del sample["camera"]
    with pytest.raises(
        ValueError, match=r"got the keys.*expected a dict with the keys"
    ):
        observe(sample)


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (spaces.Text(5), "'vector'.*Text.*not supported: expected Box of rank 0"),
        (spaces.Sequence(spaces.Discrete(2)), "Sequence.*not supported"),
        (spaces.Graph(spaces.Discrete(2), None), "Graph.*not supported"),
        (spaces.MultiBinary((2, 2)), "not supported: .*MultiBinary of rank 1"),
        (spaces.Dict(a=spaces.Dict(b=spaces.Text(5))), "'a/b'.*not supported"),
        (spaces.Tuple([spaces.Discrete(2), spaces.Text(5)]), "'1'.*not supported"),
        (spaces.Dict({"a": spaces.Box(0, 1, (2, 2, 2, 2))}), "'a'.*not supported"),
        (spaces.Box(0, 255, (3, 84, 84), BYTE), "channels first"),
    ],
)
def test_spaces_without_a_form_here_are_refused_with_advice(
    space: Any, text: str
) -> None:
    with pytest.raises(ValueError, match=text + r"(.|\n)*gymnasium.wrappers"):
        ObservationMap(space)


def test_an_observation_space_without_parts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Dict\(\) has no parts"):
        ObservationMap(spaces.Dict())


def test_area_resizing_keeps_the_mean_and_whole_blocks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (128, 192, 3)).astype(BYTE)
    # Bytes are rounded twice, once per axis.
    want = image.reshape(64, 2, 64, 3, 3).mean((1, 3))
    for channels in (3, 2):
        got = images.resize(image[..., :channels], (64, 64, channels))
        np.testing.assert_allclose(got, want[..., :channels], atol=1)
    got = images.resize(image.astype(FLOAT), (64, 64, 3))
    np.testing.assert_allclose(got, want, rtol=1e-4)


def test_gray_is_the_luminance_and_size_can_be_chosen_or_left() -> None:
    space = spaces.Box(0, 255, (40, 40, 3), BYTE)
    gray = ObservationMap(space, size=None, grayscale=True)
    image = np.zeros((40, 40, 3), BYTE) + np.array([100, 50, 200], BYTE)
    assert gray.spaces["image"].shape == (40, 40, 1)
    np.testing.assert_array_equal(gray(image)["image"], 82)  # 29.9 + 29.35 + 22.8
    assert ObservationMap(space, size=32).spaces["image"].shape == (32, 32, 3)


def test_small_pictures_are_enlarged_for_people() -> None:
    frame = np.eye(10, dtype=bool)
    picture = images.to_picture(frame)
    assert picture.shape == (160, 160, 3) and set(np.unique(picture)) == {0, 255}
    np.testing.assert_array_equal(picture[::16, ::16, 0] > 0, frame)


@pytest.mark.parametrize(
    "native",
    [
        spaces.Discrete(4, start=-1),
        spaces.MultiDiscrete([2, 3], start=[1, 2]),
        spaces.Box(-3, 5, (2, 2), np.float64),
    ],
)
def test_the_bounds_of_what_agents_send_meet_the_bounds_of_the_environment(
    native: Any,
) -> None:
    space = actions.canonical_space(native)
    space.seed(0)
    for _ in range(20):
        action = actions.check_action(space, np.stack([space.sample()]), 1)
        assert native.contains(actions.to_native(native, action[0]))
    assert not actions.zero_action(space, 2).any()


@pytest.mark.parametrize(
    "native",
    [
        spaces.MultiBinary(2),
        spaces.Box(0, 9, (1,), int),
        spaces.Dict(a=spaces.Discrete(2)),
        spaces.Tuple([spaces.Discrete(2)]),
        spaces.MultiDiscrete([[2, 2], [2, 2]]),
    ],
)
def test_action_spaces_without_a_form_here_are_refused(native: Any) -> None:
    with pytest.raises(ValueError, match="not supported: expected Discrete, MultiD"):
        actions.canonical_space(native)
