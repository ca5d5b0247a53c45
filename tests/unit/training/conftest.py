from pathlib import Path

import pytest

from tests.tiny.training import TinyRun


@pytest.fixture
def tiny_run(tmp_path: Path) -> TinyRun:
    return TinyRun(tmp_path)
