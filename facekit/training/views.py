"""How photos are cut and scaled to the sizes that a backbone takes.

A photo gives one view per useful crop: the whole picture at the nearest aspect, and a closer one
when the face is small and the picture large enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facekit.faces.parse import face_mask
from facekit.identity.photo_set import Photo
from facekit.training.cutting import (
    Window,
    cut_face,
    cut_pixels,
    nearest_size,
    rounded,
    scaled,
    widest_window,
    window_around,
)
from facekit.types import Face, FloatArray, Image

__all__ = ["View", "cut_views"]

_CLOSE_FACE_FRACTION = 0.55
_CLOSE_IS_WORTH_IT = 0.8
_LEAST_UPSCALING = 0.75


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """A photo cut and scaled to a size that the backbone takes."""

    photo: int
    """Index into `PhotoSet.train`."""
    pixels: Image
    face: Face
    """In the coordinates of this view."""
    mask: FloatArray
    """(height, width), 1 on the face: the photo's own mask, else the ellipse."""

    @property
    def face_to_short_side(self) -> float:
        """Height of the face over the short side."""
        return float(self.face.height_px / min(self.pixels.shape[:2]))


def cut_views(photos: Sequence[Photo], sizes: Mapping[str, tuple[int, int]]) -> tuple[View, ...]:
    """Cut every photo into its views: the whole, and the face closer where the photo allows it.

    Args:
        photos: In the order that `View.photo` counts.
        sizes: Aspect name to (height, width) in pixels, those that the backbone takes.
    """
    views = []
    for index, photo in enumerate(photos):
        height, width = photo.image.shape[:2]
        box = photo.face.box_xyxy_px
        size = nearest_size(tuple(sizes.values()), width / height)
        window = widest_window((height, width), box, size[1] / size[0])
        views.append(_cut(index, photo, window, size))
        square = nearest_size(tuple(sizes.values()), 1.0)
        side = photo.face.height_px / _CLOSE_FACE_FRACTION
        worth_it = side < _CLOSE_IS_WORTH_IT * min(window[2] - window[0], window[3] - window[1])
        if worth_it and side >= _LEAST_UPSCALING * min(square):
            near = window_around((height, width), box, (side, side))
            views.append(_cut(index, photo, near, square))
    return tuple(views)


def _cut(index: int, photo: Photo, window: Window, size: tuple[int, int]) -> View:
    pixels = cut_pixels(photo.image, window, size)
    face = cut_face(photo.face, window, size)
    if photo.mask is None:
        mask = face_mask(pixels, face)
    else:
        left, top, right, bottom = rounded(window)
        cut = scaled(photo.mask[top:bottom, left:right, None], size)[..., 0]
        mask = (cut / 255.0).clamp(0.0, 1.0).numpy()
    return View(photo=index, pixels=pixels, face=face, mask=mask)
