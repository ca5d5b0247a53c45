"""Sources to candidates: read, find the face, measure it. Nothing here aborts the other photos."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facekit.curation.closer_look import Hidden, look_closer, whole_face
from facekit.curation.duplicates import picture_hash
from facekit.curation.findings import Code, Finding
from facekit.curation.one_face import only_face, people_among
from facekit.curation.turning import look_again
from facekit.errors import AlignmentError, MediaError
from facekit.faces.align import align
from facekit.faces.protocols import FaceVendor
from facekit.faces.quality import FaceQuality, measure_quality
from facekit.media.images import Picture, read_picture
from facekit.media.kinds import Kind
from facekit.media.reading import read_ahead
from facekit.media.scan import Source
from facekit.media.traits import PictureTraits, measure_picture
from facekit.media.unpack import changed_file, turn
from facekit.types import Face, FaceCrop, Image, Progress

__all__ = [
    "Candidate",
    "examine",
    "examine_part",
    "examine_turned",
    "read_sidecar",
]

_BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One source, with all that could be found out about it alone; without its pixels."""

    source: Source
    findings: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    """What was done to the picture or could not be; none of it refuses the photo."""
    allowed: tuple[Finding, ...] = ()
    """What was found and overruled."""
    crop: FaceCrop | None = None
    """None where there is not exactly one face."""
    people: tuple[FaceCrop, ...] = ()
    """Where there are several: a crop of each."""
    size_px: tuple[int, int] | None = None
    """Height and width of the turned picture; None where it could not be read."""
    traits: PictureTraits | None = None
    """Of the whole picture; None where it could not be read."""
    quality: FaceQuality | None = None
    hidden: Hidden | None = None
    """Where no face was found: what changed copies of the picture show, to say why."""
    hash_bits: int = 0
    """The picture's perceptual hash, 64 bits."""
    sidecar: str | None = None
    captioned_by: str = ""
    """The model that wrote the caption; empty where it is the text beside the photo."""
    turned_deg: int = 0
    """How far the picture was turned clockwise."""
    cut_xyxy_px: tuple[int, int, int, int] | None = None
    """The part of the turned picture that is used; None for all of it."""
    beside: tuple[Face, ...] = ()
    """Where one of several people was taken: the others, in pixels of the part that is used, which
    they lie outside of."""

    @property
    def everybody(self) -> tuple[Face, ...]:
        """Where there are several people: each of them, the one that was taken first."""
        if self.crop is not None and self.beside:
            return (self.crop.face, *self.beside)
        return tuple(crop.face for crop in self.people)

    @property
    def file(self) -> Path:
        """The picture as it is used: the file itself, or a turned or cut copy, made where missing.

        Raises:
            MediaError: The photo is no longer there.
            OutputError: The cache cannot be written.
        """
        return changed_file(self.source.path, self.turned_deg, self.cut_xyxy_px)


def examine(
    sources: Sequence[Source], faces: FaceVendor, min_score: float, progress: Progress
) -> list[Candidate]:
    """Read photos, find their faces, cut and measure them.

    Several threads decode a few photos ahead; faces are looked for in small batches.

    Args:
        sources: Photos with a file of their own, and what is refused already.
        faces: Detector and encoder.
        min_score: Faces below this detection score do not count, 0..1.
        progress: Counts the photos.

    Returns:
        One candidate for each, in order.
    """
    done: list[Candidate] = []
    batch: list[tuple[Source, Picture | MediaError | None]] = []

    def flush() -> None:
        for candidate in _examine(batch, faces, min_score):
            done.append(candidate)
            progress.advance(1, Path(candidate.source.name).name)
        batch.clear()

    with read_ahead([source.path for source in sources if not source.refusal]) as pictures:
        for source in sources:
            batch.append((source, None if source.refusal else next(pictures)))
            if len(batch) == _BATCH:
                flush()
        flush()
    return done


def examine_turned(
    source: Source, faces: FaceVendor, min_score: float, turned_deg: int
) -> Candidate:
    """Read a photo again and look at it turned clockwise by this much.

    Raises:
        MediaError: It is no longer there.
    """
    picture = read_picture(source.path)
    found = faces.detect([turn(picture.image, turned_deg)])[0]
    return _measure(source, picture, found, faces, min_score, turned_deg)


def examine_part(
    candidate: Candidate, face: Face, cut_xyxy_px: tuple[int, int, int, int], faces: FaceVendor
) -> Candidate:
    """Read a photo again and measure one of the faces in it, in the part that is cut out.

    Args:
        candidate: A picture with several people.
        face: The one that stays, in pixels of the whole turned picture.
        cut_xyxy_px: Left, top, right and bottom of the part.
        faces: Its crops are cut.

    Raises:
        MediaError: It is no longer there.
    """
    left, top, right, bottom = cut_xyxy_px
    image = turn(read_picture(candidate.source.path).image, candidate.turned_deg)
    moved = face.moved(-left, -top)
    alone = replace(candidate, findings=(), people=(), cut_xyxy_px=cut_xyxy_px)
    return _measure_face(alone, np.ascontiguousarray(image[top:bottom, left:right]), moved, faces)


