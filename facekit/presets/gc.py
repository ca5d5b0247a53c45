"""Removes from a registry what nothing refers to: blobs of pushes that never came to an end."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from facekit.errors import UsageError
from facekit.presets.blobs import blob_path, is_sha256
from facekit.presets.lease import PUSHING, REMOVING, Mark, read_times
from facekit.presets.registry import FOLDERS, MARK, Registry
from facekit.presets.storage import Found
from facekit.presets.two_writers import CHECKS

__all__ = ["Unused", "remove_unused"]

_KEPT: Final = timedelta(hours=24)
"""A push takes less; its lease and its blobs are left alone for so long."""
_AT_ONCE: Final = 50
_PART: Final = re.compile(r"\.(?P<name>.+)-[0-9a-f]{8}\.part")
"""What an interrupted writer leaves; every other hidden file is somebody else's."""
_CHECK: Final = re.compile(rf"{CHECKS}/[0-9a-f]{{16}}\.json")


@dataclass(frozen=True, slots=True)
class Unused:
    """What nothing refers to."""

    files: tuple[Found, ...]

    @property
    def num_bytes(self) -> int:
        """Of all of them."""
        return sum(file.size for file in self.files)


def remove_unused(registry: Registry, *, dry_run: bool, now: datetime | None = None) -> Unused:
    """Remove unused blobs, and what interrupted pushes have left.

    Versions, statements, pointers and what facekit has not written are never removed. A push that
    is at work is left alone, and one that begins meanwhile is refused.

    Args:
        registry: Where.
        dry_run: Find them, and remove nothing.
        now: The time; that of the clock when None.

    Raises:
        UsageError: It is a mirror.
        RegistryError: The storage refuses, or somebody else is at it.
    """
    time = now or datetime.now(UTC)
    if registry.read_only:
        raise UsageError(f"{registry.name}: a mirror, which is only read; name what it copies")
    if dry_run:
        return Unused(_find(registry, time))
    with Mark(registry.store, time) as mark:
        found = _find(registry, time, mark)
        for start in range(0, len(found), _AT_ONCE):
            mark.renew()
            some = found[start : start + _AT_ONCE]
            registry.store.delete(*(file.path for file in some))
    return Unused(found)


def _find(registry: Registry, now: datetime, mark: Mark | None = None) -> tuple[Found, ...]:
    """Blobs are listed first, then leases, then versions: a push that ended between is seen."""
    store = registry.store
    blobs = [file for file in store.walk("blobs/sha256") if _is_blob(file)]
    left = [f for f in store.walk("", hidden=True) if _is_part(f) and _is_old(f, now)]
    left += [file for file in store.walk(CHECKS) if _is_check(file) and _is_old(file, now)]
    needed: set[str] = set()
    leases, marks = read_times(store, PUSHING), read_times(store, REMOVING)
    for file, (at, told) in (leases | marks).items():
        if mark is not None and file.path == mark.path:
            continue
        if now - at > _KEPT if at is not None else _is_old(file, now):
            left.append(file)
        elif isinstance(listed := told.get("blobs"), list):
            needed.update(map(str, listed))
    for preset_id in registry.ids():
        for version in registry.versions(preset_id):
            if mark is not None:
                mark.renew()
            entry = registry.entry(preset_id, version)
            manifest, _ = registry.manifest(entry)
            needed.add(entry.digest)
            needed.update(one.sha256 for one in entry.signatures)
            needed.update(file.sha256 for file in manifest.files)
    unused = [blob for blob in blobs if _digest(blob) not in needed and _is_old(blob, now)]
    return tuple(sorted([*unused, *left], key=lambda file: file.path))


def _digest(blob: Found) -> str:
    return "".join(blob.path.split("/")[-2:])


def _is_blob(file: Found) -> bool:
    digest = _digest(file)
    return is_sha256(digest) and file.path == blob_path(digest)


def _is_check(file: Found) -> bool:
    """Whether a check of two writers that was interrupted has left it."""
    return _CHECK.fullmatch(file.path) is not None


def _is_part(file: Found) -> bool:
    """Whether an interrupted writer of facekit has left it."""
    folder, _, name = file.path.rpartition("/")
    part = _PART.fullmatch(name)
    if part is None:
        return False
    return folder.partition("/")[0] in FOLDERS if folder else part["name"] == MARK


def _is_old(file: Found, now: datetime) -> bool:
    return file.modified is None or now - file.modified > _KEPT
