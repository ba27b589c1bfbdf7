"""The data that models without an environment learn from. Importing this loads no TensorFlow."""

import gzip
import math
import pathlib
import struct
import warnings
import zlib
from typing import NamedTuple

import numpy as np

from agents.checkpoint import DamagedError

SIDE = 28
PIXELS = SIDE * SIDE
FIXED = "fixed binarisation of Larochelle and Murray"
DRAWN = "Bernoulli(pixel/255) draw of MNIST, PCG64 seed 0"

_SEED = 0
_IMAGES, _LABELS = 2051, 2049  # the magic numbers of IDX files of bytes, 3-d and 1-d
_MNIST = {
    "train-images": "idx3-ubyte",
    "train-labels": "idx1-ubyte",
    "t10k-images": "idx3-ubyte",
    "t10k-labels": "idx1-ubyte",
}
_NPZ = "mnist.npz"


class Mnist(NamedTuple):
    """MNIST: grey handwritten digits, 0 background, 255 ink."""

    train_images: np.ndarray  # [N, 28, 28] uint8
    train_labels: np.ndarray  # [N] uint8
    test_images: np.ndarray  # [M, 28, 28] uint8
    test_labels: np.ndarray  # [M] uint8


class BinarizedMnist(NamedTuple):
    """MNIST as rows of bits, and where the bits are from: `FIXED` or `DRAWN`."""

    train: np.ndarray  # [N, 784] uint8, 0 or 1
    valid: np.ndarray  # [V, 784] uint8, 0 or 1
    test: np.ndarray  # [M, 784] uint8, 0 or 1
    source: str


class Images(NamedTuple):
    """Pictures, and where they are from."""

    train: np.ndarray  # [N, H, W, C] uint8, 0 to levels - 1
    valid: np.ndarray  # [V, H, W, C] uint8
    test: np.ndarray  # [M, H, W, C] uint8
    source: str
    levels: int  # 2 for bits, 256 for shades


def mnist(data_dir: str = "") -> Mnist:
    """Loads MNIST: 60,000 digits for training and 10,000 for testing, in the order of the original files.

    Args:
        data_dir: A folder that holds, itself or in its subfolder `mnist`, the four original files (gzipped or not,
            named train-images-idx3-ubyte or train-images.idx3-ubyte) or Keras's mnist.npz. When empty, Keras
            downloads MNIST once and keeps it in its cache (~/.keras/datasets, or KERAS_HOME/datasets).

    Raises:
        FileNotFoundError: If the files are not there or cannot be downloaded; says which to put where.
        DamagedError: If a file is not what it should be; says which and how.

    References:
        LeCun, Cortes, Burges: The MNIST database of handwritten digits (the IDX format is described there).
    """
    if not data_dir:
        return _downloaded_mnist()
    missing = list(_MNIST)
    for folder in _folders(data_dir, "mnist"):
        paths = {part: _find(folder, *_idx_names(part)) for part in _MNIST}
        if all(paths.values()):
            return _idx_mnist({part: path for part, path in paths.items() if path})
        if archive := _find(folder, _NPZ):
            return _npz_mnist(archive)
        missing = min(missing, [part for part in paths if not paths[part]], key=len)
    names = ", ".join(f"{part}-{_MNIST[part]}" for part in missing)
    raise FileNotFoundError(
        f"{data_dir} lacks {names} (.gz or not), itself and in a subfolder 'mnist': put MNIST's four "
        f"original files there, or Keras's {_NPZ}, or leave the folder out to have Keras download it"
    )


