"""A checked set of photos as a folder, and back: what is in it is made once and kept by content.

The pictures themselves stay where they are; the folder says how to find them and how to tell that
they are the same.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from safetensors.numpy import save

import facekit
from facekit.curation.candidates import Candidate
from facekit.curation.dataset import Inspection
from facekit.curation.findings import Code, Verdict
from facekit.curation.manifest import (
    AdviceRecord,
    CaptionRecord,
    DatasetManifest,
    EncoderRecord,
    FaceRecord,
    ParserRecord,
    PhotoEntry,
)
from facekit.curation.memory import Known
from facekit.curation.stored import read_manifest
from facekit.errors import MediaError, OutputExists
from facekit.faces.protocols import FaceParser, FaceVendor
from facekit.media.embed import shrink
from facekit.media.files import atomic_write, ensure_out_dir, write_bytes, write_text
from facekit.media.images import pixel_digest, read_image, write_image
from facekit.media.known_files import content_digest
from facekit.media.scan import MANIFEST_FILE
from facekit.recipe import Recipe
from facekit.types import FaceCrop, FloatArray, Image, Progress

__all__ = [
    "THUMBNAIL_SIDE_PX",
    "Captioned",
    "check_place",
    "write_dataset",
]

THUMBNAIL_SIDE_PX = 320

Captioned = Callable[[Known, tuple[int, int]], CaptionRecord]
"""Writes the caption of a photo whose picture has this height and width."""

_CROPS, _MASKS, _THUMBNAILS, _EMBEDDINGS = "crops", "masks", "thumbnails", "embeddings"
_NO_PICTURE = (Code.UNREADABLE, Code.VIDEO)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """What the folder holds of one picture."""

    pixels_sha256: str
    size_px: tuple[int, int]
    crop: str | None
    mask: str | None
    thumbnail: str


def check_place(folder: Path) -> None:
    """Make sure that a dataset may be written here: nothing is there, or an earlier dataset.

    Raises:
        OutputExists: Something else is there.
    """
    if folder.is_dir() and (not any(folder.iterdir()) or (folder / MANIFEST_FILE).is_file()):
        return
    if folder.exists():
        raise OutputExists(
            f"{folder}: holds something else than a dataset, expected a new folder or an earlier"
            " dataset, which is brought up to date; choose another --out"
        )


def write_dataset(
    folder: Path,
    inspection: Inspection,
    faces: FaceVendor,
    parser: FaceParser,
    *,
    recipe: Recipe,
    captioned: Captioned,
    names: Sequence[str],
    photos_folder: Path,
    progress: Progress,
) -> DatasetManifest:
    """Write a dataset, or bring it up to date: only what is new is cut, parsed and scaled.

    A kill at any moment leaves the earlier dataset whole, for its files go last.

    Args:
        folder: New, or an earlier dataset.
        inspection: What was found out.
        faces: Who found it out.
        parser: Draws the masks.
        recipe: Holds the thresholds that decided, and how captions are made.
        captioned: Makes the captions.
        names: What each photo is called below `photos_folder`, in the order of the verdicts.
        photos_folder: That all photos lie in or below, in full.
        progress: Counts the photos with a face.

    Returns:
        What was written.

    Raises:
        MediaError: A photo is no longer there.
        OutputError: The folder cannot be written.
    """
    ensure_out_dir(folder)
    before = _earlier(folder)
    entries: list[PhotoEntry] = []
    vectors: dict[str, FloatArray] = {}
    progress.start(len(names), "writing the dataset")
    rows = zip(names, inspection.verdicts, inspection.looked_at, strict=True)
    for name, verdict, known in rows:
        entry = _plain_entry(name, verdict)
        if not any(finding.code in _NO_PICTURE for finding in verdict.findings):
            digest = content_digest(known.candidate.source.path)
            kept = before.get((digest, known.candidate.turned_deg))
            files = _kept_files(folder, kept, known.candidate, faces, parser)
            files = files or _make_files(folder, known.candidate, faces, parser)
            if known.vector is not None:
                vectors[files.pixels_sha256] = known.vector
            caption = captioned(known, files.size_px) if verdict.usable else None
            entry = _filled(entry, known.candidate, files, digest, caption)
        entries.append(entry)
        progress.advance(1, Path(name).name)
    progress.finish()
    manifest = DatasetManifest(
        made_by=facekit.__version__,
        folder=str(photos_folder),
        accepted=inspection.accepted,
        encoder=EncoderRecord(
            asked=recipe.encoder.train,
            name=faces.name,
            digest=faces.digest,
            licence=faces.licence,
        ),
        parser=ParserRecord(name=parser.name, digest=parser.digest, shortfall=parser.shortfall),
        rules=recipe.photos,
        captions=recipe.captions,
        min_same_person=inspection.min_same_person,
        embeddings=_write_vectors(folder, vectors, faces),
        photos=tuple(entries),
        advice=tuple(AdviceRecord(**advice.to_json()) for advice in inspection.advice),
    )
    text = manifest.model_dump_json(indent=1) + "\n"
    path = folder / MANIFEST_FILE
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    _sweep(folder, manifest)
    return manifest


def _earlier(folder: Path) -> dict[tuple[str | None, int], PhotoEntry]:
    """What an earlier run has made, by the digest of the file and how it was turned."""
    try:
        photos = read_manifest(folder).photos
    except MediaError:
        return {}  # a new folder, or one of another version: all is made again
    return {(photo.sha256, photo.turned_deg): photo for photo in photos if photo.sha256}


def _names(
    pixels_sha256: str, crop: FaceCrop | None, faces: FaceVendor, parser: FaceParser
) -> tuple[str | None, str | None, str]:
    """The names of crop, mask and thumbnail; a picture without a face has the last one alone."""
    picture = pixels_sha256[:16]
    thumbnail = f"{_THUMBNAILS}/{picture}.webp"
    if crop is None:
        return None, None, thumbnail
    where = hashlib.sha256(crop.face.box_xyxy_px.tobytes() + crop.face.landmarks_px.tobytes())
    found = f"{picture}-{where.hexdigest()[:8]}"
    encoder = f"{faces.name.replace('/', '-').replace(':', '-')}-{faces.digest[:12]}"
    masked = f"{parser.name}-{parser.digest[:12]}".rstrip("-")
    return (
        f"{_CROPS}/{found}-{encoder}.png",
        f"{_MASKS}/{found}-{masked}.png",
        thumbnail,
    )


def _kept_files(
    folder: Path,
    before: PhotoEntry | None,
    candidate: Candidate,
    faces: FaceVendor,
    parser: FaceParser,
) -> _Files | None:
    """The files of an earlier run where they all are those that would be made now."""
    if before is None or before.pixels_sha256 is None or before.size_px is None:
        return None
    names = _names(before.pixels_sha256, candidate.crop, faces, parser)
    if not all((folder / name).is_file() for name in names if name is not None):
        return None
    crop, mask, thumbnail = names
    digest, size = before.pixels_sha256, before.size_px
    return _Files(pixels_sha256=digest, size_px=size, crop=crop, mask=mask, thumbnail=thumbnail)


def _make_files(
    folder: Path, candidate: Candidate, faces: FaceVendor, parser: FaceParser
) -> _Files:
    image, crop = read_image(candidate.file), candidate.crop
    digest = pixel_digest(image)
    crop_name, mask_name, thumbnail = _names(digest, crop, faces, parser)
    if crop is not None and crop_name is not None and not (folder / crop_name).is_file():
        write_image(folder / crop_name, crop.pixels)
    if crop is not None and mask_name is not None and not (folder / mask_name).is_file():
        masks = parser.parse(image, crop.face)
        none = np.zeros(image.shape[:2], np.float32)
        layers = (masks.face, masks.skin, masks.hair)
        stacked = np.stack([none if layer is None else layer for layer in layers], axis=2)
        write_image(folder / mask_name, (stacked * 255.0).round().astype(np.uint8))
    if not (folder / thumbnail).is_file():
        _write_thumbnail(folder / thumbnail, image)
    height, width = image.shape[:2]
    return _Files(
        pixels_sha256=digest,
        size_px=(height, width),
        crop=crop_name,
        mask=mask_name,
        thumbnail=thumbnail,
    )


def _write_thumbnail(path: Path, image: Image) -> None:
    with atomic_write(path) as temporary:
        PillowImage.fromarray(shrink(image, THUMBNAIL_SIDE_PX)).save(
            temporary, format="WEBP", quality=78, method=4
        )


def _plain_entry(name: str, verdict: Verdict) -> PhotoEntry:
    """What is told of a photo in which no single face was measured."""
    return PhotoEntry(
        name=name,
        role=verdict.role,
        clip=verdict.clip,
        findings=verdict.findings,
        notes=verdict.notes,
        similarity=verdict.similarity,
        measured=verdict.quality,
        sha256=None,
        pixels_sha256=None,
        size_px=None,
        turned_deg=0,
        face=None,
        crop=None,
        mask=None,
        thumbnail=None,
        caption=None,
    )


def _filled(
    entry: PhotoEntry,
    candidate: Candidate,
    files: _Files,
    digest: str,
    caption: CaptionRecord | None,
) -> PhotoEntry:
    """Add what is known of a picture, and of the face in it where there is one."""
    told: dict[str, object] = {
        "sha256": digest,
        "pixels_sha256": files.pixels_sha256,
        "size_px": files.size_px,
        "turned_deg": candidate.turned_deg,
        "crop": files.crop,
        "mask": files.mask,
        "thumbnail": files.thumbnail,
        "caption": caption,
    }
    if candidate.crop is not None:
        face = candidate.crop.face
        marks = {
            "box_xyxy_px": face.box_xyxy_px.tolist(),
            "landmarks_px": face.landmarks_px.tolist(),
            "score": face.score,
        }
        told |= {"face": FaceRecord.model_validate(marks)}
    return entry.model_copy(update=told)


def _write_vectors(folder: Path, vectors: Mapping[str, FloatArray], faces: FaceVendor) -> str:
    known = {name: np.ascontiguousarray(vectors[name]) for name in sorted(vectors)}
    # One entry alone: safetensors writes several in any order, and the digest is the name.
    content = save(known, {"encoder": f"{faces.name}@{faces.digest}"})
    name = f"{_EMBEDDINGS}/{hashlib.sha256(content).hexdigest()[:16]}.safetensors"
    if not (folder / name).is_file():
        write_bytes(folder / name, content)
    return name


def _sweep(folder: Path, manifest: DatasetManifest) -> None:
    """Remove what belongs to no photo any more; only in the folders that are the dataset's own."""
    kept = {folder / manifest.embeddings}
    for photo in manifest.photos:
        kept |= {folder / name for name in (photo.crop, photo.mask, photo.thumbnail) if name}
    for own in (_CROPS, _MASKS, _THUMBNAILS, _EMBEDDINGS):
        for path in (folder / own).glob("*"):
            if path.is_file() and path not in kept:
                path.unlink(missing_ok=True)
