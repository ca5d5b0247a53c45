"""Words on a picture: the name of a shot and the number of a frame, and labels of sheets."""

from functools import cache
from typing import Final

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from facekit.types import Image

__all__ = ["burn_in", "fit_text", "text_font"]

_LEAST_PX: Final = 9
"""Smaller letters cannot be read."""
_PART: Final = 1 / 20
"""Height of the letters as a part of the picture's shorter side."""
_STRIP: Final = 0.55
"""How much of the picture the strip under the words hides."""


@cache
def text_font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Give the font that comes with Pillow, so that a picture is the same on every machine."""
    return ImageFont.load_default(size_px)


def fit_text(text: str, size_px: int, width_px: int, *, keeps_end: bool = False) -> str:
    """Cut a text where it is wider than the room, which dots show; empty where nothing fits.

    Args:
        text: In one line.
        size_px: Height of the letters.
        width_px: Of the room.
        keeps_end: Whether the beginning is cut off, as of names that differ in their ends.
    """
    font = text_font(size_px)
    if font.getlength(text) <= width_px:
        return text
    for count in range(len(text) - 1, 0, -1):
        cut = f"..{text[-count:]}" if keeps_end else f"{text[:count]}.."
        if font.getlength(cut) <= width_px:
            return cut
    return ""


def burn_in(image: Image, left: str, right: str) -> Image:
    """Write two texts into the lower corners of a picture, on a darkened strip.

    Args:
        image: Stays as it is.
        left: Such as the name of a shot; cut where the picture is too narrow.
        right: Such as the number of a frame; always whole.

    Returns:
        A new picture of the same size.
    """
    height, width = image.shape[:2]
    size_px = max(_LEAST_PX, round(min(height, width) * _PART))
    margin = size_px // 2
    font = text_font(size_px)
    high = min(height, size_px + margin)
    done = np.array(image)
    done[height - high :] = np.round(done[height - high :] * (1 - _STRIP)).astype(np.uint8)
    picture = PillowImage.fromarray(done)
    draw = ImageDraw.Draw(picture)
    middle = height - high / 2
    room = width - 3 * margin - font.getlength(right)
    draw.text((width - margin, middle), right, fill="white", font=font, anchor="rm")
    draw.text(
        (margin, middle),
        fit_text(left, size_px, int(room), keeps_end=True),
        "white",
        font,
        anchor="lm",
    )
    return np.asarray(picture)
