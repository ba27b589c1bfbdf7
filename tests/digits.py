"""A stand-in for MNIST: digits drawn with a font, of random size, place, slant and ink."""

import gzip
import pathlib
import struct

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns [N, 28, 28] uint8 images, 0 background and 255 ink, and [N] uint8 labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(10, size=count, dtype=np.uint8)
    return np.stack([_digit(label, rng) for label in labels]), labels


def write(folder: pathlib.Path, train: int, test: int) -> None:
    """Writes the four files of MNIST, gzipped."""
    for part, count, seed in (("train", train, 0), ("t10k", test, 1)):
        images, labels = draw(count, seed)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)


def write_idx(path: pathlib.Path, array: np.ndarray) -> None:
    """Writes an IDX file of bytes; gzipped where the name ends in .gz."""
    header = struct.pack(f">{1 + array.ndim}i", 2048 + array.ndim, *array.shape)
    raw = header + array.tobytes()
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)


def _digit(label: int, rng: np.random.Generator) -> np.ndarray:
    image = Image.new("L", (28, 28))
    font = ImageFont.load_default(size=float(rng.uniform(20, 26)))
    place = tuple(14 + rng.uniform(-2, 2, 2))
    ImageDraw.Draw(image).text(
        place, str(label), 255, font, anchor="mm", stroke_width=1, stroke_fill=200
    )
    image = image.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR)
    return (np.asarray(image) * rng.uniform(0.8, 1.0)).astype(np.uint8)
