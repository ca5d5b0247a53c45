"""Removes from a registry what nothing refers to: blobs of pushes that never came to an end."""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from facekit.errors import RegistryError, UsageError
from facekit.presets.lease import GC_MARK, PUSHING
from facekit.presets.registry import Registry
from facekit.presets.storage import Found
from facekit.signing.statements import canonical_json, now_text, parse_time

__all__ = ["Unused", "remove_unused"]

_KEPT: Final = timedelta(hours=24)
"""A push takes less; its lease and its blobs are left alone for so long."""
_STALE: Final = timedelta(hours=1)
_SMALL: Final = 1_000_000


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

    Versions, statements and pointers are never removed. A push that is at work is left alone, and
    one that begins meanwhile is refused.

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
    _take_mark(registry, time)
    try:
        found = _find(registry, time)
        registry.store.delete(*(file.path for file in found))
    finally:
        registry.store.delete(GC_MARK)
    return Unused(found)


def _take_mark(registry: Registry, now: datetime) -> None:
    store = registry.store
    # the Hub lets two that create the same content at once both believe that it was them
    content = canonical_json({"at": now_text(), "by": secrets.token_hex(16)})
    if store.put_new(GC_MARK, content):
        return
    at = _time(store.read(GC_MARK, _SMALL))
    if at is not None and now - at < _STALE:
        raise RegistryError(
            f"{registry.name}: unused content is being removed since {at:%H:%M} UTC, expected to be"
            " alone; try again later"
        )
    store.delete(GC_MARK)
    if not store.put_new(GC_MARK, content):
        raise RegistryError(f"{registry.name}: somebody else was faster; try again later")


def _find(registry: Registry, now: datetime) -> tuple[Found, ...]:
    """Blobs are listed first, then leases, then versions: a push that ended between is seen."""
    store = registry.store
    blobs = store.walk("blobs/sha256")
    left = [file for file in store.walk("", hidden=True) if _is_old(file, now)]
    needed: set[str] = set()
    for lease in store.walk(PUSHING):
        content = store.read(lease.path, _SMALL)
        if content is None:
            continue
        at = _time(content)
        if at is None or now - at > _KEPT:
            left.append(lease)
        else:
            needed.update(json.loads(content)["blobs"])
    for preset_id in registry.ids():
        for version in registry.versions(preset_id):
            entry = registry.entry(preset_id, version)
            manifest, _ = registry.manifest(entry)
            needed.add(entry.digest)
            needed.update(one.sha256 for one in entry.signatures)
            needed.update(file.sha256 for file in manifest.files)
    unused = [blob for blob in blobs if _digest(blob) not in needed and _is_old(blob, now)]
    return tuple(sorted([*unused, *left], key=lambda file: file.path))


def _digest(blob: Found) -> str:
    return "".join(blob.path.split("/")[-2:])


def _is_old(file: Found, now: datetime) -> bool:
    return file.modified is None or now - file.modified > _KEPT


def _time(content: bytes | None) -> datetime | None:
    try:
        return parse_time(str(json.loads(content or b"")["at"]))
    except (ValueError, KeyError, TypeError):
        return None