def _examine(
    batch: Sequence[tuple[Source, Picture | MediaError | None]], faces: FaceVendor, min_score: float
) -> Iterator[Candidate]:
    # One by one: in a batch the last digits depend on who else is in it.
    found = (faces.detect([p.image])[0] for _, p in batch if isinstance(p, Picture))
    for source, read in batch:
        sentence = source.refusal
        if isinstance(read, Picture):
            try:
                yield _judge(source, read, next(found), faces, min_score)
                continue
            except MediaError as error:  # of its caption
                sentence = str(error)
        elif read is not None:
            sentence = str(read).removeprefix(f"{source.path}: ")
        code = Code.VIDEO if source.kind is Kind.CLIP else Code.UNREADABLE
        finding = Finding(code=code, sentence=sentence)
        yield Candidate(source=source, findings=(finding,))


def _judge(
    source: Source,
    picture: Picture,
    found: tuple[Face, ...],
    faces: FaceVendor,
    min_score: float,
) -> Candidate:
    turned_deg, found = look_again(picture.image, found, faces, min_score)
    return _measure(source, picture, found, faces, min_score, turned_deg)


def _measure(
    source: Source,
    picture: Picture,
    found: Sequence[Face],
    faces: FaceVendor,
    min_score: float,
    turned_deg: int,
) -> Candidate:
    """Cut and measure the one face of a picture, which is turned first."""
    sidecar = read_sidecar(source)
    image = turn(picture.image, turned_deg) if turned_deg else picture.image
    notes = _notes((*source.remarks, *picture.remarks), turned_deg)
    candidate = Candidate(
        source=source,
        notes=notes,
        sidecar=sidecar,
        turned_deg=turned_deg,
        size_px=(image.shape[0], image.shape[1]),
    )
    face, finding = only_face(found, min_score)
    if face is not None:
        return _measure_face(candidate, image, whole_face(image, face, faces), faces)
    is_none = finding is not None and finding.code is Code.NO_FACE
    return replace(
        candidate,
        findings=() if finding is None else (finding,),
        hidden=look_closer(image, faces) if is_none else None,
        traits=measure_picture(image),
        people=_crops(image, found, faces, min_score, source.name),
    )


def _measure_face(candidate: Candidate, image: Image, face: Face, faces: FaceVendor) -> Candidate:
    """Cut and measure one face of a picture as it is used."""
    try:
        size_px, margin = faces.crop_size_px, faces.crop_margin
        crop = align(image, face, size_px=size_px, margin=margin, source=candidate.source.name)
        quality = measure_quality(image, face)
    except AlignmentError as error:
        finding = Finding(code=Code.NOT_ALIGNED, sentence=str(error))
        return replace(candidate, findings=(finding,))
    return replace(
        candidate,
        crop=crop,
        quality=quality,
        hash_bits=picture_hash(image),
        traits=measure_picture(image),
    )


def _crops(
    image: Image, found: Sequence[Face], faces: FaceVendor, min_score: float, source: str
) -> tuple[FaceCrop, ...]:
    """A crop of each person, where there are several; nothing where one cannot be aligned."""
    people = people_among(found, min_score)
    size_px, margin = faces.crop_size_px, faces.crop_margin
    try:
        return tuple(
            align(image, face, size_px=size_px, margin=margin, source=source) for face in people
        )
    except AlignmentError:
        return ()


def _notes(remarks: Sequence[str], turned_deg: int) -> tuple[Finding, ...]:
    notes = [Finding(code=Code.COLOURS, sentence=remark) for remark in remarks]
    if turned_deg:
        lay = "stood on its head" if turned_deg == 180 else "lay on its side"
        sentence = (
            f"the face {lay}, so the picture was turned by {turned_deg} degrees clockwise;"
            " leave the photo out if that is wrong"
        )
        notes.append(
            Finding(code=Code.TURNED, value=float(turned_deg), limit=0.0, sentence=sentence)
        )
    return tuple(notes)


def read_sidecar(source: Source) -> str | None:
    """Read the caption in the ``.txt`` beside a photo; None when there is none or it is empty.

    Raises:
        MediaError: The file is there and is not UTF-8 text.
    """
    path = source.caption
    if path is None or not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(
            f"{source.caption_name}: not readable as UTF-8 text ({error}), expected one line of"
            " caption; save it as UTF-8 or remove it"
        ) from error
    return " ".join(text.split()) or None
