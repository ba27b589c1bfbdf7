"""Pictures that a newcomer understands: episodes and dreams as mp4 or GIF."""

import functools
import importlib.util
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envs.api import Step

_BACKGROUND = np.array([18, 20, 28], np.float32)
_PALETTE = np.array(
    [
        [86, 180, 233],  # sky
        [230, 159, 0],  # orange
        [0, 190, 140],  # green
        [240, 228, 66],  # yellow
        [213, 94, 0],  # vermilion
        [204, 121, 167],  # pink
        [70, 110, 230],  # blue
        [235, 235, 235],  # white
        [150, 90, 50],  # brown
        [150, 150, 160],  # gray
    ],
    np.float32,
)
_PAPER, _INK, _DIM_INK = (28, 31, 40), (235, 235, 235), (150, 155, 165)
_LINE_WIDTH = 200
_SEQUENCES = 6
_GIF_FRAMES = 400
_GIF_LAST_FRAME_MS = 800


def to_rgb(frames: np.ndarray) -> np.ndarray:
    """Turns pictures of any kind into RGB.

    Args:
        frames: [T, H, W, C] float in [0, 1], uint8 or bool. One channel is gray, three are RGB; with any other
            number each channel gets a colour of its own, later channels painted over earlier ones.

    Returns:
        [T, H, W, 3] uint8.

    Raises:
        ValueError: If the rank is not 4.
    """
    if np.ndim(frames) != 4:
        raise ValueError(
            f"Frames have shape {np.shape(frames)}; expected [T, H, W, C]. Give a single picture as frames[None]."
        )
    channels = frames.shape[-1]
    if channels not in (1, 3):
        return _paint(_unit(frames))
    if frames.dtype != np.uint8:
        frames = _to_bytes(_unit(frames) * 255)
    return frames if channels == 3 else np.repeat(frames, 3, -1)


