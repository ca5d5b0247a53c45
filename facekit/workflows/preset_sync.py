"""``preset sync``: bring what is locked onto this machine, and ask whether it still may be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from facekit.errors import LockMismatch, RegistryError, UsageError
from facekit.presets.lock import (
    LOCK_FILE,
    Lock,
    LockedPreset,
    check_offline,
    lock_differences,
    preset_differences,
    read_lock,
)
from facekit.presets.states import Ignored
from facekit.show_file import Show
from facekit.types import Progress
from facekit.workflows.locked_presets import locate_preset
from facekit.workflows.not_counted import facts_by_id, ignored_by_id
from facekit.workflows.preset_lock import installed
from facekit.workflows.preset_refs import Desk, Resolved, desk, kept_folder, resolve, show_place
from facekit.workflows.preset_transfer import bring

__all__ = ["SyncPlan", "Synced", "plan_sync", "run_sync"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """What must be on this machine."""

    path: Path
    lock: Lock
    frozen: bool
    differences: tuple[str, ...]
    """Libraries that are not as locked."""

    def describe(self) -> str:
        """Each preset, and whether it is here."""
        lines = [f"lock: {self.path}"]
        for name, one in self.lock.presets.items():
            here = "here" if kept_folder(one.digest).is_dir() else "to fetch"
            lines.append(f"{name}@{one.version} {one.digest[:12]}: {here}")
        return "\n".join([*lines, *(f"warning: {one}" for one in self.differences)])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "path": str(self.path),
            "presets": {name: one.version for name, one in self.lock.presets.items()},
            "frozen": self.frozen,
            "differences": list(self.differences),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What is on this machine."""

    presets: Mapping[str, Path]
    offline: tuple[str, ...]
    """Those whose registry could not be asked, and that may be used for now."""
    differences: tuple[str, ...]
    ignored: Mapping[str, tuple[Ignored, ...]]
    """By label: statements that do not count."""
    warnings: tuple[str, ...] = ()
    """As of `Resolved`."""

    def describe(self) -> str:
        """Where each of them is."""
        lines = [f"{label}: {path}" for label, path in self.presets.items()]
        lines += [f"warning: {one}" for one in self.warnings]
        lines += [f"warning: {label}: not asked whether it is revoked" for label in self.offline]
        lines += [f"warning: {one}" for one in self.differences]
        return "\n".join([*lines, *ignored_by_id(self.ignored)] or ["nothing"])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "presets": {label: str(path) for label, path in self.presets.items()},
            "offline": list(self.offline),
            "differences": list(self.differences),
            "ignored": facts_by_id(self.ignored),
            "warnings": list(self.warnings),
        }


def plan_sync(*, frozen: bool = False) -> SyncPlan:
    """Compare the lock with what is installed.

    Args:
        frozen: Refuse every difference, also one of libraries.

    Raises:
        LockMismatch: Libraries are not as locked, and `frozen`.
        UsageError: There is no lock.
    """
    folder, _ = show_place()
    path = folder / LOCK_FILE
    if not path.is_file():
        raise UsageError(f"{path}: no lock, expected one; make it with facekit preset lock NAME@V")
    lock = read_lock(path)
    differences = lock_differences(lock, installed())
    if frozen and differences:
        raise LockMismatch(
            f"{path}: {', '.join(differences)}; install these versions, or leave --frozen away"
        )
    return SyncPlan(path=path, lock=lock, frozen=frozen, differences=differences)


def run_sync(plan: SyncPlan, progress: Progress) -> Synced:
    """Bring every locked preset onto this machine, and ask whether it is revoked.

    Raises:
        PresetRevoked: One was withdrawn; a lock does not help.
        LockMismatch: A registry has another digest for a version, the lock was edited, or, with
            `frozen`, the pointer by which one was locked is no longer there.
        RegistryError: A registry cannot be asked, and was not for longer than the show allows.
    """
    _, show = show_place()
    presets: dict[str, Path] = {}
    offline: list[str] = []
    differences = list(plan.differences)
    ignored: dict[str, tuple[Ignored, ...]] = {}
    warnings: dict[str, None] = {}
    for name, locked in plan.lock.presets.items():
        label = f"{name}@{locked.version}"
        try:
            presets[label], found, other = _bring(label, locked, progress)
            ignored[label] = found.ignored
            warnings |= dict.fromkeys(found.warnings)
            if other and plan.frozen:
                raise LockMismatch(f"{label}: {other}; ask who keeps the registry, or lock anew")
            differences += [f"{label}: {other}"] if other else []
        except RegistryError as error:
            if type(error) is not RegistryError:  # the registry has answered
                raise
            presets[label] = _offline(show, label, locked, error)
            offline.append(label)
    return Synced(
        presets=presets,
        offline=tuple(offline),
        differences=tuple(differences),
        ignored=ignored,
        warnings=tuple(warnings),
    )


def _bring(label: str, locked: LockedPreset, progress: Progress) -> tuple[Path, Resolved, str]:
    """Where it is, what was found, and what became of the pointer that it was locked by."""
    with desk(locked.source, mirrors=True) as at:
        found = resolve(at, label)
        if found.entry.digest != locked.digest:
            raise LockMismatch(
                f"{label}: {at.name} has digest {found.entry.digest[:12]}, expected"
                f" {locked.digest[:12]} as {LOCK_FILE} says; a published version never changes,"
                " ask who keeps the registry"
            )
        if wrong := preset_differences(locked, found.manifest):
            raise LockMismatch(
                f"{LOCK_FILE}: {label}: {', '.join(wrong)}; it was edited, take it from version"
                " control again or lock anew"
            )
        kept, _ = bring(at, found, progress)
        if at.stands_in:  # it may be older than the last time that the registry itself was asked
            hours = at.show.rules.offline_hours
            check_offline(label, locked.digest, at.seen, datetime.now(UTC), hours, at.stands_in)
        return kept, found, _other_approval(at, found, locked)


def _offline(show: Show, label: str, locked: LockedPreset, error: RegistryError) -> Path:
    """Use what is here while the registry cannot be asked, as long as the show allows."""
    address = show.registries.get(locked.source)
    if address is None or not kept_folder(locked.digest).is_dir():
        raise error
    return locate_preset(label).parents[1]


def _other_approval(at: Desk, found: Resolved, locked: LockedPreset) -> str:
    """Say what lies in the place of the pointer that a preset was locked by; empty if itself."""
    if locked.approval is None:
        return ""
    number = locked.counter
    (content,) = at.registry.pointers(found.entry.id, locked.channel, [number])
    if sha256(content).hexdigest() == locked.approval:
        return ""
    got = "another one" if content else "none"
    return f"{got} is pointer {number} of {locked.channel}, expected {locked.approval[:12]}"
