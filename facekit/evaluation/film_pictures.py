"""Pictures of a report on many shots: the whole film at one look, and two shots side by side."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from facekit.errors import UsageError
from facekit.media.burn_in import fit_text, text_font
from facekit.types import Image

__all__ = ["CUT", "MARK_COLORS", "StripShot", "cut_face", "film_strip", "pair_picture"]

MARK_COLORS = {
    "pass": (31, 157, 107),
    "review": (214, 158, 46),
    "fail": (214, 69, 69),
    "": (227, 231, 239),
}
"""Verdict on a shot to the colour of the line below it; none is grey."""

CUT = 1.9
"""Side of the cut around a face, in sides of its box."""

_INK = (29, 36, 51)
_SOFT = (139, 147, 167)
_GAP_PX = 8
_TEXT_PX = 13
_LINE_PX = 17
_MARK_PX = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StripShot:
    """One shot of the strip."""

    name: str
    image: Image
    """A frame that stands for it."""
    mark: str = ""
    """Its verdict, a key of `MARK_COLORS`."""
    note: str = ""
    """Short, such as its likeness."""


def film_strip(shots: Sequence[StripShot], *, width_px: int = 1280, height_px: int = 96) -> Image:
    """Draw one picture of every shot, in order, in as many rows as are needed.

    Args:
        shots: In order of the film.
        width_px: Of the whole; no row is wider.
        height_px: Of each picture; a tall picture is as wide as its aspect says.

    Raises:
        UsageError: No shots, an unknown mark, or no room for a picture.
    """
    if not shots or any(shot.mark not in MARK_COLORS for shot in shots):
        marks = sorted({shot.mark for shot in shots})
        known = ", ".join(mark or "none" for mark in MARK_COLORS)
        raise UsageError(
            f"{len(shots)} shots marked {marks}, expected at least one shot and marks among"
            f" {known}; correct the marks"
        )
    thumbs = [_scaled(shot.image, height_px) for shot in shots]
    widest = max(thumb.width for thumb in thumbs) + 2 * _GAP_PX
    if widest > width_px:
        raise UsageError(
            f"width_px {width_px}, expected at least {widest} for pictures {height_px} px high;"
            " give more width or less height"
        )
    tall = height_px + _MARK_PX + 2 * _LINE_PX + _GAP_PX
    places, left, row = [], _GAP_PX, 0
    for thumb in thumbs:
        if left + thumb.width + _GAP_PX > width_px:
            left, row = _GAP_PX, row + 1
        places.append((left, _GAP_PX + row * tall))
        left += thumb.width + _GAP_PX
    strip = Pillow.new("RGB", (width_px, _GAP_PX + (row + 1) * tall), "white")
    draw = ImageDraw.Draw(strip)
    for shot, thumb, (x, y) in zip(shots, thumbs, places, strict=True):
        strip.paste(thumb, (x, y))
        below = y + height_px
        bar = (x, below, x + thumb.width - 1, below + _MARK_PX - 1)
        draw.rectangle(bar, fill=MARK_COLORS[shot.mark])
        _write(draw, (x, below + _MARK_PX + 2), shot.name, thumb.width, _INK, keeps_end=True)
        _write(draw, (x, below + _MARK_PX + 2 + _LINE_PX), shot.note, thumb.width)
    return np.asarray(strip)


def pair_picture(
    left: Image, right: Image, names: tuple[str, str], told: str, *, height_px: int = 240
) -> Image:
    """Put two pictures side by side at one height, each with its name and one line below both.

    Args:
        left: A frame, or a face cut from it by `cut_face`.
        right: The other one; it may have another size.
        names: Of the two shots.
        told: Such as ``12 % of the photos' own likeness``.
        height_px: Of both pictures.
    """
    thumbs = [_scaled(image, height_px) for image in (left, right)]
    width = sum(thumb.width for thumb in thumbs) + 3 * _GAP_PX
    high = _GAP_PX + height_px + 2 * _LINE_PX + _GAP_PX
    picture = Pillow.new("RGB", (width, high), "white")
    draw = ImageDraw.Draw(picture)
    x, below = _GAP_PX, _GAP_PX + height_px + 3
    for thumb, name in zip(thumbs, names, strict=True):
        picture.paste(thumb, (x, _GAP_PX))
        _write(draw, (x, below), name, thumb.width, _INK, keeps_end=True)
        x += thumb.width + _GAP_PX
    _write(draw, (_GAP_PX, below + _LINE_PX), told, width - 2 * _GAP_PX)
    return np.asarray(picture)


def cut_face(frame: Image, box_xyxy_px: np.ndarray) -> Image:
    """Cut a square around a face; the whole frame where there is none.

    Args:
        frame: The picture.
        box_xyxy_px: Left, top, right, bottom; NaN where there is no face.
    """
    if not np.isfinite(box_xyxy_px).all():
        return frame
    height, width = frame.shape[:2]
    left_px, top_px, right_px, bottom_px = map(float, box_xyxy_px)
    side = int(min(height, width, CUT * max(right_px - left_px, bottom_px - top_px)))
    left = int(np.clip((left_px + right_px - side) / 2, 0, width - side))
    top = int(np.clip((top_px + bottom_px - side) / 2, 0, height - side))
    return frame[top : top + side, left : left + side]


def _scaled(image: Image, height_px: int) -> Pillow.Image:
    height, width = image.shape[:2]
    size = (max(1, round(width * height_px / height)), height_px)
    return Pillow.fromarray(image).resize(size, Pillow.Resampling.LANCZOS)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    room: int,
    fill: tuple[int, int, int] = _SOFT,
    *,
    keeps_end: bool = False,
) -> None:
    font = text_font(_TEXT_PX)
    draw.text(at, fit_text(text, _TEXT_PX, room, keeps_end=keeps_end), fill=fill, font=font)
