"""Put the face of one picture in the place of the same person's face in another.

Both faces are laid on the template by their landmarks, as `align` does, and fade out towards hair
and ears, so that pose and size of the picture stay and only features come over.

Shapes: H height, W width.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facekit.faces.align import (
    invert_transform,
    similarity_transform,
    template,
    transform_points,
)
from facekit.types import Image

__all__ = ["face_difference", "graft_face"]

_SIDE_PX: Final = 96
_MARGIN: Final = 0.25
_RADIUS_X: Final = 0.38
"""Of the ellipse that comes over, in sides of the crop: from brows to chin. A wider one doubles the
outline of heads that are turned a little differently."""
_RADIUS_Y: Final = 0.42
_CENTRE_Y: Final = 0.52
_FADE: Final = 0.3
"""Part of the radius in which it fades out."""


def face_difference(
    landmarks_px: NDArray[np.floating], other_px: NDArray[np.floating]
) -> tuple[float, float]:
    """Tell how differently two faces are turned or stretched, and how much they differ in size.

    Args:
        landmarks_px: Five points (x, y), in the order of `Face.landmarks_px`.
        other_px: Those of the other face, in its own picture.

    Returns:
        Mean distance of a point from its counterpart once size, place and roll are equal, in sides
        of the ArcFace square; and the other's size as a multiple of the first's.

    Raises:
        AlignmentError: Landmarks that are no face.
    """
    shapes, scales = [], []
    for points in (landmarks_px, other_px):
        transform = similarity_transform(points, _SIDE_PX)
        shapes.append(transform_points(points, transform))
        scales.append(float(np.hypot(transform[0, 0], transform[1, 0])))
    apart = float(np.linalg.norm(shapes[0] - shapes[1], axis=1).mean())
    return apart / _SIDE_PX, scales[0] / scales[1]


def graft_face(
    picture: Image,
    landmarks_px: NDArray[np.floating],
    donor: Image,
    donor_landmarks_px: NDArray[np.floating],
    amount: float = 1.0,
) -> Image:
    """Lay the donor's face over that of a picture.

    Args:
        picture: uint8, (H, W, 3).
        landmarks_px: Of the face in it, five points (x, y).
        donor: The picture that gives its face, uint8, of any size.
        donor_landmarks_px: Of the face in that.
        amount: 1 replaces the middle of the face, 0.5 lays it half over it, 0 changes nothing.

    Returns:
        A new picture; pixels outside of the face are the old ones.

    Raises:
        AlignmentError: Landmarks that are no face.
    """
    onto = similarity_transform(landmarks_px, _SIDE_PX, _MARGIN)
    points = transform_points(
        template(_SIDE_PX, _MARGIN),
        invert_transform(similarity_transform(donor_landmarks_px, _SIDE_PX, _MARGIN)),
    )
    back = invert_transform(onto)
    height, width = picture.shape[:2]
    moved = cv2.warpAffine(
        donor,
        _between(points, transform_points(template(_SIDE_PX, _MARGIN), back)),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    y, x = np.mgrid[:height, :width]
    places = transform_points(np.stack([x.ravel(), y.ravel()], axis=1), onto) / _SIDE_PX
    radius = np.hypot(
        (places[:, 0] - 0.5) / _RADIUS_X, (places[:, 1] - _CENTRE_Y) / _RADIUS_Y
    ).reshape(height, width, 1)
    weight = amount * np.clip((1.0 - radius) / _FADE, 0.0, 1.0)
    mixed = picture * (1.0 - weight) + moved.astype(np.float64) * weight
    grafted: Image = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return grafted


def _between(
    donor_points: NDArray[np.floating], points: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Fit the 2x3 matrix that carries points of the donor to those of the picture exactly."""
    ones = np.ones((len(donor_points), 1))
    solved = np.linalg.lstsq(np.hstack([donor_points, ones]), points, rcond=None)[0]
    return np.asarray(solved.T, dtype=np.float64)