def upscale(frames: np.ndarray, min_side: int = 128) -> np.ndarray:
    """Repeats pixels a whole number of times until the shorter side of [T, H, W, C] is at least `min_side`."""
    factor = -(-min_side // min(frames.shape[1:3]))
    return frames if factor <= 1 else frames.repeat(factor, 1).repeat(factor, 2)


def grid(
    sequences: Sequence[np.ndarray], captions: Sequence[str] = (), gap: int = 4
) -> np.ndarray:
    """Lays videos side by side, each under its caption.

    Args:
        sequences: Videos [T, H, W, 3] uint8 of equal height; a shorter one stays at its last frame.
        captions: One per video, or none at all.
        gap: Pixels between neighbours.

    Returns:
        [max T, H', W', 3] uint8.
    """
    length = max(len(frames) for frames in sequences)
    head = 18 if captions else 0
    columns = []
    for frames in sequences:
        still = np.repeat(frames[-1:], length - len(frames), 0)
        columns.append(_pad(np.concatenate([frames, still]), (head, gap, 0, 0)))
    video = np.concatenate(columns, 2)[:, :, :-gap]
    left = 0
    for caption, frames in zip(captions, sequences, strict=False):
        video[:, :head, left : left + frames.shape[2]] = _label(
            caption, frames.shape[2], head
        )
        left += frames.shape[2] + gap
    return video


def open_loop(
    truth: np.ndarray, model: np.ndarray, context: int = 5, min_side: int = 64
) -> np.ndarray:
    """Draws what the world model dreams: rows truth, model and error, columns of at most six sequences.

    For the first `context` frames the model sees the truth and reconstructs it; then it sees nothing more and
    imagines, knowing only the actions. A line over the picture says which of the two it is. The error row is
    (model - truth + 1) / 2: mid-gray where the two agree.

    Args:
        truth: [T, B, H, W, C] float in [0, 1], uint8 or bool.
        model: [T, B, H, W, C] float in [0, 1].
        context: Frames that the model saw.
        min_side: Pixels of a cell's shorter side at least.

    Returns:
        [T, H', W', 3] uint8.
    """
    shown = slice(None), slice(_SEQUENCES)
    cells = [_cells(truth[shown], min_side), _cells(model[shown], min_side)]
    cells.append(_to_bytes((cells[1].astype(np.float32) - cells[0] + 255) / 2))
    rows = [grid(list(row)) for row in cells]
    margin, gap, head = 44, 4, 20
    video = np.concatenate([_pad(row, (0, 0, gap, margin)) for row in rows], 1)
    for index, name in enumerate(("truth", "model", "error")):
        height = rows[0].shape[1] + gap
        video[:, index * height : (index + 1) * height - gap, :margin] = _label(
            name, margin, height - gap
        )
    right = max(_LINE_WIDTH - video.shape[2], gap)
    video = _pad(video, (head, right, 0, 0))
    for t in range(len(video)):
        video[t, :head] = _progress_line(t, len(video), context, video.shape[2], head)
    return video


def write_video(path: str | os.PathLike, frames: np.ndarray, fps: int = 20) -> Path:
    """Writes a video that loops, at once or not at all.

    Args:
        path: Ends in .mp4 or .gif; without ending the best that is installed is taken. Where imageio-ffmpeg is
            missing, a .gif is written beside the .mp4 asked for.
        frames: [T, H, W, 3] uint8.
        fps: Frames per second.

    Returns:
        The path written.
    """
    path = Path(path)
    if path.suffix not in (".mp4", ".gif"):
        path = path.with_name(path.name + ".mp4")
    if path.suffix == ".mp4" and not can_write_mp4():
        path = path.with_suffix(".gif")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        if path.suffix == ".mp4":
            _write_mp4(draft, frames, fps)
        else:
            draft.write_bytes(encode_gif(frames, fps))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def write_picture(path: str | os.PathLike, picture: np.ndarray) -> Path:
    """Writes [H, W, 3] uint8 as a .png, and returns its path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


@functools.cache
def can_write_mp4() -> bool:
    """Returns whether imageio-ffmpeg is installed and finds an ffmpeg to run."""
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        return False
    import imageio_ffmpeg

    try:
        return bool(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return False


def encode_gif(frames: np.ndarray, fps: int = 20) -> bytes:
    """Returns [T, H, W, 3] uint8 as an endless GIF that rests on its last frame.

    Up to 256 colours are kept exactly. Long videos keep every k-th frame, at most 400, at their true speed.
    """
    stride = -(-len(frames) // _GIF_FRAMES)
    images = _with_palette(frames[::stride])
    duration = round(1000 * stride / fps)
    file = io.BytesIO()
    images[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=[duration] * (len(images) - 1) + [duration + _GIF_LAST_FRAME_MS],
        loop=0,
    )
    return file.getvalue()


class EpisodeRecorder:
    """Collects the pictures of row 0 from is_first to is_last.

    Args:
        max_frames: The length at which an episode is cut.
    """

    def __init__(self, max_frames: int = 1000):
        self.max_frames = max_frames
        self._frames: list[np.ndarray] | None = None

    @property
    def recording(self) -> bool:
        """Whether an episode has begun and not ended."""
        return self._frames is not None

    def add(
        self, step: Step, render: Callable[[], np.ndarray | None] | None = None
    ) -> np.ndarray | None:
        """Takes the arriving step; returns the whole episode [T, H, W, 3] uint8 when it ended, else None.

        Args:
            step: [B, ...]; its first image observation is the picture where `render` gives none.
            render: Returns row 0 as [H, W, 3] uint8, or None; called only while recording.
        """
        if step.is_first[0]:
            self._frames = []
        if self._frames is None:
            return None
        if len(self._frames) < self.max_frames:
            picture = render() if render else None
            picture = _observed_picture(step) if picture is None else picture
            if picture is not None:
                self._frames.append(np.array(picture))
        if not step.is_last[0]:
            return None
        frames, self._frames = self._frames, None
        return to_rgb(np.stack(frames)) if frames else None


def _observed_picture(step: Step) -> np.ndarray | None:
    images = [value for value in step.observation.values() if np.ndim(value) == 4]
    return images[0][0] if images else None


def _unit(frames: np.ndarray) -> np.ndarray:
    """Frames as float32 in [0, 1]; uint8 that holds only 0 and 1 counts as binary."""
    if frames.dtype == np.uint8 and frames.max(initial=0) > 1:
        return frames.astype(np.float32) / 255
    return np.clip(np.nan_to_num(frames.astype(np.float32)), 0, 1)


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _paint(frames: np.ndarray) -> np.ndarray:
    picture = np.broadcast_to(_BACKGROUND, (*frames.shape[:3], 3))
    for channel in range(frames.shape[-1]):
        cover = frames[..., channel, None]
        picture = picture * (1 - cover) + cover * _PALETTE[channel % len(_PALETTE)]
    return _to_bytes(picture)


def _cells(frames: np.ndarray, min_side: int) -> np.ndarray:
    """[T, B, H, W, C] -> [B, T, H', W', 3] uint8."""
    length, batch = frames.shape[:2]
    flat = upscale(to_rgb(frames.reshape(-1, *frames.shape[2:])), min_side)
    return flat.reshape(length, batch, *flat.shape[1:]).swapaxes(0, 1)


def _pad(video: np.ndarray, sides: tuple[int, int, int, int]) -> np.ndarray:
    """Adds paper at the top, right, bottom and left."""
    top, right, bottom, left = sides
    length, height, width, _ = video.shape
    shape = (length, top + height + bottom, left + width + right, 3)
    padded = np.full(shape, _PAPER, np.uint8)
    padded[:, top : top + height, left : left + width] = video
    return padded


def _label(text: str, width: int, height: int) -> np.ndarray:
    """Returns text in the middle of [height, width, 3], shortened until it fits."""
    image = Image.new("RGB", (width, height), _PAPER)
    font = ImageFont.load_default(12)
    while text and font.getlength(text) > width - 2:
        text = text[:-2] + "…" if len(text) > 2 else ""
    ImageDraw.Draw(image).text((width / 2, height / 2), text, _INK, font, anchor="mm")
    return np.asarray(image)


def _progress_line(
    t: int, length: int, context: int, width: int, height: int
) -> np.ndarray:
    """Returns the line over a dream: what the model does now, and how far the video is."""
    image = Image.new("RGB", (width, height), _PAPER)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    sees = t < context
    ink = (0, 190, 140) if sees else (230, 159, 0)
    text = f"{t + 1}/{length}  " + (
        "model sees the truth" if sees else "model imagines"
    )
    draw.text((4, height / 2 - 1), text, ink, font, anchor="lm")
    draw.rectangle((0, height - 2, width, height - 1), (60, 64, 75))
    draw.rectangle((0, height - 2, width * (t + 1) / length, height - 1), ink)
    return np.asarray(image)


def _with_palette(frames: np.ndarray) -> list[Image.Image]:
    """Frames as palette images that share one palette, exact where 256 colours are enough."""
    colours = _few_colours(frames)
    if colours is not None:
        palette = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], -1)
        indices = (np.searchsorted(colours, _packed(frame)) for frame in frames)
        images = [Image.fromarray(index.astype(np.uint8)) for index in indices]
        for image in images:
            image.putpalette(palette.astype(np.uint8).tobytes())
        return images
    some = frames[:: max(len(frames) // 16, 1)].reshape(-1, frames.shape[2], 3)
    palette_image = Image.fromarray(some).quantize(128)
    return [
        Image.fromarray(frame).quantize(palette=palette_image, dither=Image.Dither.NONE)
        for frame in frames
    ]


def _few_colours(frames: np.ndarray) -> np.ndarray | None:
    """Returns all colours as sorted numbers, or None where they are more than 256; frame by frame, to spare memory."""
    colours = np.zeros(0, np.uint32)
    for frame in frames:
        colours = np.union1d(colours, _packed(frame))
        if len(colours) > 256:
            return None
    return colours


def _packed(frame: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 -> a number per colour, [H, W]."""
    return frame.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)


def _write_mp4(path: Path, frames: np.ndarray, fps: int) -> None:
    import imageio_ffmpeg

    odd = [(0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)]
    height, width = frames.shape[1] + odd[0][1], frames.shape[2] + odd[1][1]
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),  # H.264 wants even sides
        fps=fps,
        quality=7,
        macro_block_size=1,
        ffmpeg_log_level="quiet",
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(np.pad(frame, odd, "edge")))
    writer.close()
