import numpy as np
import pytest

from facekit.curation.findings import Code
from facekit.curation.one_face import OTHER_FACE_FRACTION, only_face, people_among
from facekit.types import Face


def face(side_px: float, score: float = 0.9) -> Face:
    return Face(
        box_xyxy_px=np.array([0, 0, side_px, side_px], np.float32),
        landmarks_px=np.zeros((5, 2), np.float32),
        score=score,
    )


def test_a_small_face_in_the_background_is_nobody():
    near, far = face(100.0), face(100.0 * OTHER_FACE_FRACTION - 1.0)
    assert people_among([far, near], 0.5) == [near]
    assert only_face([far, near], 0.5) == (near, None)


def test_two_people_are_counted_in_the_order_given():
    one, other = face(60.0), face(100.0)
    assert people_among([one, other, face(90.0, score=0.2)], 0.5) == [one, other]
    found, finding = only_face([one, other], 0.5)
    assert found is None
    assert finding is not None
    assert (finding.code, finding.value, finding.limit) == (Code.SEVERAL_FACES, 2.0, 1.0)


@pytest.mark.parametrize(("scores", "best"), [((), None), ((0.1, 0.4), 0.4)])
def test_nobody_is_told_with_the_best_score(scores: tuple[float, ...], best: float | None):
    assert people_among([face(50.0, score) for score in scores], 0.5) == []
    found, finding = only_face([face(50.0, score) for score in scores], 0.5)
    assert found is None
    assert finding is not None
    assert (finding.code, finding.value) == (Code.NO_FACE, best)
