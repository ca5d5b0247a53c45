"""Real weights and photos, where this machine has some and says so."""

import os
from pathlib import Path

import pytest


def local_weights(name: str) -> Path:
    """A file below FACEKIT_TEST_WEIGHTS; the test is skipped where it is not."""
    return _below("FACEKIT_TEST_WEIGHTS", name)


def local_photo(name: str) -> Path:
    """A file below FACEKIT_TEST_FACES; the test is skipped where it is not."""
    return _below("FACEKIT_TEST_FACES", name)


def _below(variable: str, name: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"no {name} below {variable}")
    return path
