"""Open a preset, as a folder or as an archive: all of it is as its manifest says, or it is refused.

No file of a bundle is given to anybody before every byte of it has been looked at.
"""

import os
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

from facekit.errors import BundleDamaged, UsageError
from facekit.presets.archive import MAX_FILES, list_members, read_blocks
from facekit.presets.manifest import MANIFEST_LIMIT, Manifest, preset_digest, read_manifest
from facekit.presets.names import (
    FOLDER_SUFFIX,
    MANIFEST,
    SIGNATURES,
    check_together,
    file_name_fault,
)
from facekit.presets.pack_signatures import PACK, open_packed
from facekit.signing.dsse import ENVELOPE_LIMIT
from facekit.signing.keys import PublicKey
from facekit.signing.statements import Statement, Subject

__all__ = ["PACK", "Blocks", "Bundle", "is_bundle", "open_bundle", "open_packed", "pack_statement"]

Blocks = Callable[[], Iterator[bytes]]
"""Gives the content of a file in pieces; can be called again."""

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bundle:
    """A preset whose every file was found to be the one that its manifest lists."""

    source: Path
    """The folder or the archive."""
    manifest: Manifest
    content: bytes
    """Of `facekit.json`."""
    signatures: Mapping[str, bytes]
    """Envelopes by their paths; nothing is said about who signed."""
    is_archive: bool
    _files: Mapping[str, Blocks] = field(repr=False)

    @property
    def digest(self) -> str:
        """The sha256 (hex) that names this version for good."""
        return preset_digest(self.content)

    @property
    def folder(self) -> Path | None:
        """Where its files lie; None for an archive, which `packing.write_folder` unpacks."""
        return None if self.is_archive else self.source

    @property
    def files(self) -> Mapping[str, Blocks]:
        """Every listed file, by path; checked once more whenever it is read."""
        return {file.path: self._checked(file.path) for file in self.manifest.files}

    def read(self, path: str) -> bytes:
        """Read one of its files.

        Raises:
            BundleDamaged: There is none of this name, or it has changed meanwhile.
        """
        if all(file.path != path for file in self.manifest.files):
            raise _damaged(self.source, f"no {path}", "a file that the manifest lists")
        return b"".join(self._checked(path)())

    def packed_by(self, trusted: tuple[PublicKey, ...]) -> Statement:
        """Read what whoever packed it has signed.

        Args:
            trusted: Keys whose signatures count.

        Raises:
            SignatureRefused: Nobody trusted signed it, or something else was signed.
        """
        whose = Subject(self.manifest.label, self.digest)
        return open_packed(self.signatures, whose, trusted, str(self.source))

    def _checked(self, path: str) -> Blocks:
        (listed,) = (file for file in self.manifest.files if file.path == path)

        def blocks() -> Iterator[bytes]:
            total, size = sha256(), 0
            for block in self._files[path]():
                size += len(block)
                total.update(block)
                yield block
            if size != listed.size or total.hexdigest() != listed.sha256:
                raise _damaged(
                    self.source, f"{path} was changed", f"sha256 {listed.sha256[:12]}..."
                )

        return blocks


def is_bundle(path: Path | str) -> bool:
    """Whether a path looks like a preset: an archive by its name, a folder by its manifest."""
    path = Path(path)
    if path.is_dir():
        return (path / MANIFEST).is_file() or path.suffix == FOLDER_SUFFIX
    return path.suffix == FOLDER_SUFFIX


