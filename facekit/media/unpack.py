"""From what was scanned to files: archives unpacked, frames and turned photos put into the cache.

Everything downstream reads files. What is no file of its own has a name that leads back to one,
and `locate` follows it, so that a photo is found again wherever the cache is.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from facekit.errors import MediaError
from facekit.media.archives import CAPTION_SUFFIX, list_members, unpack_members
from facekit.media.cache import cache_dir, cached_write
from facekit.media.frames import read_frame, split_frame_name
from facekit.media.images import read_image
from facekit.media.kinds import RAW_SUFFIXES, Kind
from facekit.media.scan import Source, scan_sources
from facekit.types import Image, NoProgress, Progress
from facekit.weights import file_digest

__all__ = ["changed_file", "frame_file", "locate", "scan_photos", "turn", "unpack_sources"]


def unpack_sources(
    sources: Sequence[Source], progress: Progress | None = None
) -> tuple[Source, ...]:
    """Put the members of archives into the cache; what is a file already stays as it is.

    Args:
        sources: What `scan_sources` gave.
        progress: Counts the members, where there are any.

    Returns:
        As many, in the same order, each with a file of its own; a member that is damaged is
        refused.

    Raises:
        MediaError: An archive is gone or damaged as a whole.
        OutputError: The cache cannot be written.
    """
    waiting: dict[Path, list[int]] = {}
    for index, source in enumerate(sources):
        if source.member is not None and not source.refusal:
            waiting.setdefault(source.path, []).append(index)
    if not waiting:
        return tuple(sources)
    bar = progress or NoProgress()
    bar.start(sum(map(len, waiting.values())), "Unpacking archives")
    ready = list(sources)
    for archive, indices in waiting.items():
        members = [member for index in indices if (member := sources[index].member) is not None]
        unpacked = unpack_members(archive, members)
        for index, member, place in zip(indices, members, unpacked, strict=True):
            ready[index] = _unpacked(sources[index], place, has_caption=member.caption is not None)
            bar.advance(1, member.name)
    bar.finish()
    return tuple(ready)


def _unpacked(source: Source, place: Path | MediaError, *, has_caption: bool) -> Source:
    if isinstance(place, MediaError):
        refusal = str(place).removeprefix(f"{source.name}: ")
        return replace(source, kind=Kind.OTHER, refusal=refusal)
    if not has_caption:
        return replace(source, path=place, member=None)
    caption_name = str(Path(source.name).with_suffix(CAPTION_SUFFIX))
    caption = place.with_suffix(CAPTION_SUFFIX)
    return replace(source, path=place, member=None, caption=caption, caption_name=caption_name)


def scan_photos(paths: Sequence[Path | str]) -> list[Path]:
    """List the photos that paths name, as files, for a caller that has no use for clips.

    Clips and what cannot be read are passed over, unless they are named by themselves.

    Raises:
        MediaError: As for `scan_sources`, or nothing is left.
        OutputError: The cache cannot be written.
    """
    named = {str(Path(path)) for path in paths}
    kept = [
        source
        for source in scan_sources(paths)
        if source.name in named
        or (source.kind is Kind.PHOTO and source.path.suffix.lower() not in RAW_SUFFIXES)
    ]
    if not kept:
        listed = ", ".join(str(path) for path in paths)
        raise MediaError(f"{listed}: no photos found, only files of other kinds; name photos")
    for source in kept:
        if source.refusal:
            raise MediaError(f"{source.name}: {source.refusal}")
    return [source.path for source in unpack_sources(kept)]


def locate(path: Path) -> Path | None:
    """Find the file behind a name: a file, a member of an archive, or a frame of a clip.

    Args:
        path: What `Source.name` said, from wherever the photos are now.

    Returns:
        The file itself, or its copy in the cache, which is made where it is missing; None where
        there is no such thing.

    Raises:
        MediaError: The clip or the archive is damaged.
        OutputError: The cache cannot be written.
    """
    if path.is_file():
        return path
    if (frame := split_frame_name(path.name)) is not None:
        clip = locate(path.with_name(frame[0]))
        return None if clip is None else frame_file(clip, frame[1])
    archive = next((parent for parent in path.parents if parent.is_file()), None)
    if archive is None:
        return None
    name = path.relative_to(archive).as_posix()
    members = [m for m in list_members(archive) if m.name == name and not m.refusal]
    for place in unpack_members(archive, members[:1]):
        if isinstance(place, MediaError):
            raise place
        return place
    return None


def frame_file(clip: Path, at_ms: int, *, digest: str = "") -> Path:
    """Give a frame of a clip as a PNG in the cache, decoded where it is missing.

    Args:
        clip: The file.
        at_ms: When the frame begins.
        digest: The clip's sha256 where it is known.

    Raises:
        MediaError: The clip is damaged, or has no such frame.
        OutputError: The cache cannot be written.
    """
    place = cache_dir() / "frames" / (digest or file_digest(clip)) / f"{at_ms}.png"
    if not place.is_file():
        _write(place, read_frame(clip, at_ms).image)
    return place


def changed_file(
    photo: Path, turned_deg: int = 0, cut_xyxy_px: tuple[int, int, int, int] | None = None
) -> Path:
    """Give a photo turned clockwise and then cut as a PNG in the cache, made where it is missing.

    Args:
        photo: The file.
        turned_deg: 0, 90, 180 or 270.
        cut_xyxy_px: Left, top, right and bottom of the part that stays; None for all of it.

    Returns:
        The photo itself where nothing changes.

    Raises:
        MediaError: The photo cannot be read.
        OutputError: The cache cannot be written.
    """
    if not turned_deg and cut_xyxy_px is None:
        return photo
    part = "" if cut_xyxy_px is None else "-" + "_".join(map(str, cut_xyxy_px))
    place = cache_dir() / "turned" / f"{file_digest(photo)}-{turned_deg}{part}.png"
    if not place.is_file():
        image = turn(read_image(photo), turned_deg)
        if cut_xyxy_px is not None:
            left, top, right, bottom = cut_xyxy_px
            image = np.ascontiguousarray(image[top:bottom, left:right])
        _write(place, image)
    return place


def turn(image: Image, turned_deg: int) -> Image:
    """Turn a picture clockwise by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(image, -(turned_deg // 90)))


def _write(place: Path, image: Image) -> None:
    with cached_write(place) as temporary:
        PillowImage.fromarray(image).save(temporary, format="PNG", compress_level=1)
