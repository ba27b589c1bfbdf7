"""Settings of every test process, made before TensorFlow is imported, and shared fixtures."""

import os
from pathlib import Path

import pytest

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
def repository() -> Path:
    """The folder of the repository."""
    return Path(__file__).resolve().parents[1]
