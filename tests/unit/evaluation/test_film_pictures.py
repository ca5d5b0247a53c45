import numpy as np
import pytest

from facekit.errors import UsageError
from facekit.evaluation.film_pictures import (
    MARK_COLORS,
    StripShot,
    cut_face,
    film_strip,
    pair_picture,
)


def flat(color: tuple[int, int, int], height: int = 96, width: int = 176) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def where(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Top, left, bottom, right of a colour, the last two included."""
    found = np.argwhere((image == color).all(axis=2))
    return np.concatenate([found.min(axis=0), found.max(axis=0)])


def test_shots_of_all_aspects_stand_in_rows_in_order() -> None:
    shots = [
        StripShot(name="SH0010", image=flat((200, 0, 0)), mark="pass", note="88 %"),
        StripShot(name="SH0020", image=flat((0, 200, 0), 176, 96), mark="fail"),
        StripShot(name="SH0030", image=flat((0, 0, 200)), mark="review"),
    ]
    strip = film_strip(shots, width_px=260, height_px=96)
    assert strip.shape[1] == 260
    assert where(strip, (200, 0, 0)).tolist() == [8, 8, 103, 183]
    assert where(strip, (0, 200, 0)).tolist() == [8, 192, 103, 243]
    top, left, bottom, _ = where(strip, (0, 0, 200)).tolist()
    assert (left, bottom - top) == (8, 95)
    assert top > 103
    for mark, under in (("pass", (104, 8)), ("fail", (104, 192))):
        assert where(strip, MARK_COLORS[mark])[:2].tolist() == list(under)
    assert where(strip, MARK_COLORS["review"])[0] == bottom + 1


def test_names_stand_below() -> None:
    first, second = (
        film_strip([StripShot(name=name, image=flat((200, 0, 0)))]) for name in ("SH0010", "SH0020")
    )
    assert (first[:109] == second[:109]).all()
    assert (first[109:] != second[109:]).any()


def test_what_makes_no_strip_is_refused() -> None:
    one = StripShot(name="a", image=flat((1, 2, 3)))
    with pytest.raises(UsageError, match="0 shots marked"):
        film_strip([])
    wrong = StripShot(name="a", image=flat((1, 2, 3)), mark="good")
    with pytest.raises(UsageError, match=r"marked \['good'\], .* pass, review, fail, none"):
        film_strip([wrong])
    with pytest.raises(UsageError, match="width_px 100, expected at least 192"):
        film_strip([one], width_px=100)


def test_a_pair_has_one_height_and_its_words() -> None:
    left, right = flat((200, 0, 0)), flat((0, 0, 200), 60, 60)
    picture = pair_picture(left, right, ("SH0010", "SH0020"), "12 % of the photos' own")
    assert where(picture, (200, 0, 0)).tolist() == [8, 8, 247, 447]
    assert where(picture, (0, 0, 200)).tolist() == [8, 456, 247, 695]
    other = pair_picture(left, right, ("SH0010", "SH0020"), "98 % of the photos' own")
    assert (picture[:265] == other[:265]).all()
    assert (picture[265:] != other[265:]).any()


def test_a_face_is_cut_with_room_around_it_and_within_the_frame() -> None:
    frame = flat((9, 9, 9))
    frame[40:60, 90:110] = (200, 0, 0)
    cut = cut_face(frame, np.array([90, 40, 110, 60.0]))
    assert cut.shape == (38, 38, 3)
    assert where(cut, (200, 0, 0)).tolist() == [9, 9, 28, 28]
    assert cut_face(frame, np.array([-20, -20, 30, 30.0])).shape == (95, 95, 3)
    assert cut_face(frame, np.full(4, np.nan)) is frame
