"""The archive form of a bundle: a zip file of which there is exactly one for given files.

Files are stored, sorted by name and without times. Whatever an archive says of itself is made
anew from names, sizes and checksums and compared byte by byte, so nothing can hide in headers,
between files or behind them.

Source: the layout is that of PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from facekit.errors import BundleDamaged
from facekit.presets.names import check_together, file_name_fault

__all__ = [
    "MAX_FILES",
    "MAX_TOTAL",
    "Member",
    "list_members",
    "local_header",
    "read_blocks",
    "tail",
]

MAX_FILES: Final = 200
"""Files in a bundle, at most."""
MAX_TOTAL: Final = 4_000_000_000
"""Bytes of a bundle, at most; a plain zip file cannot be larger."""

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_VERSION: Final = 20
_UNIX: Final = 3 << 8
_MODE: Final = 0o100644 << 16
_DATE: Final = (1 << 5) | 1
"""1980-01-01, the first day that a zip file knows."""
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive."""

    path: str
    size: int
    crc: int
    """CRC-32 of its content."""


def local_header(member: Member) -> bytes:
    """What stands before a file."""
    name = member.path.encode("ascii")
    return (
        _LOCAL.pack(
            b"PK\x03\x04",
            _VERSION,
            0,
            0,
            0,
            _DATE,
            member.crc,
            member.size,
            member.size,
            len(name),
            0,
        )
        + name
    )


def tail(members: Sequence[Member]) -> bytes:
    """What stands behind the last file: the list of all of them."""
    entries, place = [], 0
    for member in members:
        name = member.path.encode("ascii")
        entries.append(
            _CENTRAL.pack(
                b"PK\x01\x02",
                _UNIX | _VERSION,
                _VERSION,
                0,
                0,
                0,
                _DATE,
                member.crc,
                member.size,
                member.size,
                len(name),
                0,
                0,
                0,
                0,
                _MODE,
                place,
            )
            + name
        )
        place += _LOCAL.size + len(name) + member.size
    listed = b"".join(entries)
    count = len(members)
    return listed + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(listed), place, 0)


def list_members(file: BinaryIO, name: Path | str) -> dict[str, tuple[Member, int]]:
    """List the files of an archive and where the content of each begins.

    Nothing but the headers is read, and every byte that is no content is compared.

    Args:
        file: Open for reading.
        name: What messages call it.

    Raises:
        BundleDamaged: It is not an archive as facekit writes it.
    """
    size = file.seek(0, 2)
    if not _END.size <= size <= MAX_TOTAL:
        raise _damaged(name, f"{size} bytes", f"{_END.size} to {MAX_TOTAL} of a preset's archive")
    file.seek(size - _END.size)
    mark, *_, count, listed, start, _ = _END.unpack(file.read(_END.size))
    longest = MAX_FILES * (_CENTRAL.size + 200)
    if mark != b"PK\x05\x06" or count > MAX_FILES or listed > longest or start + listed > size:
        raise _damaged(name, "its end is not that of an archive", "one that facekit has packed")
    file.seek(start)
    members = list(_members(file.read(listed), count, name))
    paths = [member.path for member in members]
    faults = [fault for path in paths if (fault := file_name_fault(path))]
    if fault := (faults[0] if faults else check_together(paths)):
        raise _damaged(name, fault, "names that facekit gives")
    if paths != sorted(paths):
        raise _damaged(name, "files out of order", "them by name")
    if sum(member.size for member in members) > size:
        raise _damaged(name, "files larger than itself", "stored ones")
    return _places(file, members, size, name)


def read_blocks(file: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    """Read so many bytes from a place on, in pieces; fewer where the file ends."""
    file.seek(start)
    while size > 0 and (block := file.read(min(_BLOCK, size))):
        size -= len(block)
        yield block


def _members(listed: bytes, count: int, name: Path | str) -> Iterator[Member]:
    place = 0
    for _ in range(count):
        if place + _CENTRAL.size > len(listed):
            raise _damaged(name, "a list of files that is cut off", "a whole one")
        mark, _, _, _, _, _, _, crc, size, _, length, *_ = _CENTRAL.unpack_from(listed, place)
        place += _CENTRAL.size
        path = listed[place : place + length]
        place += length
        if mark != b"PK\x01\x02" or not path.isascii():
            raise _damaged(name, "a list of files that cannot be read", "names in ASCII")
        yield Member(path.decode("ascii"), size, crc)


def _places(
    file: BinaryIO, members: Sequence[Member], size: int, name: Path | str
) -> dict[str, tuple[Member, int]]:
    found, place = {}, 0
    for member in members:
        header = local_header(member)
        file.seek(place)
        if file.read(len(header)) != header:
            raise _damaged(name, f"{member.path} with another header", "the one facekit writes")
        place += len(header)
        found[member.path] = (member, place)
        place += member.size
    end = tail(members)
    file.seek(place)
    if size != place + len(end) or file.read(len(end)) != end:
        raise _damaged(name, "bytes that belong to no file", "none")
    return found


def _damaged(name: Path | str, got: str, expected: str) -> BundleDamaged:
    return BundleDamaged(f"{name}: {got}, expected {expected}; get the preset again")
