"""Write presets: the same content gives the same bytes, whoever packs it, where and when."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from facekit.errors import UsageError
from facekit.media.files import atomic_write, replace_folder
from facekit.presets.archive import MAX_TOTAL, Member, local_header, tail
from facekit.presets.bundle import Blocks, Bundle
from facekit.presets.manifest import BundleFile, Role
from facekit.presets.names import MANIFEST

__all__ = ["Content", "copy_bundle", "describe_files", "write_archive", "write_folder"]

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file that goes into a bundle."""

    path: str
    role: Role
    data: bytes | Path
    biometric: bool = False

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, in pieces."""
        if isinstance(self.data, bytes):
            yield self.data
            return
        with self.data.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block


def describe_files(contents: Sequence[Content]) -> tuple[BundleFile, ...]:
    """List files as a manifest does, by name.

    Raises:
        ValueError: One may not be called so, or is too large.
    """
    return tuple(_describe(one) for one in sorted(contents, key=lambda one: one.path))


def write_folder(
    out: Path, manifest: bytes, files: Mapping[str, Blocks], signatures: Mapping[str, bytes]
) -> None:
    """Write a preset as a folder, whole or not at all; what was there is replaced.

    Args:
        out: The folder.
        manifest: Content of `facekit.json`.
        files: Every listed file, by path.
        signatures: Envelopes, by path.

    Raises:
        OutputError: The file system refuses.
    """
    with replace_folder(out) as fresh:
        for name, blocks in _all_files(manifest, files, signatures):
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for block in blocks():
                    file.write(block)


def write_archive(
    out: Path, manifest: bytes, files: Mapping[str, Blocks], signatures: Mapping[str, bytes]
) -> None:
    """Write a preset as an archive, whole or not at all; arguments as for `write_folder`.

    Raises:
        OutputError: The file system refuses.
        UsageError: It is larger than an archive can be.
    """
    with atomic_write(out) as temporary, temporary.open("wb") as file:
        members = [
            _write_member(file, name, blocks)
            for name, blocks in _all_files(manifest, files, signatures)
        ]
        file.write(tail(members))


def _all_files(
    manifest: bytes, files: Mapping[str, Blocks], signatures: Mapping[str, bytes]
) -> list[tuple[str, Blocks]]:
    small = {MANIFEST: manifest, **signatures}
    return sorted([*files.items(), *((name, _given(data)) for name, data in small.items())])


def _given(data: bytes) -> Blocks:
    return lambda: iter((data,))


def _write_member(file: BinaryIO, name: str, blocks: Blocks) -> Member:
    crc = size = 0
    for block in blocks():
        crc, size = zlib.crc32(block, crc), size + len(block)
    if file.tell() + size > MAX_TOTAL:
        raise UsageError(
            f"{name}: {size} bytes, expected a preset of at most {MAX_TOTAL}; share it as a folder"
        )
    member = Member(name, size, crc)
    file.write(local_header(member))
    for block in blocks():
        file.write(block)
    return member


def _describe(one: Content) -> BundleFile:
    total, size = sha256(), 0
    for block in one.blocks():
        total.update(block)
        size += len(block)
    return BundleFile(
        path=one.path,
        size=size,
        sha256=total.hexdigest(),
        role=one.role,
        biometric=one.biometric,
    )


def copy_bundle(bundle: Bundle, out: Path, *, archive: bool) -> None:
    """Write a preset once more, in either form; its digest stays.

    Raises:
        BundleDamaged: It has changed since it was opened.
        OutputError: The file system refuses.
    """
    write = write_archive if archive else write_folder
    write(out, bundle.content, bundle.files, bundle.signatures)
