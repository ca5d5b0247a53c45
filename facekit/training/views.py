"""How photos are cut and scaled to the sizes that a backbone takes.

A photo gives one view per useful crop: the whole picture at the nearest aspect, and a closer one
when the face is small and the picture large enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from facekit.faces.parse import face_mask
from facekit.identity.photo_set import Photo
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
        size = _nearest(tuple(sizes.values()), width / height)
        window = _widest(photo, size[1] / size[0])
        views.append(_cut(index, photo, window, size))
        square = _nearest(tuple(sizes.values()), 1.0)
        side = photo.face.height_px / _CLOSE_FACE_FRACTION
        worth_it = side < _CLOSE_IS_WORTH_IT * min(window[2] - window[0], window[3] - window[1])
        if worth_it and side >= _LEAST_UPSCALING * min(square):
            views.append(_cut(index, photo, _around(photo, side, side), square))
    return tuple(views)


def _nearest(sizes: Sequence[tuple[int, int]], aspect: float) -> tuple[int, int]:
    return min(sizes, key=lambda size: abs(np.log(size[1] / size[0]) - np.log(aspect)))


def _widest(photo: Photo, aspect: float) -> tuple[float, float, float, float]:
    height, width = photo.image.shape[:2]
    if width / height > aspect:
        return _around(photo, height * aspect, float(height))
    return _around(photo, float(width), width / aspect)


def _around(photo: Photo, width: float, height: float) -> tuple[float, float, float, float]:
    """A window of this size inside the photo, as near to the middle of the face as it can be."""
    full_height, full_width = photo.image.shape[:2]
    width, height = min(width, full_width), min(height, full_height)
    x0, y0, x1, y1 = (float(v) for v in photo.face.box_xyxy_px)
    left = float(np.clip((x0 + x1 - width) / 2, 0.0, full_width - width))
    top = float(np.clip((y0 + y1 - height) / 2, 0.0, full_height - height))
    return left, top, left + width, top + height


def _cut(
    index: int, photo: Photo, window: tuple[float, float, float, float], size: tuple[int, int]
) -> View:
    left, top = round(window[0]), round(window[1])
    right, bottom = max(left + 1, round(window[2])), max(top + 1, round(window[3]))
    part = photo.image[top:bottom, left:right]
    pixels = _scaled(part, size).round().clamp(0, 255).to(torch.uint8).numpy()
    scale = np.array([size[1] / part.shape[1], size[0] / part.shape[0]], dtype=np.float32)
    origin = np.array([left, top], dtype=np.float32)
    # Landmarks count pixel centres (0 is the middle of the first pixel), boxes count edges.
    marks = (photo.face.landmarks_px - origin + 0.5) * scale - 0.5
    box = ((photo.face.box_xyxy_px.reshape(2, 2) - origin) * scale).reshape(4)
    face = Face(
        box_xyxy_px=box.astype(np.float32),
        landmarks_px=marks.astype(np.float32),
        score=photo.face.score,
    )
    pixels = np.ascontiguousarray(pixels)
    if photo.mask is None:
        mask = face_mask(pixels, face)
    else:
        cut = _scaled(photo.mask[top:bottom, left:right, None], size)[..., 0]
        mask = (cut / 255.0).clamp(0.0, 1.0).numpy()
    return View(photo=index, pixels=pixels, face=face, mask=mask)


def _scaled(part: npt.NDArray[np.uint8], size: tuple[int, int]) -> torch.Tensor:
    """Scale (height, width, channels), 0 to 255, to another height and width; may overshoot."""
    pixels_BCHW = torch.from_numpy(np.ascontiguousarray(part)).permute(2, 0, 1)[None].float()
    if part.shape[:2] != size:
        pixels_BCHW = torch.nn.functional.interpolate(
            pixels_BCHW, size=size, mode="bicubic", antialias=True, align_corners=False
        )
    return pixels_BCHW[0].permute(1, 2, 0)
