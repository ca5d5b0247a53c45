"""The part of a frame that shows a face."""

import numpy as np

from facekit.evaluation.face_cuts import cut_face
from facekit.types import Image


def test_a_face_is_cut_with_room_around_it_and_within_the_frame() -> None:
    frame: Image = np.full((120, 200, 3), 9, np.uint8)
    frame[40:60, 90:110] = (200, 0, 0)
    cut = cut_face(frame, np.array([90, 40, 110, 60.0]))
    assert cut.shape == (38, 38, 3)
    red = np.argwhere((cut == (200, 0, 0)).all(axis=2))
    assert (red.min(axis=0).tolist(), red.max(axis=0).tolist()) == ([9, 9], [28, 28])
    assert cut_face(frame, np.array([-20, -20, 30, 30.0])).shape == (95, 95, 3)
    assert cut_face(frame, np.full(4, np.nan)) is frame
