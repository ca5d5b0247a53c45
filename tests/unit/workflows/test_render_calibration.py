"""Thresholds from similarities, and the file that keeps them."""

import numpy as np
import pytest

from facekit.errors import RenderError, UsageError
from facekit.workflows.render_calibration import (
    CALIBRATION_FILE,
    calibrated,
    material_of,
    read_calibration,
    thresholds_of,
)
from facekit.workflows.render_files import write_json
from facekit.workflows.render_judge import JudgePlan


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


def test_the_part_that_reaches_the_threshold_is_that_of_the_one_in_use() -> None:
    """With few pairs the encoder's own is in use, and fewer faces of the cast reach it."""
    found = thresholds_of(
        {"mira": np.asarray([0.3, 0.6], np.float32)}, {"mira": np.asarray([0.1], np.float32)}, 0.5
    )
    assert (found.floor, found.tar, found.accepted, found.is_enough) == (0.5, 0.5, 0.0, False)
    assert found.accepted_high == pytest.approx(0.793, abs=1e-3)  # of one face nothing is known
    alike = {"mira": np.asarray([0.8], np.float32)}
    assert thresholds_of(alike, alike, 0.5).floor > 0.8  # somebody else is as alike as that


def test_another_part_of_other_people_may_pass() -> None:
    others = {"mira": np.linspace(0, 1, 101, dtype=np.float32)}
    own = {"mira": np.ones(1, np.float32)}
    found = {far: thresholds_of(own, others, 0.2, far) for far in (0.02, 0.2)}
    assert {far: one.accepted <= far for far, one in found.items()} == {0.02: True, 0.2: True}
    assert found[0.2].floor < found[0.02].floor
    assert found[0.2].accepted_high > found[0.2].accepted
    for far in (0.0, 0.6, -1.0):
        with pytest.raises(UsageError, match=r"expected above 0 and at most 0\.5"):
            thresholds_of(own, others, 0.2, far)


def written(tmp_path, **changes: object):
    few = {"mira": np.asarray([0.1, 0.2], np.float32)}
    cast = {"mira": {"character": "a" * 64, "photos": ["b" * 64]}}
    content = {"encoder": "judge@1", "date": "2026-11-21T20:17:00Z", "cast": cast, **changes}
    told = thresholds_of(few, few, 0.35).to_json()
    write_json(tmp_path / CALIBRATION_FILE, {**told, **content})
    return read_calibration(tmp_path)


def test_what_was_written_is_read_again(tmp_path) -> None:
    assert read_calibration(tmp_path) is None
    found = written(tmp_path)
    assert found is not None
    assert (found.floor, found.p05) == (0.35, {"mira": 0.35})
    assert (found.encoder, found.date[:10]) == ("judge@1", "2026-11-21")
    (tmp_path / CALIBRATION_FILE).write_text("{}")
    with pytest.raises(RenderError, match="damaged"):
        read_calibration(tmp_path)


def test_a_calibration_of_others_is_set_aside_and_says_why(tmp_path) -> None:
    file, photo = tmp_path / "mira.safetensors", tmp_path / "photo.png"
    file.write_bytes(b"1")
    photo.write_bytes(b"2")
    judge = JudgePlan(encoder="judge", photos={"mira": (photo,)})
    now = {name: one.to_json() for name, one in material_of(judge, {"mira": file}).items()}
    kept = calibrated(judge, written(tmp_path, cast=now), {"mira": file})
    assert (kept.floor, kept.p05, kept.calibrated) == (
        0.35,
        {"mira": 0.35},
        "0.35, calibrated 2026-11-21",
    )
    assert kept.digest != judge.digest
    assert calibrated(judge, None, {"mira": file}) == judge
    made_anew = {"mira": {**now["mira"], "character": "0"}}
    others = {"mira": {**now["mira"], "photos": []}}
    for changes, why in (
        ({"cast": made_anew}, "mira was made anew"),
        ({"cast": others}, "mira is compared with other photos"),
        ({"cast": {}}, "mira is new"),
        ({"cast": now, "encoder": "x@1"}, "it was made with x@1, and judge judges"),
    ):
        aside = calibrated(judge, written(tmp_path, **changes), {"mira": file})
        assert (aside.floor, aside.p05) == (None, None)
        assert f"{why} since 2026-11-21T20:17:00Z" in aside.warnings[-1]
        assert aside.digest == judge.digest
