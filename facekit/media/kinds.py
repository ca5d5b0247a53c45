"""What a file is, by its first bytes and by its name; nothing is decoded."""

from enum import StrEnum
from pathlib import Path, PurePath
from typing import Final

__all__ = [
    "CLOSED_SUFFIXES",
    "HEAD_BYTES",
    "HEIF_SUFFIXES",
    "IMAGE_SUFFIXES",
    "RAW_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Kind",
    "is_heif",
    "is_junk",
    "is_video",
    "kind_of",
    "read_head",
]

HEAD_BYTES: Final = 16
"""How much of a file tells what it is."""

IMAGE_SUFFIXES: Final = frozenset(
    {".apng", ".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff"}
    | {".webp"}
)
HEIF_SUFFIXES: Final = frozenset({".heic", ".heif", ".hif"})
"""What phones write; read with the extra `heic`."""
RAW_SUFFIXES: Final = frozenset(
    [".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw"]
)
"""What cameras write and nothing here develops."""
VIDEO_SUFFIXES: Final = frozenset(
    {".3gp", ".avi", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm"}
    | {".wmv"}
)
CLOSED_SUFFIXES: Final = frozenset({".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz"})
"""Archives that nothing here opens."""

_JUNK: Final = frozenset({"__macosx", "thumbs.db", "desktop.ini", "@eadir"})
_STILL_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heif", b"heim", b"heis", b"heix", b"hevc", b"hevx", b"mif1", b"msf1"}
)
_STILLS: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_VIDEOS: Final = (b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")


class Kind(StrEnum):
    """What is done with a file."""

    PHOTO = "photo"
    CLIP = "clip"
    ARCHIVE = "archive"
    OTHER = "other"
    """Nothing; it is passed over, or told of."""


def kind_of(name: PurePath | str, head: bytes = b"") -> Kind:
    """Tell what a file is; its first bytes win over its name.

    Args:
        name: Its name; only the suffix counts.
        head: Its first `HEAD_BYTES`; may be empty.
    """
    if is_video(head):
        return Kind.CLIP
    suffix = PurePath(name).suffix.lower()
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06") or suffix == ".zip":
        return Kind.ARCHIVE
    if is_heif(head) or _is_still(head):
        return Kind.PHOTO
    if suffix in VIDEO_SUFFIXES:
        return Kind.CLIP
    if suffix in IMAGE_SUFFIXES | HEIF_SUFFIXES | RAW_SUFFIXES:
        return Kind.PHOTO
    return Kind.OTHER


def is_junk(path: PurePath) -> bool:
    """Whether a name is one that systems leave behind, or a hidden one."""
    return path.name.startswith(".") or path.name.lower() in _JUNK


def is_heif(head: bytes) -> bool:
    """Whether a file begins like HEIC or HEIF."""
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def is_video(head: bytes) -> bool:
    """Whether a file begins like a video."""
    if head[4:8] == b"ftyp":
        return head[8:12] not in _STILL_BRANDS | _HEIF_BRANDS
    if head[4:8] in (b"moov", b"mdat", b"wide"):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"AVI "
    return head[:4] in _VIDEOS


def read_head(path: Path) -> bytes:
    """Read what tells a file's kind; empty where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError:
        return b""


def _is_still(head: bytes) -> bool:
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in _STILL_BRANDS
    return head.startswith(_STILLS)
