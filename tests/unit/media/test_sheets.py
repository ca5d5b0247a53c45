from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facekit.errors import UsageError
from facekit.media.sheets import SheetRow, spread, takes_sheet, write_sheet
from facekit.types import Clip

GREEN = (31, 157, 107)


def flat(*colors: tuple[int, int, int], height: int = 96, width: int = 176) -> Clip:
    frames = np.empty((len(colors), height, width, 3), np.uint8)
    frames[:] = np.asarray(colors)[:, None, None]
    return Clip(frames=frames, fps=8)


def colors_in(sheet: np.ndarray) -> list[tuple[int, ...]]:
    """Colours of a sheet that cover much of it, in the order of their first pixel."""
    packed = sheet.reshape(-1, 3).astype(int) @ (1 << 16, 1 << 8, 1)
    found, first, counts = np.unique(packed, return_index=True, return_counts=True)
    large = [int(found[place]) for place in np.argsort(first) if counts[place] > 5000]
    return [(each >> 16, each >> 8 & 255, each & 255) for each in large if each != 0xFFFFFF]


def test_frames_are_spread_over_the_whole() -> None:
    assert spread(5, 8) == (0, 1, 2, 3, 4)
    assert spread(17, 5) == (0, 4, 8, 12, 16)
    assert spread(9, 1) == (4,)


def test_takes_of_any_size_stand_below_each_other_and_the_chosen_one_is_framed() -> None:
    rows = [
        SheetRow(label="t01", clip=flat((200, 0, 0), (210, 0, 0)), note="likeness 40 %: fails"),
        SheetRow(label="t02", clip=flat((0, 0, 200), height=176, width=96), is_chosen=True),
    ]
    sheet = takes_sheet(rows, "SEQ010_SH0010")
    assert colors_in(sheet)[:3] == [(200, 0, 0), (210, 0, 0), (0, 0, 200)]
    framed = np.argwhere((sheet == GREEN).all(axis=2))
    frame = np.argwhere((sheet == (0, 0, 200)).all(axis=2))
    assert (framed[:, 0].max() - frame[:, 0].max(), framed[:, 1].min()) == (4, 6)
    plain = takes_sheet(rows[:1], "SEQ010_SH0010")
    assert not (plain == GREEN).all(axis=2).any()


def test_sheets_are_written_as_webp_or_png(tmp_path: Path) -> None:
    sheet = takes_sheet([SheetRow(label="t01", clip=flat((200, 40, 30)))], "SH0010")
    for name, kind in (("a.webp", "WEBP"), ("a.png", "PNG")):
        write_sheet(tmp_path / name, sheet)
        with PillowImage.open(tmp_path / name) as picture:
            assert picture.format == kind
            assert np.abs(np.asarray(picture)[60, 60].astype(int) - (200, 40, 30)).max() < 12
    with pytest.raises(UsageError, match=r"cannot write \.jpg; use \.webp"):
        write_sheet(tmp_path / "a.jpg", sheet)


def test_sheets_of_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="SH0010: no takes, expected at least one"):
        takes_sheet([], "SH0010")
    with pytest.raises(UsageError, match="0 columns, expected at least 1"):
        takes_sheet([SheetRow(label="t01", clip=flat((1, 1, 1)))], "SH0010", columns=0)
