"""What a registry has, what of the lock is no longer the latest, and what can be removed."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facekit.errors import RegistryError, UsageError
from facekit.media.cache import cache_dir
from facekit.media.locks import is_held
from facekit.presets.gc import remove_unused
from facekit.presets.lock import LOCK_FILE, read_lock
from facekit.presets.names import FOLDER_SUFFIX
from facekit.presets.pointers import Pointer, pointers_of
from facekit.presets.policy import standing_of
from facekit.presets.semver import is_prerelease, version_key
from facekit.presets.states import State
from facekit.types import Progress
from facekit.workflows.fetching import fetched_alone, preset_lock
from facekit.workflows.list_results import Listed, Listing, Outdated
from facekit.workflows.preset_refs import (
    Desk,
    desk,
    newest_usable,
    no_preset,
    parse_reference,
    resolve,
    show_place,
)

__all__ = [
    "GcPlan",
    "Listed",
    "Listing",
    "Outdated",
    "Removed",
    "list_presets",
    "outdated",
    "plan_gc",
    "run_gc",
]

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class GcPlan:
    """What would be removed."""

    registry: str | None
    """None for what this machine keeps."""
    paths: tuple[str, ...]
    num_bytes: int

    def describe(self) -> str:
        """How much, and each path."""
        where = self.registry or "this machine"
        head = f"{where}: {len(self.paths)} unused, {self.num_bytes / _MEGABYTE:.1f} MB"
        return "\n".join([head, *self.paths])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {"registry": self.registry, "paths": list(self.paths), "bytes": self.num_bytes}


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed."""

    registry: str | None
    paths: tuple[str, ...]
    num_bytes: int

    def describe(self) -> str:
        """How much."""
        where = self.registry or "this machine"
        return f"{where}: {len(self.paths)} removed, {self.num_bytes / _MEGABYTE:.1f} MB"

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {"registry": self.registry, "removed": list(self.paths), "bytes": self.num_bytes}


def list_presets(name: str | None = None, *, registry: str | None = None) -> Listing:
    """List the presets of a registry, or the versions of one with their states.

    Raises:
        VersionMissing: There is no such preset.
        RegistryError: It cannot be reached, nor a mirror of it.
    """
    with desk(registry, mirrors=True) as at:
        if name is None:
            return Listing(at.name, tuple(_presets(at)), (), at.stands_in)
        known = at.registry.ids() if "/" not in name else ()
        preset_id = parse_reference(name, at.show, known).id
        pointers = pointers_of(at.registry, at.show, preset_id, at.now)
        versions = []
        there = at.registry.versions(preset_id)
        if not there:
            raise no_preset(at.registry, preset_id)
        for version in there:
            entry = at.registry.entry(preset_id, version)
            standing = standing_of(
                at.registry, at.show, preset_id, entry.digest, at.now, at.seen, pointers
            )
            marks = tuple(n for n, all_of in pointers.items() if _is_first(all_of, entry.digest))
            count = len(standing.ignored)
            gone = standing.revoked is None and at.seen.is_revoked(entry.digest)
            state = State.REVOKED if gone else standing.state
            versions.append(Listed(entry.label, entry.digest, state, marks, count, gone))
        return Listing(at.name, (), tuple(versions), at.stands_in)


def outdated() -> Outdated:
    """Compare the lock with what its channels point at now, or with the latest versions.

    Raises:
        UsageError: There is no lock.
        RegistryError: A registry cannot be reached, nor a mirror of it.
    """
    folder, _ = show_place()
    path = folder / LOCK_FILE
    if not path.is_file():
        raise UsageError(f"{path}: no lock, expected one; make it with facekit preset lock NAME@V")
    behind, current = [], []
    warnings: dict[str, None] = {}
    for preset_id, locked in read_lock(path).presets.items():
        with desk(locked.source, mirrors=True) as at:
            if at.stands_in:
                warnings[at.stands_in] = None
            if locked.channel:
                found = resolve(at, f"{preset_id}@{locked.channel}", revoked=True)
                is_gone = at.seen.is_revoked(found.entry.digest)
                new = locked.version if is_gone else found.entry.version
                why = f"channel {locked.channel}"
            else:
                usable = newest_usable(at, preset_id) or locked.version
                is_later = version_key(usable) > version_key(locked.version)
                takes = is_later and not is_prerelease(usable)
                new = usable if takes or at.seen.is_revoked(locked.digest) else locked.version
                why = "latest version"
            standing = standing_of(at.registry, at.show, preset_id, locked.digest, at.now, at.seen)
            revoked = standing.revoked is not None or at.seen.is_revoked(locked.digest)
        if revoked:
            behind.append((preset_id, locked.version, new, "the locked one is revoked"))
        elif new != locked.version:
            behind.append((preset_id, locked.version, new, why))
        else:
            current.append(preset_id)
    return Outdated(tuple(behind), tuple(current), tuple(warnings))


def plan_gc(registry: str | None = None) -> GcPlan:
    """Find what can be removed: here what is not locked, in a registry what nothing refers to.

    Raises:
        RegistryError: It cannot be reached.
    """
    if registry is None:
        kept = _unlocked()
        return GcPlan(None, tuple(map(str, kept)), sum(map(_size, kept)))
    with desk(registry) as at:
        unused = remove_unused(at.registry, dry_run=True)
        return GcPlan(at.name, tuple(one.path for one in unused.files), unused.num_bytes)


def run_gc(plan: GcPlan, progress: Progress) -> Removed:
    """Remove it; raises as `plan_gc`."""
    progress.start(1, "gc")
    if plan.registry is None:
        gone = [(path, _size(Path(path))) for path in plan.paths if _remove_kept(Path(path))]
        removed = Removed(None, tuple(path for path, _ in gone), sum(size for _, size in gone))
    else:
        with desk(plan.registry) as at:
            unused = remove_unused(at.registry, dry_run=False)
            removed = Removed(at.name, tuple(one.path for one in unused.files), unused.num_bytes)
    progress.finish()
    return removed


def _is_first(pointers: tuple[Pointer, ...], digest: str) -> bool:
    return bool(pointers) and pointers[0].digest == digest


def _presets(at: Desk) -> list[tuple[str, str, int]]:
    found = []
    for preset_id in at.registry.ids():
        versions = at.registry.versions(preset_id)
        if versions:
            latest = newest_usable(at, preset_id) or "revoked"
            found.append((preset_id, latest, len(versions)))
    return found


def _unlocked() -> list[Path]:
    """Presets from registries that this show's lock does not name, and pulls that were given up."""
    folder, _ = show_place()
    locked = {one.digest for one in read_lock(folder / LOCK_FILE).presets.values()}
    kept = cache_dir() / "presets"
    names = [path for path in kept.glob(f"*{FOLDER_SUFFIX}*") if path.is_dir()]
    names += list(kept.glob(f".*{FOLDER_SUFFIX}.coming"))
    return sorted(
        {
            path
            for path in names
            if path.name.removesuffix(FOLDER_SUFFIX) not in locked
            and not is_held(preset_lock(_digest_of(path)))  # being fetched just now
        }
    )


def _digest_of(kept: Path) -> str:
    return kept.name.removeprefix(".").partition(FOLDER_SUFFIX)[0]


def _remove_kept(path: Path) -> bool:
    """Remove it, unless somebody has begun to fetch it, or it is gone already."""
    try:
        with fetched_alone(_digest_of(path)):
            is_there = path.is_dir()
            shutil.rmtree(path, ignore_errors=not is_there)
            return is_there
    except RegistryError:
        return False


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
