"""Frames of random play: what is kept, that it is collected once, and what is refused."""

import numpy as np
import pytest

from agents import frames
from agents.checkpoint import DamagedError


def load(folder, env="atari:Pong", **more):
    values = {"count": 40, "size": 20, "grayscale": True, "seed": 0} | more
    return frames.load(env, folder, **values)


def test_frames_of_a_game_are_collected_once_and_read_after_that(tmp_path, capsys):
    first = load(tmp_path)
    assert "collecting pictures" in capsys.readouterr().err
    shapes = [split.shape for split in first[:3]]
    assert shapes == [(40, 20, 20, 1), (4, 20, 20, 1), (4, 20, 20, 1)]
    assert first.levels == 256 and first.train.dtype == np.uint8
    assert "random play of atari:Pong" in first.source
    (path,) = tmp_path.iterdir()
    assert path.name == frames.file_name("atari:Pong", 40, 20, True, 0)
    written = path.stat().st_mtime_ns
    again = load(tmp_path)
    assert path.stat().st_mtime_ns == written
    for one, other in zip(first[:3], again[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(np.unique(first.train.reshape(40, -1), axis=0)) > 20
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DamagedError, match="was cut short or changed"):
        load(tmp_path)
    path.unlink()
    anew = load(tmp_path)  # a pure function of the seed
    np.testing.assert_array_equal(anew.train, first.train)


def test_colours_have_three_channels(tmp_path):
    assert load(tmp_path, grayscale=False).train.shape == (40, 20, 20, 3)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ("gym:CartPole-v1", r"gym:CartPole-v1 shows no pictures of bytes"),
        ("atari:Pongg", "near names"),
        ("pong", "environment names are 'suite:name'"),
    ],
)
def test_what_shows_no_pictures_is_refused(tmp_path, env, said):
    with pytest.raises(ValueError, match=said):
        load(tmp_path, env)


def test_pictures_that_do_not_fit_are_told_before_any_is_taken(tmp_path):
    def check(shape):
        raise ValueError(f"not {shape}")

    with pytest.raises(ValueError, match=r"not \(20, 20, 1\)"):
        load(tmp_path, check=check)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="no pictures of a chosen size and in gray"):
        load(tmp_path, "ctf:small")
