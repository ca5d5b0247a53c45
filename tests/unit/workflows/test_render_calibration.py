"""Thresholds from similarities, and the file that keeps them."""

import numpy as np
import pytest

from facekit.errors import RenderError, UsageError
from facekit.workflows.render_calibration import (
    CALIBRATION_FILE,
    read_calibration,
    thresholds_of,
)
from facekit.workflows.render_files import write_json


def test_one_in_a_hundred_strangers_may_pass() -> None:
    others = np.linspace(-0.2, 0.4, 300, dtype=np.float32)
    own = np.full(10, 0.7, np.float32)
    found = thresholds_of({"mira": own}, {"mira": others}, 0.2)
    assert (others.astype(np.float64) >= found.floor).sum() == 3
    assert (found.p05, found.tar) == ({"mira": found.floor}, 1.0)


def test_few_pairs_lead_back_to_the_encoders_own_threshold() -> None:
    few = {"mira": np.asarray([0.1, 0.2], np.float32)}
    assert thresholds_of(few, few, 0.35).floor == 0.35
    with pytest.raises(UsageError, match="0 faces of the cast and 2 of others"):
        thresholds_of({}, few, 0.35)


def test_what_was_written_is_read_again(tmp_path) -> None:
    assert read_calibration(tmp_path) == (None, None)
    few = {"mira": np.asarray([0.1, 0.2], np.float32)}
    write_json(tmp_path / CALIBRATION_FILE, thresholds_of(few, few, 0.35).to_json())
    assert read_calibration(tmp_path) == (0.35, {"mira": 0.35})
    (tmp_path / CALIBRATION_FILE).write_text("{}")
    with pytest.raises(RenderError, match="damaged"):
        read_calibration(tmp_path)
