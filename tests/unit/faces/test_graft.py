import cv2
import numpy as np
import pytest

from facekit.errors import AlignmentError
from facekit.faces.align import template
from facekit.faces.graft import face_difference, graft_face

MARKS = template(48) + 24.0


def turned(points, degrees, scale, shift):
    angle = np.deg2rad(degrees)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points - 48.0) @ matrix.T + 48.0 + shift


def dotted(points, level=255, side=96):
    """A dark picture with a spot on each landmark."""
    picture = np.zeros((side, side, 3), np.uint8)
    for x, y in points:
        cv2.circle(picture, (round(float(x)), round(float(y))), 2, (level, level, level), -1)
    return picture


def test_size_place_and_roll_make_no_difference_and_yaw_does():
    apart, scale = face_difference(MARKS, turned(MARKS, 20.0, 1.5, (3.0, -4.0)))
    assert (apart, scale) == (pytest.approx(0.0, abs=1e-5), pytest.approx(1.5, abs=1e-5))

    nose_aside = MARKS + np.array([[0, 0], [0, 0], [6.0, 0], [0, 0], [0, 0]])
    assert face_difference(MARKS, nose_aside)[0] > 0.02


def test_features_land_on_the_landmarks_of_the_picture():
    there = turned(MARKS, 15.0, 0.8, (4.0, 2.0))
    grafted = graft_face(dotted([]), there, dotted(MARKS), MARKS)

    for x, y in there:
        assert grafted[round(float(y)), round(float(x))].min() > 150
    assert np.abs(grafted.astype(int) - dotted(there)).mean() < 3


def test_nothing_changes_outside_of_the_face_and_half_is_half():
    picture = np.full((96, 96, 3), 100, np.uint8)
    donor = np.full((96, 96, 3), 200, np.uint8)

    whole, half = (graft_face(picture, MARKS, donor, MARKS, amount) for amount in (1.0, 0.5))

    middle = tuple(MARKS.mean(axis=0).round().astype(int)[::-1])
    assert whole[middle].tolist() == [200] * 3
    assert half[middle].tolist() == [150] * 3
    assert (whole[0] == 100).all()
    assert (whole[:, -1] == 100).all()
    assert np.array_equal(graft_face(picture, MARKS, donor, MARKS, 0.0), picture)


def test_landmarks_that_are_no_face_are_an_error():
    with pytest.raises(AlignmentError):
        graft_face(dotted([]), MARKS, dotted([]), np.zeros((5, 2)))
