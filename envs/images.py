"""Pictures: resizing, gray, and making small ones visible."""

import numpy as np
from PIL import Image

SMALLEST_RESIZED = 32  # pixels a side; smaller images are symbolic and left as they are
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def resized_shape(shape: tuple[int, ...], size: int | None) -> tuple[int, ...]:
    """Returns the shape that `resize` gives an image of shape [H, W, C]."""
    if size is None or min(shape[:2]) < SMALLEST_RESIZED:
        return shape
    return (size, size, shape[2])


def resize(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Averages areas of [H, W, C] uint8 or float32 to another height and width.

    Args:
        image: [H, W, C]; bool images are sampled, not averaged.
        shape: The target [H', W', C].

    Returns:
        [H', W', C] of the same dtype; the image itself where the shape is right already.
    """
    if image.shape == shape:
        return image
    size = (shape[1], shape[0])
    if image.dtype == np.uint8 and shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    is_bool = image.dtype == bool
    method = Image.Resampling.NEAREST if is_bool else Image.Resampling.BOX
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, method))
        for plane in np.moveaxis(image.astype(np.uint8) if is_bool else image, 2, 0)
    ]
    return np.stack(planes, -1).astype(image.dtype)


def to_gray(image: np.ndarray) -> np.ndarray:
    """Turns [..., 3] into its luminance [..., 1], of the same dtype."""
    gray = image @ LUMINANCE
    if image.dtype == np.uint8:
        gray = np.round(gray)
    return gray.astype(image.dtype)[..., None]


def to_picture(frame: np.ndarray, smallest: int = 160) -> np.ndarray:
    """Makes a frame fit for people: RGB uint8, small ones enlarged.

    Args:
        frame: [H, W], [H, W, 1] or [H, W, 3]; uint8, or floats or bools in [0, 1].
        smallest: Pixels; pictures with a shorter side are enlarged by a whole factor.

    Returns:
        [H', W', 3] uint8.
    """
    frame = np.asarray(frame)
    if frame.dtype != np.uint8:
        frame = np.round(np.clip(frame.astype(np.float32), 0, 1) * 255).astype(np.uint8)
    frame = frame if frame.ndim == 3 else frame[..., None]
    frame = np.repeat(frame, 3, 2) if frame.shape[2] == 1 else frame
    factor = -(-smallest // min(frame.shape[:2]))
    return frame.repeat(factor, 0).repeat(factor, 1)
