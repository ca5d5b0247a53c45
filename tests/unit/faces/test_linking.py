"""Faces of consecutive frames, linked by place and look."""

import numpy as np
import pytest

from facekit.faces.linking import link_faces, overlap
from facekit.types import Face

MIRA, TOM = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)


def face(left: float, top: float = 0.0, size: float = 10.0) -> Face:
    box = np.array([left, top, left + size, top + size], np.float32)
    return Face(box_xyxy_px=box, landmarks_px=np.zeros((5, 2), np.float32), score=1.0)


def test_overlap_is_intersection_over_union() -> None:
    one, other = face(0).box_xyxy_px, face(5).box_xyxy_px
    assert overlap(one, one) == pytest.approx(1.0)
    assert overlap(one, other) == pytest.approx(50 / 150)
    assert overlap(one, face(20).box_xyxy_px) == 0.0
    assert overlap(np.zeros(4, np.float32), np.zeros(4, np.float32)) == 0.0


def test_two_faces_stay_two_whatever_their_order_in_a_frame() -> None:
    found = [(face(0), face(30)), (face(32), face(1)), (face(2), face(34))]

    left, right = link_faces(found)

    assert left.frames == right.frames == [0, 1, 2]
    assert left.places == [0, 1, 0]
    assert right.boxes_xyxy_px[:, 0].tolist() == [30, 32, 34]


def test_a_gap_is_bridged_and_a_long_absence_is_not() -> None:
    nobody: tuple[Face, ...] = ()
    (short,) = link_faces([(face(0),), nobody, nobody, (face(1),)])
    assert short.frames == [0, 3]
    before, after = link_faces([(face(0),), nobody, nobody, nobody, (face(1),)])
    assert (before.frames, after.frames) == ([0], [4])


def test_a_jump_is_one_person_only_where_the_look_says_so() -> None:
    found = [(face(0),), (face(9.5),)]
    assert len(link_faces(found)) == 2
    assert len(link_faces(found, [[MIRA], [MIRA]], min_similarity=0.5)) == 1
    assert len(link_faces(found, [[MIRA], [TOM]], min_similarity=0.5)) == 2
    far = [(face(0),), (face(40),)]
    assert len(link_faces(far, [[MIRA], [MIRA]], min_similarity=0.5)) == 2


def test_looks_decide_between_faces_that_both_overlap() -> None:
    """Two faces cross: by place alone each would take the nearer one."""
    found = [(face(0), face(6)), (face(2.5), face(3.5))]
    looks = [[MIRA, TOM], [TOM, MIRA]]

    one, other = link_faces(found, looks, min_similarity=0.5)

    assert one.places == [0, 1]
    assert other.places == [1, 0]


def test_a_face_of_another_size_is_another_face() -> None:
    assert len(link_faces([(face(0),), (face(0, size=30),)])) == 2
