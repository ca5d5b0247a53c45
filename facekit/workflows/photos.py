"""The photos of a character: what its file remembers of them, and how they are found again.

A character file is shared, so it holds names and digests and no folder. The folder is written
beside it, into the run's result, and can be named when it has moved.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from facekit.adapters.character import Character
from facekit.adapters.character_header import PhotoRecord, PhotoRole
from facekit.errors import MediaError, UsageError
from facekit.identity.photo_set import Photo, PhotoSet
from facekit.media.files import full_path
from facekit.media.frames import split_frame_name
from facekit.media.images import pixel_digest, read_image
from facekit.media.unpack import changed_file, locate, scan_photos
from facekit.weights import file_digest
from facekit.workflows.preset_photos import FoundPhotos, photos_by_hash
from facekit.workflows.source_names import common_folder_of
from facekit.workflows.train_folder import photos_folder

__all__ = [
    "FoundPhotos",
    "common_folder",
    "find_photos",
    "parse_photos",
    "record_photos",
]


def common_folder(photos: PhotoSet) -> Path:
    """The folder, in full, that all photos and their archives and clips lie in or below."""
    return common_folder_of([photo.source for photo in photos.photos])


def record_photos(photos: PhotoSet) -> tuple[PhotoRecord, ...]:
    """Remember photos by their way from the folder that all share; the folder itself is left out.

    Raises:
        MediaError: A photo is no longer there.
    """
    folder = common_folder(photos)
    groups: tuple[tuple[PhotoRole, tuple[Photo, ...]], ...] = (
        ("train", photos.train),
        ("held_out", photos.held_out),
    )
    return tuple(
        PhotoRecord(
            name=full_path(photo.source).relative_to(folder).as_posix(),
            # In this order: a photo that is gone is told as such by the reader of pictures.
            pixels_sha256=pixel_digest(read_image(photo.file)),
            sha256=file_digest(photo.file),
            role=role,
            turned_deg=photo.turned_deg,
            cut_xyxy_px=photo.cut_xyxy_px,
        )
        for role, group in groups
        for photo in group
    )


def find_photos(character: Character, given: Sequence[Path | str] = ()) -> FoundPhotos:
    """Find the photos of a character again and make sure that they are the same.

    A folder that holds photos of the names that the file knows is taken for the character's own:
    of it, only those are used, each in its role. Everything else that is given judges. Without
    anything given, all photos must be in the folder that the training run has written down. Of a
    preset whose templates are not here, photos are known by their salted hashes.

    Args:
        character: Knows names and digests.
        given: Files, folders, patterns and archives.

    Raises:
        UsageError: Photos are missing, or none is there that may judge; the message names them.
        MediaError: A path does not exist, or a photo of a known name is another picture.
    """
    records = character.file.header.photos
    if given and not records and (known := photos_by_hash(character, given)) is not None:
        return known
    at_home = photos_folder(Path(character.source).parent, character.file.header.run_digest)
    folders, named = _sort_out(records, [Path(path) for path in given])
    if not given and at_home is not None:
        folders = [at_home]
    found: dict[PhotoRecord, Path] = {}
    for record in records:
        for folder in folders:
            if (file := _file_of(folder, record)) is not None:
                found[record] = _checked(folder / record.name, file, record)
                break
    judges = {record.sha256: record for record in records if record.role == "held_out"}
    digests = {path: file_digest(path) for path in named}
    found |= {judges[digest]: path for path, digest in digests.items() if digest in judges}
    new = [path for path, digest in digests.items() if digest not in judges]
    if at_home is not None:
        # What trained tells copying, so it is looked for even where other photos judge.
        for record in records:
            if record.role != "train" or record in found:
                continue
            file = _file_of(at_home, record)
            if file is not None and _is_same(file, record):
                found[record] = file
    enrolled, held_out = (
        tuple(found[record] for record in records if record.role == role and record in found)
        for role in get_args(PhotoRole)
    )
    wanted = [record for record in records if record.role == "train" or not named]
    missing = tuple(record.name for record in wanted if record not in found)
    if not (held_out or new) or (missing and not given):
        raise _missing(character, missing, at_home)
    return FoundPhotos(
        enrolled=enrolled, held_out=(*held_out, *new), has_new=bool(new), missing=missing
    )


def parse_photos(said: Sequence[str], members: Sequence[str]) -> dict[str, str]:
    """Read where photos are: member -> folder, in full.

    Args:
        said: Each `NAME=FOLDER`.
        members: Of the cast that are in shots.

    Raises:
        UsageError: Not of that form, an unknown name, a name twice, or no such folder.
    """
    found: dict[str, str] = {}
    for text in said:
        name, is_there, folder = text.partition("=")
        name = name.removeprefix("@")
        if not is_there or name not in members:
            known = ", ".join(members) or "nobody"
            raise UsageError(
                f"--photos {text}: expected NAME=FOLDER with one of {known} as the name; correct it"
            )
        if name in found:
            raise UsageError(
                f"--photos {text}: {name} has a folder already, expected one for each; leave one"
                " away"
            )
        if not Path(folder).is_dir():
            raise UsageError(
                f"--photos {text}: no such folder, expected the one that holds the photos of"
                f" {name}; correct it"
            )
        found[name] = str(full_path(Path(folder)))
    return found


def _sort_out(
    records: Sequence[PhotoRecord], given: Sequence[Path]
) -> tuple[list[Path], list[Path]]:
    """Tell folders of the character's own photos from photos that are named to judge.

    An archive or a clip that the records name stands for the folder that it lies in.
    """
    folders: list[Path] = []
    others: list[Path] = []
    for path in given:
        is_part = path.is_file() and any(
            record.name.startswith((f"{path.name}/", f"{path.name}@")) for record in records
        )
        folder = path.parent if is_part else path
        is_own = folder.is_dir() and any(
            (_real_part(folder / record.name) is not None) for record in records
        )
        if is_own and (is_part or path.is_dir()):
            folders.append(folder)
        else:
            others.append(path)
    return folders, scan_photos(others) if others else []


def _real_part(path: Path) -> Path | None:
    """The photo itself, or the archive or clip that it comes from; None where none is there."""
    frame = split_frame_name(path.name)
    names = [path] if frame is None else [path, path.with_name(frame[0])]
    above = (name for path in names for name in (path, *path.parents))
    return next((name for name in above if name.is_file()), None)


def _file_of(folder: Path, record: PhotoRecord) -> Path | None:
    """The photo of a record as a file, upright; None where it is not there."""
    file = locate(folder / record.name)
    return None if file is None else changed_file(file, record.turned_deg, record.cut_xyxy_px)


def _is_same(file: Path, record: PhotoRecord) -> bool:
    """Whether a file is the one that was recorded.

    What the cache holds is compared by its pixels as well: another version of a library may pack
    the same pixels into other bytes.
    """
    if file_digest(file) == record.sha256:
        return True
    is_changed = record.turned_deg or record.cut_xyxy_px is not None
    is_made = is_changed or split_frame_name(record.name) is not None
    return bool(is_made) and pixel_digest(read_image(file)) == record.pixels_sha256


def _checked(place: Path, file: Path, record: PhotoRecord) -> Path:
    if _is_same(file, record):
        return file
    role = "trained on" if record.role == "train" else "held out"
    raise MediaError(
        f"{place}: sha256 {file_digest(file)[:12]}, expected {record.sha256[:12]} of the photo of"
        f" this name that was {role}; put that one back, or, if this is another photo that"
        " training never saw, name it by itself with --photos"
    )


def _missing(character: Character, missing: Sequence[str], at_home: Path | None) -> UsageError:
    """Say what is not there; without a photo that was held out, nothing could be."""
    records, step = (
        character.file.header.photos,
        "name photos that training never saw with --photos",
    )
    if not any(record.role == "held_out" for record in records):
        return UsageError(
            f"{character.source}: knows no photo of {character.name} that was held out, expected"
            f" at least one to judge by; {step}"
        )
    where = f"in {at_home}" if at_home else "to be found, for no folder is written down beside it"
    return UsageError(
        f"{character.source}: {len(missing)} of {len(records)} photos are not {where}"
        f" ({', '.join(missing)}), expected those that it was trained on and judged by; name the"
        f" folder that holds them, or {step}"
    )
