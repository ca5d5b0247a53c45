"""Which photos, clips and archives paths name; found by name and first bytes, without decoding."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.errors import MediaError
from facekit.media.archives import CAPTION_SUFFIX, Member, list_members
from facekit.media.kinds import CLOSED_SUFFIXES, IMAGE_SUFFIXES, Kind, is_junk, kind_of, read_head

__all__ = [
    "MANIFEST_FILE",
    "UNFINISHED_FILE",
    "Source",
    "is_dataset",
    "scan_sources",
    "tell_sources",
]

MANIFEST_FILE = "dataset.json"
"""Says that a folder is a dataset, which holds crops and masks and no photos."""

UNFINISHED_FILE = ".unfinished"
"""There while a dataset is written, so that a first run that was broken off can be taken up."""

_MARK = b'"facekit.dataset/'


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One thing to look at: a photo, a clip, or what is only told of."""

    name: str
    """What it is called: the path as it was given, ``photos.zip/a/b.jpg`` for a member of an
    archive, ``clip.mp4@00:01.240`` for a frame of a clip."""
    path: Path
    """The file; of a member its archive, until it is unpacked."""
    kind: Kind
    refusal: str = ""
    """Why it is not looked at, without its name; empty where it is."""
    member: Member | None = None
    """Set while it is still inside its archive."""
    caption: Path | None = None
    """Where its caption lies, if it has one."""
    caption_name: str = ""
    """What that is called."""
    clip: str = ""
    """Name of the clip that it is a frame of; empty for any other photo."""
    remarks: tuple[str, ...] = ()
    """What is known of its pixels before it is read."""


def scan_sources(paths: Sequence[Path | str]) -> tuple[Source, ...]:
    """List what files, folders, patterns and zip archives name.

    A folder gives its files and those of its subfolders in order of name; hidden files, what
    systems leave behind and files of other kinds are passed over, and a link that leads back ends
    there. What is called like a photo and is no file (a link that leads nowhere, a pipe) is told.
    A pattern such as ``photos/*.jpg`` gives what it matches, likewise. A file named by itself is
    always kept, so that reading it can say what is wrong with it. An archive is opened only where
    it is named by itself. There is no limit to their number.

    Returns:
        Each file once, in the order given.

    Raises:
        MediaError: A path does not exist, a pattern matches nothing, or nothing in all of them
            looks like a photo or a clip.
    """
    found: dict[Path, tuple[Source, ...]] = {}
    walked: set[tuple[int, int]] = set()
    for given in map(Path, paths):
        for path, is_named in _expand(given, walked):
            place = Path(os.path.realpath(path))  # resolve() fails where links lead in a circle
            before = found.get(place, ())
            is_closed = is_named and any(source.refusal for source in before)
            if (not before or is_closed) and (sources := _look(path, is_named=is_named)):
                found[place] = sources  # an archive that a folder only told of is opened by name
    if not found:
        listed = ", ".join(str(path) for path in paths) or "no path given"
        known = " ".join(sorted(IMAGE_SUFFIXES))
        raise MediaError(
            f"{listed}: no photos found, expected files ending in {known}, clips, or a zip of"
            " them; name a folder that holds the photos"
        )
    return tuple(source for sources in found.values() for source in sources)


def is_dataset(path: Path) -> bool:
    """Whether a folder is a dataset that `facekit check` has written, of whatever version.

    One that was broken off before it was whole is one too: what lies in it are no photos.
    """
    if (path / UNFINISHED_FILE).is_file():
        return True
    try:
        with (path / MANIFEST_FILE).open("rb") as stream:
            return _MARK in stream.read(256)
    except OSError:
        return False


def tell_sources(sources: Sequence[Source], num_frames: int) -> str:
    """Count them for people: ``12 photos, 1 clip (up to 8 frames of each are photos)``.

    Args:
        sources: What `scan_sources` gave.
        num_frames: How many frames of a clip become photos, at most.
    """
    told = []
    frames = f" (up to {num_frames} frames of each are photos)"
    for kind, word, more in ((Kind.PHOTO, "photo", ""), (Kind.CLIP, "clip", frames)):
        if count := sum(source.kind is kind for source in sources):
            told.append(f"{count} {word}{'s' if count > 1 else ''}{more}")
    if count := sum(source.kind is Kind.OTHER for source in sources):
        told.append(f"{count} that will be refused")
    return ", ".join(told)


