"""Pictures for reports: the part of a frame that shows a face."""

import numpy as np

from facekit.types import Image

__all__ = ["CUT", "cut_face"]

CUT = 1.9
"""Side of the cut around a face, in sides of its box."""


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
