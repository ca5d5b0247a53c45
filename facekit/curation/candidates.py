"""Files to candidates: read, find the face, measure it. Nothing here aborts the other photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.curation.duplicates import picture_hash
from facekit.curation.findings import Code, Finding
from facekit.errors import AlignmentError, MediaError
from facekit.faces.align import align
from facekit.faces.protocols import FaceVendor
from facekit.faces.quality import FaceQuality, measure_quality
from facekit.media.files import VIDEO_SUFFIXES
from facekit.media.images import read_image
from facekit.media.video import is_video
from facekit.types import Face, FaceCrop, Image

__all__ = ["OTHER_FACE_FRACTION", "Candidate", "examine", "read_sidecar"]

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
    if is_video(path) or path.suffix.lower() in VIDEO_SUFFIXES:
        sentence = "a video, which is not read yet; save single frames of it as PNG"
        return Candidate(source=source, findings=(Finding(code=Code.VIDEO, sentence=sentence),))
    try:
        image = read_image(path)
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


def _only_face(found: Sequence[Face], min_score: float) -> tuple[Face, None] | tuple[None, Finding]:
    sure = [face for face in found if face.score >= min_score]
    if not sure:
        best = max((face.score for face in found), default=None)
        how = "found" if best is None else f"above score {min_score:.2f} (best {best:.2f})"
        return None, Finding(
            code=Code.NO_FACE,
            value=best,
            limit=None if best is None else min_score,
            sentence=f"no face {how};"
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
