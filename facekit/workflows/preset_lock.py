"""``preset lock`` and ``preset sync``: everybody on a show works with exactly the same presets."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import facekit
from facekit.errors import (
    LockMismatch,
    RegistryError,
    UsageError,
)
from facekit.presets.lock import (
    LOCK_FILE,
    Lock,
    LockedPreset,
    lock_differences,
    locked_preset,
    read_lock,
    write_lock,
)
from facekit.presets.policy import check_channel
from facekit.show_file import Show
from facekit.signing.statements import now_text
from facekit.types import Progress
from facekit.workflows.locked_presets import locate_preset
from facekit.workflows.preset_refs import desk, kept_folder, resolve, show_place
from facekit.workflows.preset_transfer import bring

__all__ = [
    "LockPlan",
    "Locked",
    "SyncPlan",
    "Synced",
    "plan_lock",
    "plan_sync",
    "run_lock",
    "run_sync",
]

_LIBRARIES = ("torch", "diffusers", "transformers", "peft", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPlan:
    """What the lock will say."""

    path: Path
    before: Lock
    after: Lock

    def describe(self) -> str:
        """Each preset, and what changes."""
        lines = [f"lock: {self.path}"]
        for name, new in self.after.presets.items():
            old = self.before.presets.get(name)
            change = "new" if old is None else ("same" if old == new else f"was {old.version}")
            where = f"{new.source}@{new.channel}" if new.channel else new.source
            lines.append(f"{name}: {new.version} {new.digest[:12]} from {where} ({change})")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {"path": str(self.path), "lock": self.after.model_dump(mode="json", by_alias=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What the lock says."""

    path: Path
    lock: Lock
    changed: bool

    def describe(self) -> str:
        """How many presets, and whether it is another lock than before."""
        said = "written" if self.changed else "as before"
        return f"{self.path}: {len(self.lock.presets)} presets, {said}"

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        content = self.lock.model_dump(mode="json", by_alias=True)
        return {"path": str(self.path), "changed": self.changed, "lock": content}


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

    def describe(self) -> str:
        """Where each of them is."""
        lines = [f"{label}: {path}" for label, path in self.presets.items()]
        lines += [f"warning: {label}: not asked whether it is revoked" for label in self.offline]
        return "\n".join([*lines, *(f"warning: {one}" for one in self.differences)] or ["nothing"])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "presets": {label: str(path) for label, path in self.presets.items()},
            "offline": list(self.offline),
            "differences": list(self.differences),
        }


def _installed() -> dict[str, str]:
    """Versions of what decides how a shot looks."""
    found = {"facekit": facekit.__version__}
    for name in _LIBRARIES:
        found[name] = importlib.metadata.version(name).partition("+")[0]
    return found


def plan_lock(references: Sequence[str], *, registry: str | None = None) -> LockPlan:
    """Decide what the lock will say: presets given are added, without any, all are brought up.

    What was locked by its version stays.

    Raises:
        UsageError: There is nothing to lock.
        PresetRevoked: One was withdrawn.
        PolicyRefused: A channel asks for approvals that it lacks.
        LockMismatch: A channel points at what it pointed at before.
    """
    folder, _ = show_place()
    path = folder / LOCK_FILE
    before = read_lock(path)
    wanted = [(registry, reference) for reference in references] or [
        (one.source, f"{name}@{one.channel or one.version}") for name, one in before.presets.items()
    ]
    if not wanted:
        raise UsageError(f"{path}: nothing is locked, expected presets; name them, as mira@prod")
    more: dict[str, LockedPreset] = {}
    for source, reference in wanted:
        with desk(source) as at:
            found = resolve(at, reference)
            pointer = found.pointer
            if pointer is not None:
                check_channel(found.standing, found.manifest, at.show, pointer.channel)
            more[found.entry.id] = locked_preset(
                found.manifest,
                found.entry.digest,
                at.name,
                channel="" if pointer is None else pointer.channel,
                counter=0 if pointer is None else pointer.counter,
                approval=None if pointer is None else pointer.sha256,
            )
            at.seen.remember_checked(found.entry.digest, now_text())
    after = Lock(libraries=_installed(), presets=before.with_presets(more))
    return LockPlan(path=path, before=before, after=after)


def run_lock(plan: LockPlan, progress: Progress) -> Locked:
    """Write the lock, and fetch what it names.

    Raises:
        OutputError: It cannot be written.
    """
    progress.start(1, LOCK_FILE)
    write_lock(plan.path, plan.after)
    progress.finish()
    return Locked(path=plan.path, lock=plan.after, changed=plan.after != plan.before)


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
    differences = lock_differences(lock, _installed())
    if frozen and differences:
        raise LockMismatch(
            f"{path}: {', '.join(differences)}; install these versions, or leave --frozen away"
        )
    return SyncPlan(path=path, lock=lock, frozen=frozen, differences=differences)


def run_sync(plan: SyncPlan, progress: Progress) -> Synced:
    """Bring every locked preset onto this machine, and ask whether it is revoked.

    Raises:
        PresetRevoked: One was withdrawn; a lock does not help.
        LockMismatch: A registry has another digest for a version.
        RegistryError: A registry cannot be asked, and was not for longer than the show allows.
    """
    _, show = show_place()
    presets: dict[str, Path] = {}
    offline: list[str] = []
    for name, locked in plan.lock.presets.items():
        label = f"{name}@{locked.version}"
        try:
            presets[label] = _bring(label, locked, progress)
        except RegistryError as error:
            if type(error) is not RegistryError:  # the registry has answered
                raise
            presets[label] = _offline(show, label, locked, error)
            offline.append(label)
    return Synced(presets=presets, offline=tuple(offline), differences=plan.differences)


def _bring(label: str, locked: LockedPreset, progress: Progress) -> Path:
    with desk(locked.source) as at:
        found = resolve(at, label)
        if found.entry.digest != locked.digest:
            raise LockMismatch(
                f"{label}: {at.name} has digest {found.entry.digest[:12]}, expected"
                f" {locked.digest[:12]} as {LOCK_FILE} says; a published version never changes,"
                " ask who keeps the registry"
            )
        return bring(at, found, progress)[0]


def _offline(show: Show, label: str, locked: LockedPreset, error: RegistryError) -> Path:
    """Use what is here while the registry cannot be asked, as long as the show allows."""
    address = show.registries.get(locked.source)
    if address is None or not kept_folder(locked.digest).is_dir():
        raise error
    return locate_preset(label).parents[1]
