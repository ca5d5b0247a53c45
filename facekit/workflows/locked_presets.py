"""A locked preset where a character is expected: from this machine, and not revoked."""

from datetime import UTC, datetime
from pathlib import Path

from facekit.errors import IntegrityError, LockMismatch, VersionMissing
from facekit.presets.bundle import open_bundle
from facekit.presets.lock import LOCK_FILE, check_offline, preset_differences, read_lock
from facekit.presets.manifest import ADAPTER
from facekit.presets.policy import refuse_revoked
from facekit.presets.states import Standing, State
from facekit.show_file import Show
from facekit.workflows.preset_memory import seen_of
from facekit.workflows.preset_refs import address_of, kept_folder, parse_reference, show_place

__all__ = ["locate_preset"]


def locate_preset(text: str, *, revoked: bool = False) -> Path:
    """The character file of a preset that is on this machine, by `NAME@VERSION` or `NAME@CHANNEL`.

    `facekit.lock` decides what a channel means; nothing is downloaded. Revocations that this
    machine has seen count, and they must have been asked for lately.

    Args:
        text: The reference.
        revoked: Find one that must not be used any more as well, to be looked at or deleted.

    Raises:
        UsageError: It is not locked, or not on this machine.
        PresetRevoked: It was withdrawn.
        RegistryError: Nobody has asked for revocations lately.
        BundleDamaged: It was changed.
        LockMismatch: The lock says something else than the preset; it was edited.
    """
    folder, show = show_place()
    lock = read_lock(folder / LOCK_FILE)
    reference = parse_reference(text, show, tuple(lock.presets))
    locked = lock.presets.get(reference.id)
    wanted = reference.version or reference.channel
    if locked is None or wanted not in (locked.version, locked.channel, ""):
        has = "nothing of it" if locked is None else f"{locked.version} {locked.channel}".strip()
        raise VersionMissing(
            f"{text}: {LOCK_FILE} has {has}, expected {wanted or 'it'}; lock it with"
            f" facekit preset lock {text}"
        )
    kept = kept_folder(locked.digest)
    label = f"{reference.id}@{locked.version}"
    if not kept.is_dir():
        raise VersionMissing(
            f"{label}: not on this machine, expected it in {kept.parent}; get it with"
            " facekit preset sync"
        )
    if not revoked:
        _check_use(folder, show, locked.source, label, locked.digest)
    bundle = open_bundle(kept)
    if bundle.digest != locked.digest:
        raise IntegrityError(
            f"{kept}: another preset, expected {label} of {locked.digest[:12]}; remove it and run"
            " facekit preset sync"
        )
    wrong = preset_differences(locked, bundle.manifest)
    if bundle.manifest.label != label:
        wrong = (f"it is {bundle.manifest.label}", *wrong)
    if wrong:
        raise LockMismatch(
            f"{LOCK_FILE}: {label}: {', '.join(wrong)}; it was edited, take it from version"
            " control again or lock anew"
        )
    return kept / ADAPTER


def _check_use(folder: Path, show: Show, source: str, label: str, digest: str) -> None:
    _, address = address_of(show, source)
    seen = seen_of(show, address, folder)
    nothing = Standing(digest=digest, state=State.DRAFT, approvals={})
    refuse_revoked(label, nothing, seen)
    hours = show.rules.offline_hours
    check_offline(label, digest, seen, datetime.now(UTC), hours, "it was not asked now")