def binarized_mnist(data_dir: str = "") -> BinarizedMnist:
    """Loads MNIST as bits: 50,000 rows for training, 10,000 for validation, 10,000 for testing.

    With the literature's files (`FIXED`) the numbers compare with papers. Their rows come as they lie in the files:
    the test rows of the common .mat files are sorted by class (the first 2,000 are digits 0 and 1), so shuffle, and
    draw at random where only some rows are used. Their validation rows come from all over the 60,000 training images.

    Without them one draw is made (`DRAWN`), the same at every call: pixel p of 0..255 is 1 with probability p/255,
    namely where u < p with u uniform on 0..254 from NumPy's Generator(PCG64(0)), training images first, then test
    images, row by row. The last sixth of the training images is for validation. Rows keep MNIST's order.

    Args:
        data_dir: A folder that holds, itself or in its subfolder `mnist_binarized`, the files
            binarized_mnist_train, _valid and _test, each .mat (MATLAB v5, variable X) or .amat (text, a row a line);
            else what `mnist` takes.

    Raises:
        FileNotFoundError: If only some of the three files are there, or what `mnist` raises.
        DamagedError: If a file is not what it should be; says which and how.
        ImportError: If the files are .mat and SciPy is missing.

    References:
        Salakhutdinov, Murray 2008; Larochelle, Murray 2011: the fixed binarisation.
    """
    files = _fixed_files(data_dir)
    if not files:
        return _draw(mnist(data_dir))
    train, valid, test = map(_bit_rows, files)
    return BinarizedMnist(train, valid, test, FIXED)


def binarized_images(data_dir: str = "") -> Images:
    """Returns `binarized_mnist` as pictures [N, 28, 28, 1]."""
    data = binarized_mnist(data_dir)
    train, valid, test = (each.reshape(-1, SIDE, SIDE, 1) for each in data[:3])
    return Images(train, valid, test, data.source, levels=2)


def _fixed_files(data_dir: str) -> list[pathlib.Path]:
    """Returns the literature's three files, or nothing where there is none of them."""
    names = [f"binarized_mnist_{split}" for split in ("train", "valid", "test")]
    for folder in _folders(data_dir, "mnist_binarized"):
        paths = {name: _find(folder, f"{name}.mat", f"{name}.amat") for name in names}
        found = [path for path in paths.values() if path]
        if len(found) == len(names):
            return found
        if found:
            missing = ", ".join(f"{name}.mat" for name in names if not paths[name])
            raise FileNotFoundError(
                f"{folder} lacks {missing} (or .amat), but has {found[0].name}: add what is missing, "
                "or take the rest away to have the bits drawn from MNIST"
            )
    return []


def _draw(images: Mnist) -> BinarizedMnist:
    generator = np.random.Generator(np.random.PCG64(_SEED))

    def bits(grey: np.ndarray) -> np.ndarray:
        grey = grey.reshape(-1, PIXELS)
        uniform = generator.integers(255, size=grey.shape, dtype=np.uint8)
        return (uniform < grey).astype(np.uint8)

    train, test = bits(images.train_images), bits(images.test_images)
    kept = len(train) - len(train) // 6
    return BinarizedMnist(train[:kept], train[kept:], test, DRAWN)


def _folders(data_dir: str, subfolder: str) -> list[pathlib.Path]:
    """Returns where to look: the folder and its subfolder; nowhere when no folder is given."""
    if not data_dir:
        return []
    folder = pathlib.Path(data_dir).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"the data folder {data_dir} does not exist or is no folder: give one that holds the data, "
            "or none to have it downloaded"
        )
    return [folder, folder / subfolder]


