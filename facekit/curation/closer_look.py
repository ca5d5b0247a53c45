"""Pictures in which no face is found, looked at again in changed copies, to say why.

A face that only a changed copy shows is never used. What it measures in the picture as it is says
what is wrong with the picture: too little light, a border through the face, too few pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from facekit.curation.checks import check_quality
from facekit.curation.findings import Code, Finding
from facekit.errors import AlignmentError
from facekit.faces.protocols import FaceDetector
from facekit.faces.quality import FaceQuality, measure_quality
from facekit.media.changed import continue_borders, cut_part, stretch_contrast
from facekit.recipe import PhotosSection
from facekit.types import Face, Image

__all__ = ["Hidden", "explain_no_face", "look_closer", "whole_face"]

_LEAST_SCORE = 0.55
"""A changed copy shows a face from this score on. Of 14 drawn places without anybody, looked at in
25 enlarged parts each, none gave more than 0.44."""
_BORDER = 0.35
"""How far a picture is continued on each side, as a part of its longer side."""
_AT_BORDER = 0.95
"""A face of which less than this is visible reaches over the border."""
_LEAST_BORDER_SCORE = 0.45
"""The same for a picture continued beyond its borders, believed of faces cut by them alone."""
_UNSURE = 0.8
_PARTS = 3
"""Enlarged parts are this part of the picture's sides, each overlapping the next by half."""
_PART_PX = 320
"""Longer side of an enlarged part: the work is the same for any picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """Measurements of the faces that changed copies show, each None where there is none."""

    light: FaceQuality | None = None
    """With its contrast stretched."""
    border: FaceQuality | None = None
    """Continued beyond its borders."""
    near: FaceQuality | None = None
    """In one of its parts, enlarged."""


_EXPLAINS = {
    "light": (Code.TOO_DARK, Code.TOO_BRIGHT),
    "border": (Code.CUT_OFF,),
    "near": (Code.TOO_SMALL,),
}


def look_closer(image: Image, faces: FaceDetector) -> Hidden:
    """Look for a face in changed copies of a picture in which there seems to be none."""
    light = _measured(image, _best(faces.detect([stretch_contrast(image)])[0]))
    border = _measured(image, _best(_beyond(image, faces), _LEAST_BORDER_SCORE))
    near = None
    if light is None and border is None:
        near = _measured(image, _enlarged(image, faces))
    return Hidden(light=light, border=border, near=near)


def explain_no_face(hidden: Hidden, rules: PhotosSection) -> tuple[Finding, ...]:
    """Say what hides a face from the detector; nothing where the rules would let it pass."""
    for field in fields(hidden):
        quality: FaceQuality | None = getattr(hidden, field.name)
        if quality is not None:
            found = check_quality(quality, rules)
            if reasons := tuple(f for f in found if f.code in _EXPLAINS[field.name]):
                return reasons
    return ()


def whole_face(image: Image, face: Face, faces: FaceDetector) -> Face:
    """Find the whole of an unsure face at the border, of which a detector sees the inner part.

    Returns:
        The face in the picture continued beyond its borders, where one is found there; else the
        same face.
    """
    if face.score >= _UNSURE or _visible(image, face) >= _AT_BORDER:
        return face
    others = [other for other in _beyond(image, faces) if _is_part_of(face, other)]
    return _best(others, _LEAST_BORDER_SCORE) or face


def _best(found: Sequence[Face], least: float = _LEAST_SCORE) -> Face | None:
    best = max(found, key=lambda face: face.score, default=None)
    return best if best is not None and best.score >= least else None


def _measured(image: Image, face: Face | None) -> FaceQuality | None:
    """Of the picture as it is; None without a face, or with landmarks that are none."""
    if face is None:
        return None
    try:
        return measure_quality(image, face)
    except AlignmentError:
        return None


def _beyond(image: Image, faces: FaceDetector) -> list[Face]:
    """The faces of a picture that goes on beyond its borders, in pixels of the picture itself."""
    by = round(_BORDER * max(image.shape[:2]))
    wide = continue_borders(image, by)
    return [face.moved(-by, -by) for face in faces.detect([wide])[0]]


def _enlarged(image: Image, faces: FaceDetector) -> Face | None:
    height, width = image.shape[:2]
    tall, wide = max(height // _PARTS, 1), max(width // _PARTS, 1)
    steps = np.linspace(0.0, 1.0, 2 * _PARTS - 1)
    corners = [
        (round((height - tall) * down), round((width - wide) * right))
        for down in steps
        for right in steps
    ]
    scale = _PART_PX / max(tall, wide)
    size = (max(round(wide * scale), 1), max(round(tall * scale), 1))
    parts = [cut_part(image, (left, top, left + wide, top + tall), size) for top, left in corners]
    found = zip(faces.detect(parts), corners, strict=True)
    return _best(
        [face.moved(left, top, scale=1 / scale) for some, (top, left) in found for face in some]
    )


def _visible(image: Image, face: Face) -> float:
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (float(value) for value in face.box_xyxy_px)
    inside = max(0.0, min(x1, width) - max(x0, 0.0)) * max(0.0, min(y1, height) - max(y0, 0.0))
    return float(inside / max((x1 - x0) * (y1 - y0), 1e-6))


def _is_part_of(face: Face, whole: Face) -> bool:
    """Whether most of one box lies inside the other."""
    a, b = face.box_xyxy_px, whole.box_xyxy_px
    shared = float(np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)))
    return bool(shared > 0.5 * face.width_px * face.height_px)
