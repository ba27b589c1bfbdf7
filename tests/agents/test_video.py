import io
import os
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageSequence

from agents import video
from envs.api import Step


def _step(picture, is_first=False, is_last=False):
    rows = 2
    return Step(
        {"image": np.stack([picture, picture * 0])},
        np.zeros(rows, np.int32),
        np.zeros(rows, np.float32),
        np.ones(rows, np.float32),
        np.array([is_first, False]),
        np.array([is_last, False]),
    )


def _noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def test_gray_and_rgb_pictures_keep_their_values():
    gray = _noise((3, 4, 5, 1))
    np.testing.assert_array_equal(video.to_rgb(gray), gray.repeat(3, -1))
    rgb = _noise((3, 4, 5, 3))
    np.testing.assert_array_equal(video.to_rgb(rgb), rgb)
    np.testing.assert_array_equal(video.to_rgb(rgb / np.float32(255)), rgb)
    np.testing.assert_array_equal(
        video.to_rgb(gray > 99), (gray > 99).repeat(3, -1) * 255
    )


def test_values_outside_zero_and_one_are_clipped_not_wrapped():
    frames = np.array([-1.0, 0.5, 2.0, np.nan]).reshape(1, 1, 4, 1)
    assert video.to_rgb(frames)[0, 0, :, 0].tolist() == [0, 128, 255, 0]


@pytest.mark.parametrize("channels", [2, 4, 6, 7, 10])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_every_channel_of_a_many_channel_picture_has_its_own_colour(channels, dtype):
    frames = np.eye(channels + 1, channels)[None, None].astype(dtype)
    colours = {tuple(pixel) for pixel in video.to_rgb(frames)[0, 0].tolist()}
    assert len(colours) == channels + 1


def test_a_single_picture_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"\(8, 8, 3\).*frames\[None\]"):
        video.to_rgb(np.zeros((8, 8, 3)))


def test_upscaling_repeats_pixels_a_whole_number_of_times():
    frames = _noise((2, 10, 5, 3))
    large = video.upscale(frames, 128)
    assert large.shape == (2, 260, 130, 3)
    np.testing.assert_array_equal(large[:, 13::26, 13::26], frames)
    assert video.upscale(large, 128).shape == large.shape


def test_a_grid_shows_each_video_and_holds_the_last_frame_of_short_ones():
    long, short = _noise((5, 8, 8, 3)), _noise((2, 8, 8, 3), 1)
    picture = video.grid([long, short], gap=4)
    np.testing.assert_array_equal(picture[:, :, :8], long)
    np.testing.assert_array_equal(picture[:2, :, 12:], short)
    np.testing.assert_array_equal(picture[2:, :, 12:], short[[1, 1, 1]])
    captioned = video.grid([long, short], ["a", "b"], gap=4)
    assert captioned.shape[1] > picture.shape[1]


def test_a_dream_stacks_truth_model_and_error_for_each_sequence():
    truth = _noise((6, 3, 64, 64, 1)) / np.float32(255)
    model = _noise((6, 3, 64, 64, 1), 1) / np.float32(255)
    picture = video.open_loop(truth, model, context=2)
    left, top, pitch = 44, 20, 68
    for row, want in enumerate([truth, model, (model - truth + 1) / 2]):
        for column in range(3):
            y, x = top + row * pitch, left + column * pitch
            cell = picture[:, y : y + 64, x : x + 64].astype(float)
            assert np.abs(cell - 255 * want[:, column]).max() <= 1


def test_a_dream_of_a_large_batch_shows_six_sequences():
    truth = _noise((2, 16, 64, 64, 3))
    model = truth / np.float32(255)
    assert (
        video.open_loop(truth, model).shape
        == video.open_loop(truth[:, :6], model[:, :6]).shape
    )


def test_the_line_over_a_dream_changes_when_the_model_stops_seeing():
    truth = np.zeros((4, 1, 8, 8, 3), np.float32)
    picture = video.open_loop(truth, truth, context=2)
    inks = [{tuple(p) for p in frame[:20].reshape(-1, 3).tolist()} for frame in picture]
    assert [(0, 190, 140) in ink for ink in inks] == [True, True, False, False]
    assert [(230, 159, 0) in ink for ink in inks] == [False, False, True, True]


def test_a_gif_loops_keeps_its_colours_and_is_small():
    frames = video.upscale(video.to_rgb(_noise((60, 10, 10, 6)) < 10))
    data = video.encode_gif(frames, fps=20)
    assert len(data) < 1_000_000
    image = Image.open(io.BytesIO(data))
    assert image.info["loop"] == 0 and image.info["duration"] == 50
    shown = [np.asarray(i.convert("RGB")) for i in ImageSequence.Iterator(image)]
    np.testing.assert_array_equal(shown, frames)


