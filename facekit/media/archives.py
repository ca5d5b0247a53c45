"""Zip archives: what is in them, what of it is safe, and its way into the cache.

Nothing is unpacked beside an archive, and no name in it ever becomes a path: a member lies in the
cache under its archive's sha256 and its own number.
"""

import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from facekit.errors import MediaError
from facekit.media.cache import cache_dir, cached_write
from facekit.media.kinds import CLOSED_SUFFIXES, Kind, is_junk, kind_of
from facekit.weights import file_digest

__all__ = [
    "CAPTION_SUFFIX",
    "MAX_MEMBERS",
    "MAX_MEMBER_BYTES",
    "MAX_RATIO",
    "MAX_TOTAL_BYTES",
    "Member",
    "list_members",
    "unpack_members",
]

CAPTION_SUFFIX: Final = ".txt"
MAX_MEMBERS: Final = 50_000
MAX_MEMBER_BYTES: Final = 2 * 1024**3
MAX_TOTAL_BYTES: Final = 16 * 1024**3
MAX_RATIO: Final = 200
"""Unpacked over packed, of a member above `_RATIO_COUNTS_FROM_BYTES`. Photos and clips are packed
already and reach hardly more than 1; deflate can reach 1032."""

_RATIO_COUNTS_FROM_BYTES: Final = 16 * 1024**2
_READ: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 0x1
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_DAMAGES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A photo or clip in an archive, or something that is only told of."""

    name: str
    """Its name in the archive, printable, with forward slashes."""
    number: int
    """Its place in the archive's own list."""
    kind: Kind
    """`OTHER` where it is refused."""
    refusal: str = ""
    """Why it is not taken; empty where it is."""
    caption: int | None = None
    """The place of the text of the same name."""


def list_members(path: Path) -> tuple[Member, ...]:
    """List the photos and clips of a zip, and whatever in it is not safe; nothing is unpacked.

    Raises:
        MediaError: It is damaged, has too many members, or would be too large unpacked.
    """
    with _opened(path) as archive:
        infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise MediaError(
            f"{path}: {len(infos)} members, expected at most {MAX_MEMBERS}; name a smaller archive"
        )
    captions = {
        _clean(info.filename): number
        for number, info in enumerate(infos)
        if info.filename.lower().endswith(CAPTION_SUFFIX) and not _refusal(path, info)
    }
    members: dict[str, Member] = {}
    for number, info in enumerate(infos):
        member = _member(path, number, info, captions)
        if member is not None:
            members.setdefault(member.name, member)  # of two of one name, most tools see one
    taken = (member for member in members.values() if not member.refusal)
    total = sum(infos[member.number].file_size for member in taken)
    if total > MAX_TOTAL_BYTES:
        raise MediaError(
            f"{path}: {total / 1024**3:.1f} GiB unpacked, expected at most"
            f" {MAX_TOTAL_BYTES // 1024**3}; name a smaller archive"
        )
    return tuple(members.values())


def unpack_members(path: Path, members: Sequence[Member]) -> Iterator[Path | MediaError]:
    """Put members, and their captions, into the cache, unless they are there already.

    Args:
        path: The archive.
        members: Those that `list_members` gave and did not refuse.

    Yields:
        For each member, in order, its file or what is wrong with it; its caption lies beside it,
        with the suffix ``.txt``.

    Raises:
        MediaError: The archive is damaged as a whole.
        OutputError: The cache cannot be written.
    """
    folder = cache_dir() / "archives" / file_digest(path)
    with _opened(path) as archive:
        infos = archive.infolist()
        for member in members:
            target = folder / f"{member.number:05}{PurePosixPath(member.name).suffix.lower()}"
            try:
                _unpack(archive, infos[member.number], target)
                if member.caption is not None:
                    _unpack(archive, infos[member.caption], target.with_suffix(CAPTION_SUFFIX))
            except _DAMAGES as error:
                yield MediaError(
                    f"{path}/{member.name}: damaged in the archive ({error}); pack it again"
                )
            else:
                yield target


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: Path) -> None:
    """Write what a member holds; zipfile gives no more bytes than the size that was checked."""
    if place.is_file() and place.stat().st_size == info.file_size:
        return
    with (
        archive.open(info) as stream,
        cached_write(place) as temporary,
        temporary.open("wb") as out,
    ):
        shutil.copyfileobj(stream, out, 1024**2)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (OSError, *_DAMAGES) as error:
        raise MediaError(
            f"{path}: not a zip archive that can be read ({error}); make or copy it again"
        ) from error


def _member(
    path: Path, number: int, info: zipfile.ZipInfo, captions: Mapping[str, int]
) -> Member | None:
    """Judge one entry; None for what is neither wanted nor dangerous."""
    name = _clean(info.filename)
    where = PurePosixPath(name)
    if info.is_dir() or any(is_junk(PurePosixPath(part)) for part in where.parts if part != ".."):
        return None
    kind, refusal = kind_of(where), _refusal(path, info)
    is_closed = kind is Kind.ARCHIVE or where.suffix.lower() in CLOSED_SUFFIXES
    if is_closed and not refusal:
        refusal = "an archive inside an archive, which is not opened; unpack it first"
    if kind is Kind.OTHER and not is_closed and not _leads_out(info.filename):
        return None
    return Member(
        name=name,
        number=number,
        kind=Kind.OTHER if refusal else kind,
        refusal=refusal,
        caption=captions.get(str(where.with_suffix(CAPTION_SUFFIX))),
    )


def _refusal(path: Path, info: zipfile.ZipInfo) -> str:
    """Say why an entry is not taken; empty where it may be."""
    size, packed = info.file_size, max(info.compress_size, 1)
    if _leads_out(info.filename):
        return f"its name leads out of the archive {path.name}; do not trust this archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link, which is not followed in an archive; pack the file itself"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted; unpack the archive with its password and name the folder"
    if info.compress_type not in _READ:
        method = info.compress_type
        return f"packed by zip's method {method}, expected 8 (deflate); pack it as an ordinary zip"
    if size > MAX_MEMBER_BYTES:
        return (
            f"{size / 1024**3:.1f} GiB unpacked, expected at most {MAX_MEMBER_BYTES // 1024**3};"
            " make it smaller"
        )
    if size > _RATIO_COUNTS_FROM_BYTES and size > MAX_RATIO * packed:
        return (
            f"{size // packed} times larger unpacked, expected at most {MAX_RATIO} times, as a"
            " decompression bomb is; leave it out"
        )
    return ""


def _leads_out(name: str) -> bool:
    """Whether a name would lie outside of the folder that it is unpacked into."""
    name = name.replace("\\", "/")
    return name.startswith("/") or ".." in name.split("/") or bool(_DRIVE.match(name))


def _clean(name: str) -> str:
    """Write a name with forward slashes and without anything that a terminal would obey."""
    name = name.replace("\\", "/")
    return "".join(letter if letter.isprintable() else "?" for letter in name)
