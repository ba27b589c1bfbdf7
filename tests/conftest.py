"""Settings of every test process, made before TensorFlow is imported, and shared fixtures."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests import digits

# Two threads each: fixed counts make results repeat bit for bit on one machine type, and suit two cores.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "2")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ["KERAS_BACKEND"] = "tensorflow"


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """A folder for one run, which does not exist yet."""
    return tmp_path / "run"


@pytest.fixture(scope="session")
def mnist_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four files of MNIST, but of 1200 and 200 digits drawn with a font; only read it."""
    folder = tmp_path_factory.mktemp("mnist")
    digits.write(folder, 1200, 200)
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the repository."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def load_script(repository: Path) -> Callable[[str], ModuleType]:
    """Imports a script that lies in no package, by its path in the repository."""

    def load(path: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(
            Path(path).stem, repository / path
        )
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
