"""Whether a file ends where its own structure says; nothing is decoded."""

import struct
from pathlib import Path
from typing import BinaryIO, Final

from facekit.media.kinds import Kind, kind_of, read_head

__all__ = ["ends_early", "is_media"]

_EXR: Final = b"v/1\x01"
_PNG: Final = b"\x89PNG\r\n\x1a\n"


def is_media(path: Path) -> bool:
    """Whether the first bytes of a file are those of a picture or a movie, whatever its name is."""
    head = read_head(path)
    return head.startswith(_EXR) or kind_of("", head) in (Kind.PHOTO, Kind.CLIP)


def ends_early(path: Path) -> bool:
    """Whether a file lacks its end: of MP4, MOV, PNG, JPEG, WebP and AVI; False for any other."""
    head, size = read_head(path), path.stat().st_size
    with path.open("rb") as file:
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
            return _boxes_end_early(file, size)
        if head.startswith(_PNG):
            return _chunks_end_early(file, size)
        if head[:4] == b"RIFF":
            return int.from_bytes(head[4:8], "little") + 8 > size
        if head.startswith(b"\xff\xd8\xff"):
            return b"\xff\xd9" not in file.read()
    return False


def _boxes_end_early(file: BinaryIO, size: int) -> bool:
    """Walk the outer boxes of ISO 14496-12."""
    at, kinds = 0, set()
    while at < size:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return True
        length, kind = struct.unpack(">I4s", head[:8])
        if length == 1:
            if len(head) < 16:
                return True
            (length,) = struct.unpack(">Q", head[8:16])
        if length == 0:  # it goes on to the end
            length = size - at
        if length < 8:
            return False  # no box: changed, and not cut off
        kinds.add(kind)
        at += length
    return at > size or b"moov" not in kinds


def _chunks_end_early(file: BinaryIO, size: int) -> bool:
    """Walk the chunks of a PNG."""
    at = len(_PNG)
    while at + 12 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"IEND":
            return False
        at += 12 + length
    return True