def _expand(path: Path, walked: set[tuple[int, int]]) -> Iterator[tuple[Path, bool]]:
    """Give the files of a path, and whether they were named by themselves.

    Raises:
        MediaError: There is nothing.
    """
    if not path.exists() and str(path).startswith("~"):
        path = path.expanduser()
    if path.is_dir():
        yield from ((child, False) for child in _walk(path, walked))
    elif path.exists() or path.is_symlink():
        yield path, True
    elif glob.has_magic(str(path)):
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path refuses "a**"
        if not matches:
            raise MediaError(f"{path}: matches no file; check the spelling of the pattern")
        for match in map(Path, matches):
            if match.is_dir():
                yield from ((child, False) for child in _walk(match, walked))
            elif not is_junk(match):
                yield match, kind_of(match) is Kind.ARCHIVE
    else:
        raise MediaError(f"{path}: no such file or folder; check the spelling of the path")


def _walk(folder: Path, walked: set[tuple[int, int]]) -> Iterator[Path]:
    """Give the files of a folder and its subfolders; each folder once, so that a loop ends."""
    try:
        status = folder.stat()
        with os.scandir(folder) as entries:
            children = [folder / name for name in sorted(entry.name for entry in entries)]
    except OSError as error:
        raise MediaError(
            f"{folder}: cannot be listed ({error.strerror}); check the folder's permissions"
        ) from error
    here = (status.st_dev, status.st_ino)
    if here in walked or is_dataset(folder):
        return
    walked.add(here)
    for child in children:
        if is_junk(child):
            continue
        if child.is_dir():
            yield from _walk(child, walked)
        elif child.is_file() or kind_of(child) is not Kind.OTHER:
            yield child


def _look(path: Path, *, is_named: bool) -> tuple[Source, ...]:
    """Tell what a file is; nothing for what a folder or a pattern passes over."""
    suffix, by_name = path.suffix.lower(), kind_of(path)
    is_closed = suffix in CLOSED_SUFFIXES
    if by_name is Kind.OTHER and suffix and not (is_named or is_closed):
        return ()
    if not _is_text(str(path)):
        return (_refused(path, "its name is not UTF-8, so no record can hold it; rename the file"),)
    if missing := _no_file(path):  # opening a pipe would wait for ever
        return (_refused(path, missing),)
    kind = kind_of(path, read_head(path))
    if kind is Kind.ARCHIVE and is_named:
        return _open_archive(path)
    if by_name is Kind.ARCHIVE:
        return (_refused(path, "an archive in a folder, which is not opened; name it by itself"),)
    if is_closed:
        return (_refused(path, "an archive that is not opened; unpack it, or pack it as a zip"),)
    if by_name is Kind.OTHER and kind not in (Kind.PHOTO, Kind.CLIP) and not is_named:
        return ()
    if kind is not Kind.CLIP:
        kind = Kind.PHOTO  # whatever it is: reading it says what is wrong
    caption = path.with_suffix(CAPTION_SUFFIX)
    source = Source(
        name=str(path), path=path, kind=kind, caption=caption, caption_name=str(caption)
    )
    return (source,)


def _no_file(path: Path) -> str:
    """Say why there is nothing to read; empty for a file."""
    if path.is_file():
        return ""
    if path.is_symlink():
        return f"a link to {path.readlink()}, where no file is; put it there or remove the link"
    return "a pipe or a device, expected a file; save what comes out of it as one"


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _open_archive(path: Path) -> tuple[Source, ...]:
    try:
        members = list_members(path)
    except MediaError as error:
        return (_refused(path, str(error).removeprefix(f"{path}: ")),)
    if not members:
        return (_refused(path, "an archive without photos and clips; name another one"),)
    return tuple(
        Source(
            name=f"{path}/{member.name}",
            path=path,
            kind=member.kind,
            refusal=member.refusal,
            member=member,
        )
        for member in members
    )


def _refused(path: Path, refusal: str) -> Source:
    name, why = (
        text.encode("utf-8", "backslashreplace").decode("utf-8") for text in (str(path), refusal)
    )
    return Source(name=name, path=path, kind=Kind.OTHER, refusal=why)