def open_bundle(path: Path | str) -> Bundle:
    """Open a preset and compare every file with the manifest.

    Who signed it is another question: see `Bundle.packed_by`.

    Args:
        path: Its folder or its archive.

    Raises:
        BundleDamaged: Anything is missing, added, changed, linked, too large or oddly named.
        PresetError: A later version of facekit wrote it.
        UsageError: There is nothing of that name.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"{path}: no such file, expected a preset; check the spelling of the path")
    found = _folder_files(path) if path.is_dir() else _archive_files(path)
    limits = {name: MANIFEST_LIMIT if name == MANIFEST else ENVELOPE_LIMIT for name in found}
    if MANIFEST not in found:
        raise _damaged(path, f"no {MANIFEST}", "a preset")
    small = {
        name: _small(path, name, size, limits[name], blocks)
        for name, (size, blocks) in found.items()
        if name == MANIFEST or name.startswith(SIGNATURES)
    }
    content = small.pop(MANIFEST)
    bundle = Bundle(
        source=path,
        manifest=read_manifest(content, f"{path}: {MANIFEST}"),
        content=content,
        signatures=small,
        is_archive=not path.is_dir(),
        _files={name: blocks for name, (_, blocks) in found.items()},
    )
    _compare(bundle, {name: size for name, (size, _) in found.items() if name not in small})
    for blocks in bundle.files.values():
        for _ in blocks():
            pass
    return bundle


def pack_statement(manifest: Manifest, content: bytes) -> Statement:
    """What whoever packs a preset signs: that its digest is this.

    Args:
        manifest: Of the preset.
        content: Of `facekit.json`.
    """
    subject = Subject(manifest.label, preset_digest(content))
    return Statement(PACK, (subject,), {"schema": manifest.schema_})


def _compare(bundle: Bundle, sizes: Mapping[str, int]) -> None:
    listed = {file.path: file.size for file in bundle.manifest.files}
    there = {name: size for name, size in sizes.items() if name != MANIFEST}
    if missing := sorted(listed.keys() - there.keys()):
        raise _damaged(bundle.source, f"{', '.join(missing[:3])} missing", "every listed file")
    if strange := sorted(there.keys() - listed.keys()):
        raise _damaged(bundle.source, f"{', '.join(strange[:3])} added", "listed files alone")
    for name, size in listed.items():
        if there[name] != size:
            raise _damaged(bundle.source, f"{name} has {there[name]} bytes", f"{size}")


def _folder_files(root: Path) -> dict[str, tuple[int, Blocks]]:
    """List the regular files below a folder without following anything or reading any."""
    found: dict[str, tuple[int, Blocks]] = {}
    waiting = [""]
    try:
        while waiting:
            prefix = waiting.pop()
            with os.scandir(root / prefix) as entries:
                few = islice(entries, MAX_FILES + 2)
                listed = sorted(few, key=lambda entry: entry.name)
            for entry in listed:
                name, state = prefix + entry.name, entry.stat(follow_symlinks=False)
                if len(found) + len(waiting) > MAX_FILES:
                    raise _damaged(root, f"more than {MAX_FILES} files", "fewer")
                if stat.S_ISDIR(state.st_mode):
                    waiting.append(f"{name}/")
                    continue
                if not stat.S_ISREG(state.st_mode):
                    raise _damaged(root, f"{name} is a link or a device", "plain files")
                if name != MANIFEST and (fault := file_name_fault(name)):
                    raise _damaged(root, f"{name}: {fault}", "names that facekit gives")
                found[name] = (state.st_size, _file_blocks(root, name))
            if not listed and prefix not in ("", SIGNATURES):
                raise _damaged(root, f"{prefix} is empty", "listed files alone")
    except OSError as error:
        raise _damaged(root, error.strerror or str(error), "a folder that can be read") from error
    if fault := check_together(found):
        raise _damaged(root, fault, "names that mean one file everywhere")
    return found


def _file_blocks(root: Path, name: str) -> Blocks:
    def blocks() -> Iterator[bytes]:
        try:
            handle = os.open(root / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            with os.fdopen(handle, "rb") as file:
                while block := file.read(_BLOCK):
                    yield block
        except OSError as error:
            why = error.strerror or str(error)
            raise _damaged(root, f"{name} cannot be read ({why})", "it to be readable") from error

    return blocks


def _archive_files(path: Path) -> dict[str, tuple[int, Blocks]]:
    try:
        with path.open("rb") as file:
            members = list_members(file, path)
    except OSError as error:
        raise _damaged(path, error.strerror or str(error), "a preset") from error
    found: dict[str, tuple[int, Blocks]] = {}
    for name, (member, start) in members.items():
        found[name] = (member.size, _member_blocks(path, name, start, member.size, member.crc))
    return found


def _member_blocks(path: Path, name: str, start: int, size: int, crc: int) -> Blocks:
    def blocks() -> Iterator[bytes]:
        total = 0
        try:
            with path.open("rb") as file:
                for block in read_blocks(file, start, size):
                    total = zlib.crc32(block, total)
                    yield block
        except OSError as error:
            why = error.strerror or str(error)
            raise _damaged(path, f"{name} cannot be read ({why})", "it to be readable") from error
        if total != crc:
            raise _damaged(path, f"{name} was changed", f"CRC-32 {crc:08x}")

    return blocks


def _small(path: Path, name: str, size: int, limit: int, blocks: Blocks) -> bytes:
    if size > limit:
        raise _damaged(path, f"{name} has {size} bytes", f"at most {limit}")
    if name != MANIFEST and (name.count("/") != 1 or not name.endswith(".json")):
        raise _damaged(path, f"{name} added", f"signatures/*.json beside {MANIFEST}")
    return b"".join(blocks())


def _damaged(name: Path | str, got: str, expected: str) -> BundleDamaged:
    return BundleDamaged(f"{name}: {got}, expected {expected}; get the preset again")