def _find(folder: pathlib.Path, *names: str) -> pathlib.Path | None:
    """Returns the first of these files that is there."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _idx_names(part: str) -> list[str]:
    names = [f"{part}-{_MNIST[part]}", f"{part}.{_MNIST[part]}"]
    return [name + suffix for name in names for suffix in ("", ".gz")]


def _downloaded_mnist() -> Mnist:
    import keras

    try:
        train, test = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception when offline
        raise FileNotFoundError(
            f"Keras could not download MNIST ({error}): put MNIST's four original files "
            f"({', '.join(f'{part}-{kind}.gz' for part, kind in _MNIST.items())}) or Keras's {_NPZ} into a "
            "folder and give it as data_dir (--data_dir=FOLDER)"
        ) from error
    return Mnist(*train, *test)


def _npz_mnist(path: pathlib.Path) -> Mnist:
    keys = ("x_train", "y_train", "x_test", "y_test")
    with path.open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                data = Mnist(*(archive[key] for key in keys))
        except Exception as error:  # NumPy raises whatever its parsers stumble over
            raise DamagedError(
                f"{path} is no NumPy archive with {', '.join(keys)}, or was cut short or changed: {error!r}"
            ) from error
    _check_digits(data.train_images, data.train_labels, path, path)
    _check_digits(data.test_images, data.test_labels, path, path)
    return data


def _idx_mnist(paths: dict[str, pathlib.Path]) -> Mnist:
    arrays = []
    for part in ("train", "t10k"):
        images_path, labels_path = paths[f"{part}-images"], paths[f"{part}-labels"]
        images = _read_idx(images_path, _IMAGES)
        labels = _read_idx(labels_path, _LABELS)
        _check_digits(images, labels, images_path, labels_path)
        arrays += [images, labels]
    return Mnist(*arrays)


def _read_idx(path: pathlib.Path, magic: int) -> np.ndarray:
    """Reads big-endian int32 magic number (its last byte is the rank), sizes, then the bytes."""
    raw = _unzipped(path)
    header = 4 + 4 * (magic & 0xFF)
    if len(raw) < header:
        raise DamagedError(
            f"{path} is cut short: {len(raw)} bytes came, its header alone has {header}"
        )
    found, *shape = struct.unpack_from(f">{header // 4}i", raw)
    if found != magic:
        raise DamagedError(
            f"{path} is no such IDX file: it starts with the magic number {found}, expected {magic}"
        )
    expected, came = math.prod(shape), len(raw) - header
    if min(shape) < 1 or came != expected:
        raise DamagedError(
            f"{path} is cut short or changed: its header announces {shape} = {expected} bytes, {came} came"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape).copy()


def _unzipped(path: pathlib.Path) -> bytes:
    """Returns the content; what counts is how it starts, for browsers unzip and keep the name."""
    raw = path.read_bytes()
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedError(
            f"{path} is cut short or changed, it does not unzip: {error}"
        ) from error


def _check_digits(
    images: np.ndarray,
    labels: np.ndarray,
    images_path: pathlib.Path,
    labels_path: pathlib.Path,
) -> None:
    shape_fits = images.shape[1:] == (SIDE, SIDE) and len(images)
    if not shape_fits or images.dtype != np.uint8:
        raise DamagedError(
            f"{images_path} holds {images.dtype} of shape {list(images.shape)}, expected uint8 [N, {SIDE}, {SIDE}]"
        )
    if labels.shape != images.shape[:1] or labels.dtype != np.uint8:
        raise DamagedError(
            f"{labels_path} holds {labels.dtype} labels of shape {list(labels.shape)}, expected uint8 "
            f"[{len(images)}], one for each image of {images_path.name}"
        )
    if labels.max() > 9:
        raise DamagedError(
            f"{labels_path} has the label {labels.max()}, expected 0 to 9"
        )


def _bit_rows(path: pathlib.Path) -> np.ndarray:
    """Reads [N, 784] uint8 rows of 0 and 1."""
    rows = _read_mat(path) if path.suffix == ".mat" else _read_amat(path)
    if rows.ndim != 2 or rows.shape[1] != PIXELS or not len(rows):
        raise DamagedError(
            f"{path} holds an array of shape {list(rows.shape)}, expected rows of {PIXELS} pixels"
        )
    odd = rows[(rows != 0) & (rows != 1)]
    if len(odd):
        raise DamagedError(f"{path} has the value {odd[0]}, expected only 0 and 1")
    return np.ascontiguousarray(rows, np.uint8)


def _read_mat(path: pathlib.Path) -> np.ndarray:
    try:
        import scipy.io
    except ModuleNotFoundError:
        raise ImportError(
            f"{path.name} is a MATLAB file, which SciPy reads: pip install 'latent-agent-zoo[data]'"
        ) from None
    with path.open("rb") as file:
        try:
            return np.asarray(scipy.io.loadmat(file, variable_names=["X"])["X"])
        except Exception as error:  # SciPy raises whatever its parser stumbles over
            raise DamagedError(
                f"{path} is no MATLAB v5 file with a variable X, or was cut short or changed: {error!r}"
            ) from error


def _read_amat(path: pathlib.Path) -> np.ndarray:
    with path.open() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no data: the caller refuses it
        try:
            return np.loadtxt(file, dtype=np.uint8, ndmin=2)
        except ValueError as error:
            raise DamagedError(
                f"{path} is no text of 0 and 1 in rows of equal length: {error}"
            ) from error
