import dataclasses

import numpy as np
import pytest

from facekit.faces.quality import FaceQuality
from facekit.workflows import check_grids
from facekit.workflows.check_grids import DISTANCE, GRIDS, YAW

MEASURED = FaceQuality(
    face_px=100.0,
    face_fraction=0.4,
    visible=1.0,
    sharpness=1.0,
    brightness=0.5,
    contrast=0.2,
    yaw_deg=0.0,
    pitch_deg=0.0,
    roll_deg=0.0,
    burnt=0.0,
    black=0.0,
    mouth=1.0,
    score=0.9,
)


@pytest.mark.parametrize(
    ("yaw_deg", "label"),
    [
        (-60, "far left"),
        (-20, "left"),
        (0, "front"),
        (14.9, "front"),
        (20, "right"),
        (50, "far right"),
    ],
)
def test_the_turn_of_a_head_has_a_class(yaw_deg: float, label: str):
    assert YAW.labels[YAW.place(dataclasses.replace(MEASURED, yaw_deg=yaw_deg))] == label


def test_a_large_face_is_near():
    near = dataclasses.replace(MEASURED, face_fraction=0.8)
    assert DISTANCE.labels[DISTANCE.place(near)] == "near"
    far = dataclasses.replace(MEASURED, face_fraction=0.1)
    assert DISTANCE.labels[DISTANCE.place(far)] == "far"


def test_every_axis_has_a_label_for_each_class():
    for axis in {axis for pair in GRIDS for axis in pair}:
        assert len(axis.labels) == len(axis.edges) + 1
        assert list(axis.edges) == sorted(axis.edges)


def test_the_limit_divides_the_colours():
    red, even, green = check_grids._colours(np.array([[-0.2, 0.35, 1.0]], np.float32), 0.35)[0]
    assert red[0] > red[1] + 50
    assert green[1] > green[0] + 50
    assert even.min() > 245
