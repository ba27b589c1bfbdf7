"""What a model with codes makes of images: reconstructions beside their codes, samples, the use of the codebook."""

import colorsys
from collections.abc import Sequence

import numpy as np

_GAP = 2
_WHITE = 1.0
_MOST = 8.0  # times even use, where bars are cut off


def reconstructions(
    images: np.ndarray, again: np.ndarray, codes: Sequence[np.ndarray]
) -> np.ndarray:
    """Returns a column per image: the truth, its reconstruction, and the codes of each level, a colour per code.

    Args:
        images: [N, H, W, C] in [0, 1].
        again: As `images`.
        codes: Of each level [N, h, w].

    Returns:
        [H', W', 3] uint8.
    """
    side = images.shape[1]
    shown = [images, again, *(_enlarged(_coloured(each), side) for each in codes)]
    return grid([_colour(each) for each in shown])


def rows(images: np.ndarray, count: int) -> np.ndarray:
    """Returns images [N, H, W, C] in [0, 1] in so many rows, [H', W', 3] uint8."""
    return grid(list(_colour(images).reshape(count, -1, *images.shape[1:3], 3)))


def usage(counts: np.ndarray, width: int = 480, height: int = 96) -> np.ndarray:
    """Returns a bar chart per level of how often each code was chosen, the most frequent first; a line is even use.

    Bars end at eight times even use, so that the others can be seen beside a code for empty background.

    Args:
        counts: [levels, K].
        width: Pixels of a chart, at least; so many that all bars are equally wide.
        height: Pixels of a chart.

    Returns:
        [H', W', 3] uint8.
    """
    charts = []
    for each in counts:
        bar = max(1, width // len(each))
        sorted_ = np.sort(each)[::-1] / max(each.sum(), 1)
        top = min(max(sorted_[0], 1 / len(each)), _MOST / len(each))
        levels = np.round(np.minimum(sorted_ / top, 1) * height).astype(int).repeat(bar)
        filled = np.arange(height)[::-1, None] < levels[None]
        if bar > 3:
            filled[:, bar - 1 :: bar] = False  # bars stand apart
        chart = np.where(filled[..., None], (0.0, 0.447, 0.698), _WHITE)
        even = height - 1 - min(height - 1, round(height / top / len(each)))
        chart[even] = (0.835, 0.369, 0.0)
        charts.append(np.pad(chart, ((0, 2 * _GAP), (0, 0), (0, 0)), constant_values=1))
    return np.round(255 * np.concatenate(charts)).astype(np.uint8)


def grid(images: Sequence[np.ndarray]) -> np.ndarray:
    """Lays rows of images [N, H, W, 3] out, with white between two; [H', W', 3] uint8."""
    lines = [
        np.pad(row, ((0, 0), (0, _GAP), (0, _GAP), (0, 0)), constant_values=_WHITE)
        for row in images
    ]
    page = np.concatenate([np.concatenate(list(row), 1) for row in lines])
    return np.round(255 * page[:-_GAP, :-_GAP]).clip(0, 255).astype(np.uint8)


def _colour(images: np.ndarray) -> np.ndarray:
    """[N, H, W, 3] of images with one channel or three; of others the mean."""
    if images.shape[-1] != 3:
        images = images.mean(-1, keepdims=True)
    return np.broadcast_to(images, (*images.shape[:-1], 3))


def _coloured(codes: np.ndarray) -> np.ndarray:
    """A colour per code: neighbours in number are far apart in hue."""
    names, places = np.unique(codes, return_inverse=True)
    hues = names * 0.61803398875 % 1.0
    values = 0.55 + 0.45 * (names * 0.7548776662 % 1.0)
    palette = [
        colorsys.hsv_to_rgb(h, 0.65, v) for h, v in zip(hues, values, strict=True)
    ]
    return np.array(palette)[places.reshape(codes.shape)]


def _enlarged(images: np.ndarray, side: int) -> np.ndarray:
    times = side // images.shape[1]
    return images.repeat(times, 1).repeat(times, 2)
