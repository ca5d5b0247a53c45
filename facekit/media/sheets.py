"""Contact sheets: all takes of a shot at one look."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from facekit.errors import UsageError
from facekit.media.burn_in import fit_text, text_font
from facekit.media.images import write_image
from facekit.types import Clip, Image

__all__ = ["SHEET_FRAMES", "SheetRow", "spread", "takes_sheet", "write_sheet"]

SHEET_FRAMES: Final = 8
"""Pictures in a row of a sheet, at most."""

_INK: Final = (29, 36, 51)
_SOFT: Final = (139, 147, 167)
_PAPER: Final = (255, 255, 255)
_CHOSEN: Final = (31, 157, 107)
_GAP_PX: Final = 6
_TEXT_PX: Final = 13
_LABEL_PX: Final = 18
_CELL_PX: Final = 120
"""Shorter side of each picture on a sheet."""
_FRAME_PX: Final = 4
"""Thickness of the line around the chosen take."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SheetRow:
    """One take on the sheet of its shot."""

    label: str
    """Such as `t01`."""
    clip: Clip
    note: str = ""
    """Such as its likeness, or why it was not taken."""
    is_chosen: bool = False


def spread(count: int, most: int) -> tuple[int, ...]:
    """Choose evenly spread places, the first and the last among them."""
    if count <= most:
        return tuple(range(count))
    if most == 1:
        return (count // 2,)
    return tuple(round(place * (count - 1) / (most - 1)) for place in range(most))


def takes_sheet(rows: Sequence[SheetRow], title: str, *, columns: int = SHEET_FRAMES) -> Image:
    """Draw the takes of a shot below each other; the chosen one has a green frame.

    Frames in one column are at the same part of their takes.

    Args:
        rows: The takes; they may differ in length and size.
        title: Stands above.
        columns: Pictures in a row, at most.

    Raises:
        UsageError: No takes or no columns.
    """
    _require_columns(columns)
    if not rows:
        raise UsageError(f"{title}: no takes, expected at least one; shoot the shot first")
    cells = [_cell(row.clip) for row in rows]
    places = [spread(row.clip.num_frames, columns) for row in rows]
    width = max(len(each) * (wide + _GAP_PX) for each, (wide, _) in zip(places, cells, strict=True))
    heights = [high + _LABEL_PX + 2 * _GAP_PX for _, high in cells]
    sheet, draw = _sheet(_GAP_PX + width, _GAP_PX + _LABEL_PX + sum(heights))
    _write(draw, (_GAP_PX, _GAP_PX), title, sheet.width - 2 * _GAP_PX)
    top = _GAP_PX + _LABEL_PX
    for row, shown, (wide, high), tall in zip(rows, places, cells, heights, strict=True):
        told = f"{row.label}   {row.note}".rstrip()
        _write(draw, (_GAP_PX, top), told, width, _CHOSEN if row.is_chosen else _INK)
        for column, place in enumerate(shown):
            left = _GAP_PX + column * (wide + _GAP_PX)
            sheet.paste(_thumb(row.clip.frames[place], wide, high), (left, top + _LABEL_PX))
        if row.is_chosen:
            right = _GAP_PX + len(shown) * (wide + _GAP_PX) - _GAP_PX
            box = (_GAP_PX, top + _LABEL_PX, right - 1, top + _LABEL_PX + high - 1)
            draw.rectangle(box, outline=_CHOSEN, width=_FRAME_PX)
        top += tall
    return np.asarray(sheet)


def write_sheet(path: Path | str, sheet: Image) -> None:
    """Write a contact sheet whole or not at all.

    Args:
        path: Ends in .webp (small) or .png (exact).
        sheet: From `takes_sheet`.

    Raises:
        UsageError: Another suffix.
        OutputError: It cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".webp", ".png"):
        raise UsageError(f"{path}: cannot write {path.suffix or 'without a suffix'}; use .webp")
    write_image(path, sheet)


def _require_columns(columns: int) -> None:
    if columns < 1:
        raise UsageError(f"{columns} columns, expected at least 1; ask for more")


def _cell(clip: Clip) -> tuple[int, int]:
    _, height, width, _ = clip.frames.shape
    factor = _CELL_PX / min(height, width)
    return round(width * factor), round(height * factor)


def _thumb(frame: Image, wide: int, high: int) -> PillowImage.Image:
    return PillowImage.fromarray(frame).resize((wide, high), PillowImage.Resampling.LANCZOS)


def _sheet(width: int, height: int) -> tuple[PillowImage.Image, ImageDraw.ImageDraw]:
    sheet = PillowImage.new("RGB", (width, height), _PAPER)
    return sheet, ImageDraw.Draw(sheet)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    room: int,
    fill: tuple[int, int, int] = _INK,
) -> None:
    draw.text(at, fit_text(text, _TEXT_PX, room), fill=fill, font=text_font(_TEXT_PX))
