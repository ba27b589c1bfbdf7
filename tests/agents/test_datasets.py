import gzip
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import scipy.io

from agents import datasets
from agents.checkpoint import DamagedError
from tests import digits

FILES = {
    "train-images-idx3-ubyte": "x_train",
    "train-labels-idx1-ubyte": "y_train",
    "t10k-images-idx3-ubyte": "x_test",
    "t10k-labels-idx1-ubyte": "y_test",
}
NAMES = ("binarized_mnist_train", "binarized_mnist_valid", "binarized_mnist_test")


@pytest.fixture(scope="module")
def few():
    """Seven and three digits, under the names of Keras's archive."""
    train, test = digits.draw(7, 5), digits.draw(3, 6)
    return dict(zip(FILES.values(), (*train, *test), strict=True))


@pytest.fixture
def folder(few, tmp_path):
    """The four files of `few`, not gzipped."""
    for name, key in FILES.items():
        digits.write_idx(tmp_path / name, few[key])
    return tmp_path


@pytest.fixture(scope="module")
def bits():
    rng = np.random.default_rng(0)
    return [rng.integers(2, size=(n, 784), dtype=np.uint8) for n in (6, 3, 4)]


def write_mat(path, **variables):
    with path.open("wb") as file:
        scipy.io.savemat(file, variables, do_compression=True)


def write_amat(path, rows):
    lines = [" ".join(map(str, row)) for row in rows.tolist()]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def mats(bits, tmp_path):
    """The three .mat files of `bits`."""
    for name, rows in zip(NAMES, bits, strict=True):
        write_mat(tmp_path / f"{name}.mat", X=rows)
    return tmp_path


def check_digits(data, few):
    for array, key in zip(data, few, strict=True):
        np.testing.assert_array_equal(array, few[key])
        assert array.dtype == np.uint8 and array.flags.writeable


def check_damaged(load, folder, file, said):
    with pytest.raises(DamagedError, match=said) as caught:
        load(str(folder))
    assert str(folder / file) in str(caught.value)


# MNIST


def test_the_stand_in_loads_as_it_was_drawn(mnist_dir):
    data = datasets.mnist(str(mnist_dir))
    train, test = digits.draw(1200, 0), digits.draw(200, 1)
    check_digits(data, dict(zip(FILES.values(), (*train, *test), strict=True)))
    assert data.train_images.shape == (1200, 28, 28)
    assert set(data.test_labels) == set(range(10))


