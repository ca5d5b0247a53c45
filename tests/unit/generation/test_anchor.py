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
    anchor = Anchor().joined(beginning, np.array([0.5, 0.6, 0.9]), locate)

    put = anchor.put_on(flat(99), 0.55, locate, 1.0)

    assert middle(put) == 20, "the likest of all looks another way"
    assert put[0, 0, 0] == 99
    assert anchor.put_on(flat(99), 0.6, locate, 1.0) is None, "none is likelier than it is itself"


def test_likelier_faces_of_later_chunks_take_the_place_of_earlier_ones():
    locate = locate_by(dict.fromkeys(range(100), MARKS))
    anchor = Anchor().joined(
        np.stack([flat(level) for level in range(30)]), np.full(30, 0.5), locate
    )
    asked = []

    def watched(frames):
        asked.append(len(frames))
        return locate(frames)

    later = anchor.joined(np.stack([flat(40), flat(41)]), np.array([0.4, 0.7]), watched)

    assert asked == [1], "a frame that will not be kept is not looked at"
    assert len(later.views) == len(anchor.views) < 30
    assert middle(later.put_on(flat(99), 0.1, locate, 1.0)) == 41


def test_frames_without_a_scored_face_are_not_kept():
    locate = locate_by({10: MARKS, 20: MARKS, 99: MARKS})
    frames = np.stack([flat(10), flat(20), flat(40)])

    anchor = Anchor().joined(frames, np.array([0.5, np.nan, 0.9]), locate)

    assert [view.likeness for view in anchor.views] == [0.5]
    assert Anchor().joined(frames[1:2], np.array([np.nan]), locate).views == ()
    assert Anchor().joined(frames, None, locate).views == ()


def test_a_face_that_is_turned_away_or_gone_stays_as_it_is():
    locate = locate_by({10: MARKS, 98: NOSE_ASIDE, 97: MARKS * 3.0})
    anchor = Anchor().joined(flat(10)[None], np.array([0.5]), locate)

    assert anchor.put_on(flat(98), 0.1, locate, 1.0) is None, "another way"
    assert anchor.put_on(flat(97), 0.1, locate, 1.0) is None, "three times as large"
    assert anchor.put_on(flat(99), 0.1, locate, 1.0) is None, "no face"
    assert anchor.put_on(flat(10), None, locate, 1.0) is None, "a face that cannot be scored"
