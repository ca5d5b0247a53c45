"""Files to candidates: read, find the face, measure it. Nothing here aborts the other photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facekit.curation.duplicates import picture_hash
from facekit.curation.findings import Code, Finding
from facekit.errors import AlignmentError, MediaError
from facekit.faces.align import align
from facekit.faces.protocols import FaceVendor
from facekit.faces.quality import FaceQuality, measure_quality
from facekit.media.images import read_image
from facekit.media.video import is_video
from facekit.types import Face, FaceCrop, Image

__all__ = ["MAX_SIDE_PX", "Candidate", "examine", "read_sidecar", "shrink"]

MAX_SIDE_PX = 2048
"""Longer photos are averaged down by a whole number; no backbone takes more."""

OTHER_FACE_FRACTION = 0.3
"""A face in the background is a second person from this share of the first one's height on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One file, with all that could be found out about it alone."""

    source: str
    findings: tuple[Finding, ...] = ()
    image: Image | None = None
    crop: FaceCrop | None = None
    """None where there is not exactly one face."""
    quality: FaceQuality | None = None
    hash_bits: int = 0
    """The picture's perceptual hash, 64 bits."""
    sidecar: str | None = None


def examine(path: Path, faces: FaceVendor, min_score: float) -> Candidate:
    """Read one photo, find its face, cut and measure it.

    Args:
        path: The file.
        faces: Detector and encoder.
        min_score: Faces below this detection score do not count, 0..1.
    """
    source = str(path)
    if is_video(path):
        sentence = "a video, expected a photo; save single frames of it as PNG"
        return Candidate(source=source, findings=(Finding(code=Code.VIDEO, sentence=sentence),))
    try:
        image = shrink(read_image(path))
        sidecar = read_sidecar(path)
    except MediaError as error:
        sentence = str(error).removeprefix(f"{path}: ")
        return Candidate(
            source=source, findings=(Finding(code=Code.UNREADABLE, sentence=sentence),)
        )
    found = faces.detect([image])[0]
    face, finding = _only_face(found, min_score)
    if face is None:
        findings = () if finding is None else (finding,)
        return Candidate(source=source, findings=findings, image=image)
    try:
        size_px, margin = faces.crop_size_px, faces.crop_margin
        crop = align(image, face, size_px=size_px, margin=margin, source=source)
        quality = measure_quality(image, face)
    except AlignmentError as error:
        finding = Finding(code=Code.NOT_ALIGNED, sentence=str(error))
        return Candidate(source=source, findings=(finding,), image=image)
    return Candidate(
        source=source,
        image=image,
        crop=crop,
        quality=quality,
        hash_bits=picture_hash(image),
        sidecar=sidecar,
    )


def read_sidecar(photo: Path) -> str | None:
    """Read the caption in the ``.txt`` beside a photo; None when there is none or it is empty.

    Raises:
        MediaError: The file is there and is not UTF-8 text.
    """
    path = photo.with_suffix(".txt")
    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(
            f"{path}: not readable as UTF-8 text ({error}), expected one line of caption;"
            " save it as UTF-8 or remove it"
        ) from error
    return " ".join(text.split()) or None


def shrink(image: Image, max_side_px: int = MAX_SIDE_PX) -> Image:
    """Average a picture down by the smallest whole number that brings it within a size."""
    height, width = image.shape[:2]
    step = -(-max(height, width) // max_side_px)
    if step <= 1:
        return image
    rows, columns = max(height // step, 1), max(width // step, 1)
    if rows * step > height or columns * step > width:  # a side thinner than the step
        return np.ascontiguousarray(image[::step, ::step])
    total = np.zeros((rows, columns, 3), np.uint32)
    for y in range(step):
        for x in range(step):
            total += image[y : rows * step : step, x : columns * step : step]
    return np.asarray((total + step * step // 2) // (step * step), dtype=np.uint8)


def _only_face(found: Sequence[Face], min_score: float) -> tuple[Face, None] | tuple[None, Finding]:
    sure = [face for face in found if face.score >= min_score]
    if not sure:
        best = max((face.score for face in found), default=0.0)
        return None, Finding(
            code=Code.NO_FACE,
            value=best,
            limit=min_score,
            sentence=f"no face above score {min_score:.2f} (best {best:.2f});"
            " use a photo that shows the face from the front and in good light",
        )
    first = max(sure, key=lambda face: face.width_px * face.height_px)
    people = [f for f in sure if f.height_px >= OTHER_FACE_FRACTION * first.height_px]
    if len(people) > 1:
        return None, Finding(
            code=Code.SEVERAL_FACES,
            value=float(len(people)),
            limit=1.0,
            sentence=f"{len(people)} people, expected 1; crop the picture to one person",
        )
    return first, None