@pytest.mark.parametrize("subfolder", ["", "mnist"])
@pytest.mark.parametrize("spelling", ["-idx", ".idx"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_four_files_load_under_either_name_gzipped_or_not(
    few, tmp_path, subfolder, spelling, suffix
):
    (tmp_path / subfolder).mkdir(exist_ok=True)
    for name, key in FILES.items():
        path = tmp_path / subfolder / (name.replace("-idx", spelling) + suffix)
        digits.write_idx(path, few[key])
    check_digits(datasets.mnist(str(tmp_path)), few)


def test_a_file_that_the_browser_unzipped_but_did_not_rename_loads(folder, few):
    for name in FILES:
        (folder / name).rename(folder / f"{name}.gz")
    check_digits(datasets.mnist(str(folder)), few)


@pytest.mark.parametrize("subfolder", ["", "mnist"])
def test_the_archive_of_keras_loads(few, tmp_path, subfolder):
    (tmp_path / subfolder).mkdir(exist_ok=True)
    np.savez(tmp_path / subfolder / "mnist.npz", **few)
    check_digits(datasets.mnist(str(tmp_path)), few)


def test_missing_files_are_named(folder):
    (folder / "train-labels-idx1-ubyte").unlink()
    (folder / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        datasets.mnist(str(folder))
    said = str(caught.value)
    assert f"{folder} lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte (" in said
    assert "train-images" not in said and "mnist.npz" in said


def test_an_empty_folder_and_none_at_all_say_what_to_put_there(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        datasets.mnist(str(tmp_path))
    assert all(name in str(caught.value) for name in FILES)
    for load in (datasets.mnist, datasets.binarized_mnist):
        with pytest.raises(FileNotFoundError, match="absent does not exist"):
            load(str(tmp_path / "absent"))


DAMAGE = {
    "cut": (lambda raw: raw[:-5], r"announces \[7, 28, 28\] = 5488 bytes, 5483"),
    "too long": (lambda raw: raw + b"12", "announces .* = 5488 bytes, 5490 came"),
    "empty": (lambda raw: b"", "0 bytes came, its header alone has 16"),
    "magic": (lambda raw: b"PK" + raw[2:], "magic number .*, expected 2051"),
    "labels": (
        lambda raw: struct.pack(">2i", 2049, 9) + bytes(9),
        "magic number 2049, expected 2051",
    ),
    "count": (
        lambda raw: raw[:4] + struct.pack(">i", 9) + raw[8:],
        r"announces \[9, 28, 28\] = 7056 bytes, 5488 came",
    ),
    "negative": (lambda raw: raw[:4] + b"\xff" * 4 + raw[8:], r"announces \[-1, "),
    "side": (
        lambda raw: struct.pack(">4i", 2051, 7, 27, 27) + bytes(7 * 729),
        r"uint8 of shape \[7, 27, 27\], expected uint8 \[N, 28, 28\]",
    ),
    "gzip cut": (lambda raw: gzip.compress(raw)[:-20], "does not unzip"),
    "gzip crc": (
        lambda raw: gzip.compress(raw)[:-8] + b"abcd" + gzip.compress(raw)[-4:],
        "does not unzip: CRC check failed",
    ),
    "gzip body": (
        lambda raw: gzip.compress(raw)[:30] + b"!" * 99,
        "does not unzip",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_of_images_is_named_with_what_is_wrong(folder, kind):
    change, said = DAMAGE[kind]
    file = folder / "train-images-idx3-ubyte"
    file.write_bytes(change(file.read_bytes()))
    check_damaged(datasets.mnist, folder, file.name, said)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([3, 1], r"shape \[2\], expected uint8 \[3\], one for each image of t10k-im"),
        ([3, 1, 4, 1], r"shape \[4\], expected uint8 \[3\]"),
        ([3, 17, 4], "label 17, expected 0 to 9"),
    ],
)
def test_labels_that_do_not_fit_the_images_are_refused(folder, labels, said):
    file = folder / "t10k-labels-idx1-ubyte"
    digits.write_idx(file, np.array(labels, np.uint8))
    check_damaged(datasets.mnist, folder, file.name, said)


def test_a_damaged_archive_is_named_with_what_is_wrong(few, tmp_path):
    file = tmp_path / "mnist.npz"
    np.savez_compressed(file, **few)
    whole = file.read_bytes()
    said = "no NumPy archive with x_train, y_train, x_test, y_test, or was cut"
    changed = whole[:400] + bytes(300) + whole[700:]
    for raw in (b"", b"hello", whole[:-100], whole[:3000], changed):
        file.write_bytes(raw)
        check_damaged(datasets.mnist, tmp_path, file.name, said)
    np.savez(file, x_train=few["x_train"])
    check_damaged(datasets.mnist, tmp_path, file.name, said)
    np.savez(file, **few | {"x_test": few["x_test"][:0]})
    check_damaged(datasets.mnist, tmp_path, file.name, r"uint8 of shape \[0, 28, 28\]")
    np.savez(file, **few | {"x_test": few["x_test"] / 255})
    check_damaged(
        datasets.mnist, tmp_path, file.name, r"float64 of shape \[3, 28, 28\]"
    )


def test_without_a_folder_keras_downloads_and_without_network_it_says_what_to_do(
    few, monkeypatch
):
    import keras

    pairs = (few["x_train"], few["y_train"]), (few["x_test"], few["y_test"])
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: pairs)
    check_digits(datasets.mnist(), few)
    assert datasets.binarized_mnist().source == datasets.DRAWN

    def offline():
        raise Exception("URL fetch failure: no such host")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", offline)
    with pytest.raises(FileNotFoundError, match="no such host") as caught:
        datasets.mnist()
    names = [*(f"{name}.gz" for name in FILES), "mnist.npz", "--data_dir=FOLDER"]
    assert all(name in str(caught.value) for name in names)


def test_importing_it_loads_no_tensorflow_no_keras_and_no_scipy():
    code = "import sys, agents.datasets; print({'tensorflow', 'keras', 'scipy'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# The binarised digits


def check_bits(data, bits):
    for array, rows in zip(data[:3], bits, strict=True):
        np.testing.assert_array_equal(array, rows)
        assert array.dtype == np.uint8 and array.flags.c_contiguous
    assert (
        data.source == datasets.FIXED == "fixed binarisation of Larochelle and Murray"
    )


@pytest.mark.parametrize("subfolder", ["", "mnist_binarized"])
@pytest.mark.parametrize("texts", [0, 1, 3])
def test_the_files_of_the_literature_load_as_matlab_or_text(
    bits, tmp_path, subfolder, texts
):
    (tmp_path / subfolder).mkdir(exist_ok=True)
    for i, (name, rows) in enumerate(zip(NAMES, bits, strict=True)):
        path = tmp_path / subfolder / name
        if i < texts:
            write_amat(path.with_suffix(".amat"), rows)
        else:
            write_mat(path.with_suffix(".mat"), X=rows)
    check_bits(datasets.binarized_mnist(str(tmp_path)), bits)


def test_the_files_of_the_literature_come_before_a_draw(mats, bits, mnist_dir):
    shutil.copytree(mnist_dir, mats / "mnist")
    check_bits(datasets.binarized_mnist(str(mats)), bits)


def test_part_of_the_literatures_files_is_an_error_and_no_silent_draw(mats, mnist_dir):
    shutil.copytree(mnist_dir, mats / "mnist")
    (mats / "binarized_mnist_valid.mat").unlink()
    said = "lacks binarized_mnist_valid.mat .or .amat., but has binarized_mnist_train"
    with pytest.raises(FileNotFoundError, match=said):
        datasets.binarized_mnist(str(mats))


def test_without_scipy_it_says_what_to_install_and_text_still_loads(
    mats, bits, monkeypatch
):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ImportError, match=r"pip install 'latent-agent-zoo\[data\]'"):
        datasets.binarized_mnist(str(mats))
    for name, rows in zip(NAMES, bits, strict=True):
        (mats / f"{name}.mat").unlink()
        write_amat(mats / f"{name}.amat", rows)
    check_bits(datasets.binarized_mnist(str(mats)), bits)


def test_rows_of_the_wrong_kind_are_refused(mats, bits):
    file = mats / "binarized_mnist_test.mat"
    for rows, said in (
        (bits[2] * 2, "value 2, expected only 0 and 1"),
        (bits[2] - np.float32(0.5), "value -?0.5, expected only 0 and 1"),
        (bits[2][:, :783], r"shape \[4, 783\], expected rows of 784 pixels"),
        (bits[2][:0], r"shape \[0, 784\], expected rows"),
        (bits[2].reshape(4, 28, 28), r"shape \[4, 28, 28\], expected rows"),
    ):
        write_mat(file, X=rows)
        check_damaged(datasets.binarized_mnist, mats, file.name, said)
    write_mat(file, Y=bits[2])
    check_damaged(datasets.binarized_mnist, mats, file.name, "no MATLAB .* variable X")


def test_a_damaged_matlab_file_is_named(mats):
    file = mats / "binarized_mnist_valid.mat"
    whole = file.read_bytes()
    changed = whole[:200] + bytes([whole[200] ^ 255]) + whole[201:]
    for raw in (b"", b"hello", whole[:128], whole[:133], whole[:-9], changed):
        file.write_bytes(raw)
        said = "is no MATLAB v5 file with a variable X, or was cut short"
        check_damaged(datasets.binarized_mnist, mats, file.name, said)


def test_damaged_text_is_named(mats, bits):
    (mats / "binarized_mnist_test.mat").unlink()
    file = mats / "binarized_mnist_test.amat"
    write_amat(file, bits[2])
    whole = file.read_bytes()
    for raw, said in (
        (b"", r"shape \[0, 1\], expected rows of 784"),
        (whole[:-10], "no text of 0 and 1 in rows of equal length: .*row"),
        (whole.replace(b"1", b"x", 1), "no text of 0 and 1 .*'x'"),
        (whole.replace(b"1", b"7", 1), "value 7, expected only 0 and 1"),
        (b"\xff\xfe" + whole, "no text of 0 and 1"),
    ):
        file.write_bytes(raw)
        check_damaged(datasets.binarized_mnist, mats, file.name, said)


def test_the_draw_keeps_the_order_and_takes_the_last_sixth_for_validation(mnist_dir):
    grey = datasets.mnist(str(mnist_dir))
    drawn = datasets.binarized_mnist(str(mnist_dir))
    assert [rows.shape for rows in drawn[:3]] == [(1000, 784), (200, 784), (200, 784)]
    assert drawn.source == datasets.DRAWN
    train = np.concatenate([drawn.train, drawn.valid])
    for rows, images in ((train, grey.train_images), (drawn.test, grey.test_images)):
        images = images.reshape(-1, 784)
        assert rows.dtype == np.uint8 and set(np.unique(rows)) == {0, 1}
        assert not rows[images == 0].any()
        deviation = rows.sum() - (images / 255).sum()
        variance = (images / 255 * (1 - images / 255)).sum()
        assert abs(deviation) < 4 * variance**0.5


def test_each_grey_becomes_ink_with_its_probability_and_the_draw_never_changes(
    tmp_path,
):
    grey = np.repeat(np.arange(256, dtype=np.uint8), 49).reshape(16, 28, 28)
    few = {"x_train": np.tile(grey, (12, 1, 1)), "x_test": grey[:1]}
    labels = {"y_train": np.zeros(192, np.uint8), "y_test": np.zeros(1, np.uint8)}
    np.savez(tmp_path / "mnist.npz", **few, **labels)
    drawn = datasets.binarized_mnist(str(tmp_path))
    train = np.concatenate([drawn.train, drawn.valid])
    share = train.reshape(12, 256, 49).mean((0, 2))
    p = np.arange(256) / 255
    error = (p * (1 - p) / (12 * 49)) ** 0.5
    assert share[0] == 0 and share[255] == 1
    assert np.all(abs(share - p) <= 4.5 * error)
    # Numbers of papers rest on this one draw: another NumPy must not change it unnoticed.
    assert zlib.crc32(train.tobytes()) == 4560889


def test_bits_come_as_pictures_too(mats, bits):
    data = datasets.binarized_images(str(mats))
    assert (data.levels, data.source) == (2, datasets.FIXED)
    assert [each.shape[1:] for each in data[:3]] == [(28, 28, 1)] * 3
    np.testing.assert_array_equal(data.test.reshape(-1, 784), bits[2])
