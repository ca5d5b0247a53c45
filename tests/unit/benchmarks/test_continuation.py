import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import continuation
from benchmarks.continuation_sheet import mean_curve, write_curves, write_frames
from benchmarks.continuation_work import WAYS
from facekit.types import Clip

ROW = {
    "way": "plain",
    "start": 0.6,
    "end": 0.3,
    "drawn_frames": 34,
    "frames": 30,
    "motion": 2.0,
    "seam_step": 3.0,
    "inside_step": 2.0,
}


def test_the_loss_is_that_of_the_means_and_the_worst_is_told():
    rows = [
        {**ROW, "loss": 0.5, "stopped": None},
        {**ROW, "start": 0.4, "end": 0.4, "loss": 0.0, "stopped": "after 30 of 60 frames"},
    ]

    found = continuation.summarise(rows)

    assert found["loss"] == pytest.approx(1 - 0.35 / 0.5)
    assert found["worst_loss"] == 0.5
    assert found["loss_ci95"] == pytest.approx([0.0, 0.5]), "two shots: as they are, or one twice"
    assert (found["seam_step"], found["inside_step"]) == (3.0, 2.0)
    assert found["stopped"] == 1
    assert found["drawn_per_delivered"] == pytest.approx(68 / 60)


def test_curves_of_different_length_are_meaned_where_there_are_some():
    rows = [{"likeness_per_second": [0.5, None, 0.3]}, {"likeness_per_second": [0.7, None]}]

    assert mean_curve(rows) == pytest.approx([0.6, np.nan, 0.3], nan_ok=True)


def test_both_pictures_are_drawn(tmp_path):
    rows = [{**ROW, "way": way, "likeness_per_second": [0.6, None, 0.5]} for way in WAYS]
    clip = Clip(frames=np.full((9, 12, 12, 3), 99, np.uint8), fps=8.0)
    short = Clip(frames=clip.frames[:4], fps=8.0)

    write_curves(tmp_path / "a.png", rows, WAYS, 8.0)
    write_frames(tmp_path / "b.png", {"one": clip, "two": short})

    for name in ("a.png", "b.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 1000


def test_a_quick_run_does_not_touch_what_is_published(tmp_path):
    quick = continuation.parse(["--quick", "--work", str(tmp_path)])
    assert quick.docs == tmp_path
    assert (quick.characters, quick.seeds) == (1, 1)
    assert continuation.parse([]).docs == continuation.RESULTS_DIR


def test_what_is_published_is_long_enough():
    found = json.loads((continuation.RESULTS_DIR / "continuation.json").read_text())
    for row in found["shots"]:
        assert row["stopped"] or len(row["likeness_per_chunk"]) >= 20
