"""Pictures changed so that more can be seen in them: contrast, borders, enlarged parts."""

import cv2
import numpy as np

from facekit.types import Image

__all__ = ["continue_borders", "cut_part", "stretch_contrast"]


def stretch_contrast(image: Image) -> Image:
    """Spread the values between the 1st and the 99th percentile over 0..255."""
    low, high = (float(v) for v in np.percentile(image[::2, ::2], (1, 99)))
    values = (np.arange(256) - low) * (255.0 / max(high - low, 1.0))
    return np.asarray(cv2.LUT(image, np.clip(values, 0, 255).astype(np.uint8)), np.uint8)


def continue_borders(image: Image, by_px: int) -> Image:
    """Repeat the outermost pixels on all sides."""
    wide = cv2.copyMakeBorder(image, by_px, by_px, by_px, by_px, cv2.BORDER_REPLICATE)
    return np.asarray(wide, np.uint8)


def cut_part(image: Image, window: tuple[int, int, int, int], size_px: tuple[int, int]) -> Image:
    """Cut a part (left, top, right, bottom) and bring it to a width and height."""
    left, top, right, bottom = window
    how = cv2.INTER_CUBIC if size_px[0] > right - left else cv2.INTER_AREA
    part = cv2.resize(image[top:bottom, left:right], size_px, interpolation=how)
    return np.asarray(part, np.uint8)
