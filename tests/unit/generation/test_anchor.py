import numpy as np

from facekit.faces.align import template
from facekit.generation.anchor import Anchor

MARKS = template(48) + 24.0
NOSE_ASIDE = MARKS + np.array([[0, 0], [0, 0], [6.0, 0], [0, 0], [0, 0]], np.float32)


def flat(level):
    return np.full((96, 96, 3), level, np.uint8)


def locate_by(marks):
    """Landmarks by the grey level of a frame's corner."""
    missing = np.full((5, 2), np.nan, np.float32)
    return lambda frames: np.stack([marks.get(int(frame[0, 0, 0]), missing) for frame in frames])


def middle(picture):
    x, y = MARKS.mean(axis=0).round().astype(int)
    return int(picture[y, x, 0])


def test_the_likest_face_that_is_turned_alike_comes_over():
    locate = locate_by({10: MARKS, 20: MARKS, 30: NOSE_ASIDE, 99: MARKS})
    beginning = np.stack([flat(10), flat(20), flat(30)])
    anchor = Anchor.of(beginning, np.array([0.5, 0.6, 0.9]), locate)

    put = anchor.put_on(flat(99), locate, 1.0)

    assert middle(put) == 20, "the likest of all looks another way"
    assert put[0, 0, 0] == 99


def test_frames_without_a_scored_face_give_none():
    locate = locate_by({10: MARKS, 20: MARKS, 99: MARKS})
    beginning = np.stack([flat(10), flat(20), flat(40)])

    anchor = Anchor.of(beginning, np.array([0.5, np.nan, 0.9]), locate)

    assert anchor.likeness == (0.5,)
    assert Anchor.of(beginning[1:2], np.array([np.nan]), locate) is None
    assert Anchor.of(beginning, None, locate) is None


def test_a_face_that_is_turned_away_or_gone_stays_as_it_is():
    locate = locate_by({10: MARKS, 98: NOSE_ASIDE, 97: MARKS * 3.0})
    anchor = Anchor.of(flat(10)[None], np.array([0.5]), locate)

    assert anchor.put_on(flat(98), locate, 1.0) is None, "another way"
    assert anchor.put_on(flat(97), locate, 1.0) is None, "three times as large"
    assert anchor.put_on(flat(99), locate, 1.0) is None, "no face"
