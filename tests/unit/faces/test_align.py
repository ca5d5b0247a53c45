import numpy as np
import pytest

from facekit.errors import AlignmentError
from facekit.faces.align import align, align_with, invert_transform, similarity_transform, template
from facekit.types import Face


def face_at(marks: np.ndarray) -> Face:
    return Face(
        box_xyxy_px=np.array([0, 0, 50, 50], np.float32),
        landmarks_px=marks.astype(np.float32),
        score=1.0,
    )


def test_a_crop_carries_the_face_and_its_source():
    face = face_at(template(64) + 10)
    crop = align(np.zeros((90, 90, 3), np.uint8), face, size_px=48, source="a.png")
    assert crop.pixels.shape == (48, 48, 3)
    assert crop.face is face
    assert crop.source == "a.png"


def test_the_margin_shows_more():
    marks = template(64)
    wide, narrow = (similarity_transform(marks, 64, margin)[0, 0] for margin in (0.25, 0.0))
    assert wide * 1.5 == pytest.approx(narrow, rel=1e-5)


def test_outside_of_the_picture_is_black():
    white = np.full((64, 64, 3), 255, np.uint8)
    crop = align(white, face_at(template(64) + 30), size_px=64).pixels
    assert crop[0, 0].tolist() == [255, 255, 255]
    assert crop[-1, -1].tolist() == [0, 0, 0]


def test_a_large_face_does_not_alias():
    stripes = np.zeros((1200, 1200, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = align(stripes, face_at(template(1000) + 100), size_px=32).pixels
    assert crop[4:-4, 4:-4].std() < 6


@pytest.mark.parametrize(
    ("marks", "why"),
    [
        (np.full((5, 2), 7.0), "one place"),
        (np.stack([np.arange(5.0), np.arange(5.0)], axis=1), "line"),
        (np.full((5, 2), np.nan), "not finite"),
        (template(64)[[1, 0, 2, 4, 3]], "do not look like a face"),
        (template(64)[:3], "shape"),
    ],
)
def test_landmarks_that_are_no_face_are_refused(marks: np.ndarray, why: str):
    with pytest.raises(AlignmentError, match=why):
        similarity_transform(marks, 64)


@pytest.mark.parametrize(("size_px", "margin"), [(4, 0.0), (64, -0.1), (64, 0.6)])
def test_a_template_that_makes_no_sense_is_refused(size_px: int, margin: float):
    with pytest.raises(ValueError, match=r"must be in|at least"):
        template(size_px, margin)


def test_a_known_transform_gives_the_same_crop():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (80, 80, 3), dtype=np.uint8)
    face = face_at(template(60) + 8)
    transform = similarity_transform(face.landmarks_px, 40)
    expected = align(picture, face, size_px=40).pixels
    np.testing.assert_array_equal(align_with(picture, transform, 40), expected)
    back = invert_transform(invert_transform(transform))
    np.testing.assert_allclose(back, transform, atol=1e-4)
