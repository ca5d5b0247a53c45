"""A checked set of photos as a folder, and back: what is in it is made once and kept by content.

The pictures themselves stay where they are; the folder says how to find them and how to tell that
they are the same.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import facekit
from facekit.curation.candidates import Candidate
from facekit.curation.findings import Code, Verdict
from facekit.curation.folder_files import (
    OWN_FOLDERS,
    PhotoFiles,
    kept_files,
    make_files,
    write_vectors,
)
from facekit.curation.inspection import Inspection
from facekit.curation.manifest import (
    AdviceRecord,
    CaptionRecord,
    DatasetManifest,
    EncoderRecord,
    FaceRecord,
    PhotoEntry,
    record_parser,
)
from facekit.curation.memory import Known
from facekit.curation.stored import read_manifest
from facekit.errors import MediaError, OutputExists
from facekit.faces.protocols import FaceParser, FaceVendor
from facekit.media.files import ensure_out_dir, write_text
from facekit.media.known_files import content_digest
from facekit.media.scan import MANIFEST_FILE, UNFINISHED_FILE
from facekit.recipe import Recipe
from facekit.types import FloatArray, Progress

__all__ = [
    "Captioned",
    "check_place",
    "write_dataset",
]

Captioned = Callable[[Known, tuple[int, int]], CaptionRecord]
"""Writes the caption of a photo whose picture has this height and width."""

_NO_PICTURE = (Code.UNREADABLE, Code.VIDEO)
_MARKS = (MANIFEST_FILE, UNFINISHED_FILE)


def check_place(folder: Path) -> None:
    """Make sure that a dataset may be written here: nothing is there, or an earlier dataset.

    Raises:
        OutputExists: Something else is there.
    """
    if folder.is_dir() and (
        not any(folder.iterdir()) or any((folder / name).is_file() for name in _MARKS)
    ):
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
    allow: Sequence[str],
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
        allow: Codes of reasons that were to be overruled.
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
    write_text(folder / UNFINISHED_FILE, "facekit is writing a dataset here\n")
    entries: list[PhotoEntry] = []
    vectors: dict[str, FloatArray] = {}
    progress.start(len(names), "writing the dataset")
    called = {v.source: name for v, name in zip(inspection.verdicts, names, strict=True)}
    rows = zip(names, inspection.verdicts, inspection.looked_at, strict=True)
    for name, verdict, known in rows:
        entry = _plain_entry(name, verdict)
        if not any(finding.code in _NO_PICTURE for finding in verdict.findings):
            digest = content_digest(known.candidate.source.path)
            kept = before.get(_key(digest, known.candidate))
            files = kept_files(folder, kept, known.candidate, faces, parser)
            files = files or make_files(folder, known.candidate, faces, parser)
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
        findings=inspection.findings,
        allow=tuple(sorted(allow)),
        allowed=inspection.allowed,
        encoder=EncoderRecord(
            asked=recipe.encoder.train,
            name=faces.name,
            digest=faces.digest,
            licence=faces.licence,
        ),
        parser=record_parser(parser),
        rules=recipe.photos,
        captions=recipe.captions,
        min_same_person=inspection.min_same_person,
        embeddings=write_vectors(folder, vectors, faces),
        photos=tuple(entries),
        views=tuple(called[source] for source in inspection.views),
        advice=tuple(AdviceRecord(**advice.to_json()) for advice in inspection.advice),
    )
    text = manifest.model_dump_json(indent=1) + "\n"
    path = folder / MANIFEST_FILE
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    _sweep(folder, manifest)
    (folder / UNFINISHED_FILE).unlink(missing_ok=True)
    return manifest


_Key = tuple[str | None, int, tuple[int, int, int, int] | None]


def _earlier(folder: Path) -> dict[_Key, PhotoEntry]:
    """What an earlier run has made, by the file's digest and how it was turned and cut."""
    try:
        photos = read_manifest(folder).photos
    except MediaError:
        return {}  # a new folder, or one of another version: all is made again
    return {(p.sha256, p.turned_deg, p.cut_xyxy_px): p for p in photos if p.sha256}


def _key(digest: str, candidate: Candidate) -> _Key:
    return digest, candidate.turned_deg, candidate.cut_xyxy_px


def _plain_entry(name: str, verdict: Verdict) -> PhotoEntry:
    """What is told of a photo in which no single face was measured."""
    return PhotoEntry(
        name=name,
        role=verdict.role,
        clip=verdict.clip,
        findings=verdict.findings,
        notes=verdict.notes,
        allowed=verdict.allowed,
        similarity=verdict.similarity,
        measured=verdict.quality,
        picture=verdict.traits,
        sha256=None,
        pixels_sha256=None,
        size_px=None,
        whole_size_px=None,
        turned_deg=0,
        cut_xyxy_px=None,
        face=None,
        people=(),
        crop=None,
        mask=None,
        thumbnail=None,
        caption=None,
    )


def _filled(
    entry: PhotoEntry,
    candidate: Candidate,
    files: PhotoFiles,
    digest: str,
    caption: CaptionRecord | None,
) -> PhotoEntry:
    """Add what is known of a picture, and of the face in it where there is one."""
    told: dict[str, object] = {
        "sha256": digest,
        "pixels_sha256": files.pixels_sha256,
        "size_px": files.size_px,
        "whole_size_px": candidate.size_px,
        "turned_deg": candidate.turned_deg,
        "crop": files.crop,
        "mask": files.mask,
        "thumbnail": files.thumbnail,
        "cut_xyxy_px": candidate.cut_xyxy_px,
        "caption": caption,
    }
    if candidate.crop is not None:
        told |= {"face": FaceRecord.model_validate(candidate.crop.face.to_json())}
    people = (FaceRecord.model_validate(face.to_json()) for face in candidate.everybody)
    told |= {"people": tuple(people)}
    return entry.model_copy(update=told)


def _sweep(folder: Path, manifest: DatasetManifest) -> None:
    """Remove what belongs to no photo any more; only in the folders that are the dataset's own."""
    kept = {folder / manifest.embeddings}
    for photo in manifest.photos:
        kept |= {folder / name for name in (photo.crop, photo.mask, photo.thumbnail) if name}
    for own in OWN_FOLDERS:
        for path in (folder / own).glob("*"):
            if path.is_file() and path not in kept:
                path.unlink(missing_ok=True)
