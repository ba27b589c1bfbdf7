"""Fixtures of several test modules."""

from collections.abc import Iterator

import pytest

import envs


@pytest.fixture(scope="module")
def catch() -> Iterator[envs.VectorEnv]:
    """Two rows of Catch."""
    made = envs.make("zoo:Catch-v0", 2)
    yield made
    made.close()
