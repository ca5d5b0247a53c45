import numpy as np
import pytest

from facekit.curation.turning import CLEARLY_BETTER, LEAST_TURNED_SCORE, SURE_SCORE, look_again
from facekit.faces.align import template
from facekit.media.unpack import turn
from facekit.types import Face, Image

IMAGE = np.zeros((40, 60, 3), np.uint8)
IMAGE[0, 0] = 255


def face(score: float, rolled_deg: float = 0.0) -> Face:
    marks = template(112) - 56.0
    angle = np.deg2rad(rolled_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    marks = marks @ np.array([[cos, sin], [-sin, cos]]) + 56.0
    box = np.array([0, 0, 40, 40], np.float32)
    return Face(box_xyxy_px=box, landmarks_px=marks.astype(np.float32), score=score)


class Turned:
    """Finds a face of a score that depends on how the picture is turned: where its corner is."""

    def __init__(self, scores: dict[int, float]) -> None:
        self.scores = scores
        self.num_seen = 0

    def detect(self, images: list[Image]) -> list[tuple[Face, ...]]:
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> tuple[Face, ...]:
        self.num_seen += 1
        turned = next(d for d in (0, 90, 180, 270) if np.array_equal(turn(IMAGE, d), image))
        return (face(self.scores[turned]),) if turned in self.scores else ()


@pytest.mark.parametrize("turned_deg", [90, 180, 270])
def test_a_picture_without_a_face_is_turned_for_a_sure_one(turned_deg: int):
    faces = Turned({turned_deg: LEAST_TURNED_SCORE, (turned_deg + 90) % 360 or 90: 0.5})
    degrees, found = look_again(IMAGE, (), faces, 0.5)
    assert degrees == turned_deg
    assert found[0].score == LEAST_TURNED_SCORE


def test_it_is_not_turned_for_a_doubtful_one():
    assert look_again(IMAGE, (), Turned({90: LEAST_TURNED_SCORE - 0.01}), 0.5) == (0, ())
    assert look_again(IMAGE, (), Turned({90: 0.75}), 0.8) == (0, ()), "the recipe asks for more"


def test_a_sure_face_is_not_looked_at_again():
    faces = Turned({90: 0.99})
    upright = (face(SURE_SCORE),)
    assert look_again(IMAGE, upright, faces, 0.5) == (0, upright)
    assert faces.num_seen == 0


def test_an_unsure_face_is_turned_only_for_one_that_is_clearly_better():
    unsure = (face(0.6),)
    better = 0.6 + CLEARLY_BETTER
    assert look_again(IMAGE, unsure, Turned({180: better - 0.01}), 0.5) == (0, unsure)
    assert look_again(IMAGE, unsure, Turned({180: better + 0.01}), 0.5)[0] == 180


@pytest.mark.parametrize(
    ("rolled_deg", "turned_deg"), [(90, 270), (-90, 90), (170, 180), (-75, 90), (50, 0)]
)
def test_a_face_that_is_found_lying_is_turned_upright(rolled_deg: float, turned_deg: int):
    """Clockwise by 90 is undone by turning the picture on by 270."""
    lying = (face(0.95, rolled_deg),)
    degrees, found = look_again(IMAGE, lying, Turned({90: 0.9, 180: 0.9, 270: 0.9}), 0.5)
    assert degrees == turned_deg
    assert found == lying or turned_deg


def test_landmarks_that_are_no_face_are_left_to_others():
    marks = np.zeros((5, 2), np.float32)
    odd = Face(box_xyxy_px=np.array([0, 0, 9, 9], np.float32), landmarks_px=marks, score=0.9)
    assert look_again(IMAGE, (odd,), Turned({}), 0.5) == (0, (odd,))
