"""``preset lock``: everybody on a show works with exactly the same presets."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import facekit
from facekit.errors import OutputError, UsageError
from facekit.media.locks import held
from facekit.presets.lock import (
    LOCK_FILE,
    Lock,
    LockedPreset,
    locked_preset,
    read_lock,
    write_lock,
)
from facekit.presets.policy import check_channel
from facekit.presets.seen import state_folder
from facekit.presets.states import Ignored
from facekit.types import Progress
from facekit.wording import counted
from facekit.workflows.not_counted import facts_by_id, ignored_by_id
from facekit.workflows.preset_refs import desk, resolve, show_place

__all__ = ["LockPlan", "Locked", "installed", "plan_lock", "run_lock"]

_WAIT_S = 30.0
_LIBRARIES = ("torch", "diffusers", "transformers", "peft", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPlan:
    """What the lock will say."""

    path: Path
    before: Lock
    after: Lock
    wanted: Mapping[str, LockedPreset]
    """What was asked for, by id."""
    ignored: Mapping[str, tuple[Ignored, ...]]
    """By id: statements and pointers that do not count."""
    warnings: tuple[str, ...] = ()
    """As of `Resolved`."""

    def describe(self) -> str:
        """Each preset, and what changes."""
        lines = [f"lock: {self.path}"]
        for name, new in self.after.presets.items():
            old = self.before.presets.get(name)
            change = "new" if old is None else ("same" if old == new else f"was {old.version}")
            where = f"{new.source}@{new.channel}" if new.channel else new.source
            lines.append(f"{name}: {new.version} {new.digest[:12]} from {where} ({change})")
        lines += [f"warning: {one}" for one in self.warnings]
        return "\n".join([*lines, *ignored_by_id(self.ignored)])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        content = self.after.model_dump(mode="json", by_alias=True)
        return {
            "path": str(self.path),
            "lock": content,
            "ignored": facts_by_id(self.ignored),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What the lock says."""

    path: Path
    lock: Lock
    changed: bool
    ignored: Mapping[str, tuple[Ignored, ...]]
    warnings: tuple[str, ...] = ()
    """As of the plan."""

    def describe(self) -> str:
        """How many presets, whether it is another lock than before, and what did not count."""
        said = "written" if self.changed else "as before"
        head = f"{self.path}: {counted(len(self.lock.presets), 'preset')}, {said}"
        told = [f"warning: {one}" for one in self.warnings]
        return "\n".join([head, *told, *ignored_by_id(self.ignored)])

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        content = self.lock.model_dump(mode="json", by_alias=True)
        return {
            "path": str(self.path),
            "changed": self.changed,
            "lock": content,
            "ignored": facts_by_id(self.ignored),
            "warnings": list(self.warnings),
        }


def installed() -> dict[str, str]:
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
    ignored: dict[str, tuple[Ignored, ...]] = {}
    warnings: dict[str, None] = {}
    for source, reference in wanted:
        with desk(source, mirrors=True) as at:
            found = resolve(at, reference)
            pointer = found.pointer
            if pointer is not None:
                check_channel(found.standing, found.manifest, at.show, pointer.channel)
            more[found.entry.id] = locked_preset(
                found.manifest,
                found.entry.digest,
                at.source,
                channel="" if pointer is None else pointer.channel,
                counter=0 if pointer is None else pointer.counter,
                approval=None if pointer is None else pointer.sha256,
            )
            at.remember_asked(found.entry.digest)
            warnings |= dict.fromkeys(found.warnings)
            ignored[found.entry.id] = found.ignored
    after = Lock(libraries=installed(), presets=before.with_presets(more))
    return LockPlan(
        path=path,
        before=before,
        after=after,
        wanted=more,
        ignored=ignored,
        warnings=tuple(warnings),
    )


def run_lock(plan: LockPlan, progress: Progress) -> Locked:
    """Write the lock; `run_sync` fetches what it names.

    What somebody else has locked since the plan was made stays.

    Raises:
        LockMismatch: They have locked a later pointer of the same channel.
        OutputError: It cannot be written.
    """
    progress.start(1, LOCK_FILE)
    busy = OutputError(f"{plan.path}: somebody else is writing it, expected a moment; try again")
    name = sha256(str(plan.path.resolve()).encode()).hexdigest()[:32]
    with held(state_folder().with_name(f"{name}.lock"), busy, wait_s=_WAIT_S):
        before = read_lock(plan.path)
        presets = before.with_presets(plan.wanted)
        after = Lock(libraries=plan.after.libraries, presets=presets)
        write_lock(plan.path, after)
    progress.finish()
    return Locked(
        path=plan.path,
        lock=after,
        changed=after != before,
        ignored=plan.ignored,
        warnings=plan.warnings,
    )
