"""Which pixels of a picture are the face: a soft ellipse from the box and the landmarks.

It is what is left where no real parser is installed; `load_parser` says so.
"""

import cv2
import numpy as np
import numpy.typing as npt

from facekit.faces.protocols import FaceMasks
from facekit.types import Face, FloatArray, Image

__all__ = ["ELLIPSE", "EllipseParser", "face_mask", "mask_bytes"]

ELLIPSE = "ellipse"
"""The name of the geometric estimate."""

_HULL_GROWTH = 1.25
_SOFTNESS = 0.03
_SUB_PIXEL_BITS = 4
_ELLIPSE = np.stack(
    [
        np.cos(np.linspace(0.0, 2.0 * np.pi, 64, endpoint=False)),
        np.sin(np.linspace(0.0, 2.0 * np.pi, 64, endpoint=False)),
    ],
    axis=1,
)


class EllipseParser:
    """The geometric estimate as a `FaceParser`; it knows neither hair nor skin."""

    name = ELLIPSE
    digest = ""
    licence = "Apache-2.0"

    def __init__(self, reason: str) -> None:
        """Hold why there is nothing better."""
        self.shortfall = (
            f"masks are a geometric estimate of the face, without hair and skin: {reason}"
        )

    def parse(self, image: Image, face: Face) -> FaceMasks:
        """Mark the face as `face_mask` does."""
        return FaceMasks(face=face_mask(image, face))


def face_mask(image: Image, face: Face) -> FloatArray:
    """Mark the face, with a soft edge.

    The mask is the ellipse that fills the box, tilted with the eyes, joined with the hull around
    the landmarks. It is a geometric estimate: hair over the forehead and hands are not cut out.

    Args:
        image: The whole picture; only its size matters here.
        face: A face found in it.

    Returns:
        float32, (height, width), 1 on the face and 0 elsewhere.
    """
    height, width = image.shape[:2]
    canvas = np.zeros((height, width), np.uint8)
    x0, y0, x1, y1 = (float(value) for value in face.box_xyxy_px)
    # The box counts edges, polygons count pixel centres.
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) - 0.5
    roll = _roll(face.landmarks_px)
    half = _unrolled((x1 - x0) / 2, (y1 - y0) / 2, roll)
    _fill(canvas, _rotated(_ELLIPSE * half, roll) + centre)
    marks = face.landmarks_px.astype(np.float64)
    if np.all(np.isfinite(marks)):
        middle = marks.mean(axis=0)
        hull = cv2.convexHull((middle + (marks - middle) * _HULL_GROWTH).astype(np.float32))
        _fill(canvas, hull[:, 0])
    sigma = _SOFTNESS * min(x1 - x0, y1 - y0)
    mask = canvas.astype(np.float32) / 255.0
    if sigma > 0.3:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), dtype=np.float32)
    return np.asarray(np.clip(mask, 0.0, 1.0), dtype=np.float32)


def mask_bytes(mask: FloatArray) -> npt.NDArray[np.uint8]:
    """Round a mask of 0..1 to 0..255, as datasets store it and training takes it."""
    return np.asarray((mask * 255.0).round(), dtype=np.uint8)


def _roll(landmarks_px: FloatArray) -> float:
    """Tilt of the head, clockwise, in radians: the line between the eyes, and that of the mouth."""
    marks = landmarks_px.astype(np.float64)
    across = (marks[1] - marks[0]) + (marks[4] - marks[3])
    down = (marks[3] + marks[4]) - (marks[0] + marks[1])
    # `across` turned by 90 degrees points down; together they hold on in a profile too.
    total = across + np.array([down[1], -down[0]])
    angle = float(np.arctan2(total[1], total[0]))
    return angle if np.isfinite(angle) else 0.0


def _unrolled(half_width: float, half_height: float, roll: float) -> npt.NDArray[np.float64]:
    """Axes of the ellipse whose upright box, once it is tilted, has the given sides."""
    cos2, sin2 = np.cos(roll) ** 2, np.sin(roll) ** 2
    if cos2 - sin2 < 0.3:  # near 45 degrees the box says nothing about the proportions
        side = float(np.sqrt(max(half_width * half_height, 0.0)))
        return np.array([side, side])
    squares = np.array([half_width**2, half_height**2])
    axes = np.linalg.solve(np.array([[cos2, sin2], [sin2, cos2]]), squares)
    return np.asarray(np.sqrt(np.maximum(axes, squares.min() * 0.25)), dtype=np.float64)


def _rotated(points: npt.NDArray[np.float64], angle: float) -> npt.NDArray[np.float64]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]), dtype=np.float64)


def _fill(canvas: npt.NDArray[np.uint8], outline: npt.NDArray[np.floating]) -> None:
    fixed = np.round(outline * (1 << _SUB_PIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], (255.0,), cv2.LINE_AA, _SUB_PIXEL_BITS)
