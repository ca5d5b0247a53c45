import numpy as np

from facekit.media.burn_in import burn_in, fit_text, text_font


def grey(height: int = 96, width: int = 176) -> np.ndarray:
    return np.full((height, width, 3), 120, np.uint8)


def test_words_stand_on_a_darker_strip_and_nothing_else_changes() -> None:
    image = grey()
    done = burn_in(image, "SEQ010_SH0010", "1001")
    assert (image == 120).all()
    assert done.shape == image.shape
    rows = np.flatnonzero((done != 120).any(axis=(1, 2)))
    assert rows[0] > 75
    assert rows[-1] == 95
    assert (done[-1, 88] == 54).all()
    left, right = done[rows[0] :, :88], done[rows[0] :, 88:]
    assert left.max() > 220
    assert right.max() > 220


def test_numbers_differ() -> None:
    first, second = (burn_in(grey(), "SH0010", number) for number in ("1001", "1002"))
    assert (first[:, :100] == second[:, :100]).all()
    assert (first[:, 100:] != second[:, 100:]).any()


def test_letters_grow_with_the_picture() -> None:
    high = burn_in(grey(1080, 1920), "SH0010", "1001")
    rows = np.flatnonzero((high != 120).any(axis=(1, 2)))
    assert len(rows) > 60


def test_a_narrow_picture_keeps_the_number_and_the_end_of_the_name() -> None:
    font = text_font(12)
    cut = fit_text("SEQ010_SH0010", 12, 60, keeps_end=True)
    assert cut.startswith("..")
    assert cut.endswith("0010")
    assert font.getlength(cut) <= 60
    assert fit_text("likeness 71 %", 12, 60).startswith("like")
    assert fit_text("likeness", 12, 200) == "likeness"
    assert fit_text("likeness", 12, 2) == ""
    done = burn_in(grey(32, 40), "SEQ010_SH0010", "1001")
    assert done.max() > 200
