import cv2
import numpy as np
import pytest

from facekit.faces.align import TEMPLATE_MARGIN, align, template
from facekit.faces.quality import head_pose_deg, measure_quality, sharpness
from facekit.types import Face
from tests.tiny.faces import DiscFaces, draw_photo


def measured(image: np.ndarray):
    return measure_quality(image, DiscFaces().detect([image])[0][0])


@pytest.mark.parametrize("diameter_px", [24, 40, 70])
def test_blur_lowers_sharpness_at_every_size(diameter_px: int):
    image = draw_photo(diameter_px=diameter_px)
    sharp = measured(image).sharpness
    blurred = measured(cv2.GaussianBlur(image, (0, 0), diameter_px / 20)).sharpness
    assert sharp > 0.4
    assert blurred < sharp / 2


def test_light_does_not_change_sharpness_but_brightness():
    bright, dark = measured(draw_photo()), measured(draw_photo(light=0.5))
    assert dark.sharpness == pytest.approx(bright.sharpness, rel=0.2)
    assert dark.brightness == pytest.approx(bright.brightness / 2, rel=0.1)
    assert dark.contrast < bright.contrast


def test_sharpness_takes_a_crop_of_any_size():
    image = draw_photo(diameter_px=40)
    face = DiscFaces().detect([image])[0][0]
    values = [
        sharpness(align(image, face, size_px=size, margin=TEMPLATE_MARGIN)) for size in (64, 112)
    ]
    assert min(values) > 0.3


def test_the_box_tells_size_and_what_is_cut_off():
    image = np.full((100, 200, 3), 128, np.uint8)
    marks = template(40) + np.array([-20, 30], np.float32)
    box = np.array([-20, 30, 20, 80], np.float32)
    quality = measure_quality(image, Face(box_xyxy_px=box, landmarks_px=marks, score=0.7))
    assert quality.face_px == 40
    assert quality.face_fraction == pytest.approx(0.5)
    assert quality.visible == pytest.approx(0.5)
    assert quality.score == pytest.approx(0.7)
    assert 0.0 < quality.weight <= 1.0


@pytest.mark.parametrize("roll_deg", [-40, 0, 25])
def test_pose_is_read_from_landmarks(roll_deg: float):
    angle = np.deg2rad(roll_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    yaws = []
    for nose in (-8.0, 0.0, 8.0):
        marks = template(112).astype(np.float64)
        marks[2, 0] += nose
        yaw, roll = head_pose_deg(marks @ turn)
        yaws.append(yaw)
        assert roll == pytest.approx(roll_deg, abs=4)
    assert yaws[0] < -10 < abs(yaws[1]) < 10 < yaws[2]


def test_a_better_picture_weighs_more():
    good = measured(draw_photo(diameter_px=60)).weight
    assert good > measured(draw_photo(diameter_px=20)).weight
    assert good > measured(draw_photo(diameter_px=60, light=0.3)).weight
    assert good > measured(draw_photo(diameter_px=60, turn=0.9)).weight