def test_a_gif_of_many_colours_stays_close_to_the_truth():
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    frame = np.stack([*np.meshgrid(ramp, ramp), np.full((64, 64), 90, np.uint8)], -1)
    image = Image.open(io.BytesIO(video.encode_gif(frame[None].repeat(2, 0))))
    error = np.asarray(image.convert("RGB")).astype(float) - frame
    assert np.abs(error).mean() < 12


def test_a_long_gif_drops_frames_but_keeps_its_duration():
    frames = np.arange(1000, dtype=np.uint32)[:, None, None, None]
    frames = np.concatenate([frames & 255, frames >> 8, frames * 0], -1)
    data = video.encode_gif(frames.astype(np.uint8).repeat(4, 1).repeat(4, 2), fps=20)
    image = Image.open(io.BytesIO(data))
    durations = [i.info["duration"] for i in ImageSequence.Iterator(image)]
    assert len(durations) <= 400
    assert 50_000 <= sum(durations) <= 51_200


def test_an_mp4_has_the_frames_that_went_in(tmp_path):
    import imageio_ffmpeg

    frames = video.upscale(video.to_rgb(_noise((12, 5, 7, 1))))
    path = video.write_video(tmp_path / "new" / "film.mp4", frames)
    assert path.suffix == ".mp4" and os.listdir(path.parent) == ["film.mp4"]
    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]
    shown = [np.frombuffer(f, np.uint8).reshape(height, width, 3) for f in reader]
    assert len(shown) == 12
    inside = np.array(shown)[:, : frames.shape[1], : frames.shape[2]].astype(float)
    assert np.abs(inside - frames).mean() < 6


def test_without_ffmpeg_a_gif_takes_the_place_of_the_mp4(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "can_write_mp4", lambda: False)
    path = video.write_video(tmp_path / "film.mp4", _noise((2, 8, 8, 3)))
    assert path == tmp_path / "film.gif"
    assert path.read_bytes()[:4] == b"GIF8"


def test_a_failed_write_leaves_no_half_video(tmp_path, monkeypatch):
    def full(path, *_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(video, "_write_mp4", full)
    monkeypatch.setattr(video, "can_write_mp4", lambda: True)
    with pytest.raises(OSError, match="No space"):
        video.write_video(tmp_path / "film.mp4", _noise((2, 8, 8, 3)))
    assert os.listdir(tmp_path) == []


def test_the_recorder_gives_each_whole_episode_of_row_zero():
    recorder, pictures = video.EpisodeRecorder(), _noise((9, 4, 4, 3))
    assert recorder.add(_step(pictures[0], is_last=True)) is None
    for t in (1, 2, 3):
        assert recorder.add(_step(pictures[t], is_first=t == 1)) is None
    np.testing.assert_array_equal(
        recorder.add(_step(pictures[4], is_last=True)), pictures[1:5]
    )
    assert recorder.add(_step(pictures[5], is_first=True)) is None
    assert recorder.add(_step(pictures[6], is_first=True)) is None
    np.testing.assert_array_equal(
        recorder.add(_step(pictures[7], is_last=True)), pictures[6:8]
    )


def test_the_recorder_prefers_the_rendered_picture_and_bounds_its_memory():
    recorder, calls = video.EpisodeRecorder(max_frames=3), []

    def render():
        calls.append(1)
        return np.full((6, 6, 3), 7, np.uint8)

    dark = np.zeros((4, 4, 1), np.uint8)
    episode = [recorder.add(_step(dark, t == 0, t == 5), render) for t in range(6)][-1]
    assert episode.shape == (3, 6, 6, 3) and (episode == 7).all() and len(calls) == 3


def test_an_environment_without_pictures_gives_no_video():
    recorder = video.EpisodeRecorder()
    step = _step(np.zeros((4, 4, 1)), True, True)._replace(
        observation={"vector": np.zeros((2, 3), np.float32)}
    )
    assert recorder.add(step, lambda: None) is None


@pytest.mark.parametrize("shades", [2, 256])
def test_writing_takes_less_memory_than_the_video_itself(shades, tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, shades, (60, 101, 120, 3)).astype(np.uint8)
    tracemalloc.start()
    video.encode_gif(frames)
    video.write_video(tmp_path / "odd", frames)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < frames.nbytes
