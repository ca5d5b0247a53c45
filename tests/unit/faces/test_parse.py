import numpy as np
import pytest

from facekit.faces.align import template
from facekit.faces.parse import EllipseParser, face_mask
from facekit.toon import ToonCharacter, draw, sample_scene
from facekit.types import Face


def test_the_mask_fills_the_box_and_nothing_far_from_it():
    box = np.array([30, 20, 70, 80], np.float32)
    face = Face(box_xyxy_px=box, landmarks_px=template(40) + np.array([30, 30]), score=1.0)
    mask = face_mask(np.zeros((100, 120, 3), np.uint8), face)
    assert mask.shape == (100, 120)
    assert mask.dtype == np.float32
    assert mask[50, 50] == 1.0
    assert max(mask[:15].max(), mask[:, 80:].max()) < 1e-3
    assert mask.sum() == pytest.approx(np.pi * 20 * 30, rel=0.08)


def test_a_face_beyond_the_border_and_broken_landmarks_are_no_error():
    box = np.array([-20, -20, 20, 20], np.float32)
    face = Face(box_xyxy_px=box, landmarks_px=np.full((5, 2), np.nan, np.float32), score=1.0)
    mask = face_mask(np.zeros((50, 50, 3), np.uint8), face)
    assert mask[0, 0] > 0.9
    assert mask[30:].max() == 0.0


def test_it_agrees_with_the_drawn_truth():
    rng = np.random.default_rng(1)
    overlaps = []
    for seed in range(1_000_000, 1_000_030):
        drawing = draw(sample_scene((ToonCharacter.from_seed(seed),), rng))
        truth = drawing.faces[0]
        face = Face(box_xyxy_px=truth.box_xyxy_px, landmarks_px=truth.landmarks_px, score=1.0)
        mask = face_mask(drawing.image, face)
        overlaps.append(np.minimum(mask, truth.mask).sum() / np.maximum(mask, truth.mask).sum())
    assert np.median(overlaps) > 0.8
    assert min(overlaps) > 0.65


def test_as_a_parser_it_says_what_it_cannot_do():
    image = np.zeros((80, 80, 3), np.uint8)
    marks = (template(40) + 20).astype(np.float32)
    box = np.array([20, 20, 60, 60], np.float32)
    face = Face(box_xyxy_px=box, landmarks_px=marks, score=1.0)
    parser = EllipseParser("nothing better is here")
    masks = parser.parse(image, face)
    np.testing.assert_array_equal(masks.face, face_mask(image, face))
    assert masks.hair is None
    assert masks.skin is None
    assert parser.shortfall.endswith("without hair and skin: nothing better is here")
