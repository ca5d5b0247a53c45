"""Where a channel points, and whether what it points at may be there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from facekit.errors import (
    GateFailed,
    IntegrityError,
    PolicyRefused,
    PresetRevoked,
    VersionMissing,
)
from facekit.presets.manifest import Manifest
from facekit.presets.registry import Registry
from facekit.presets.seen import Seen
from facekit.presets.states import (
    PROMOTE,
    DoesNotCount,
    Ignored,
    Standing,
    fold,
    read_decision,
    sign_decision,
)
from facekit.show_file import Gates, Show
from facekit.signing.keys import SigningKey
from facekit.signing.statements import Subject

__all__ = [
    "Pointer",
    "check_channel",
    "current_pointer",
    "missed_gates",
    "move_channel",
    "pointers_of",
    "promoting_roles",
    "refuse_revoked",
    "standing_of",
    "valid_pointers",
]

_AT_LEAST: Final = ("sim_held", "sim_held_low", "likeness_ratio", "coverage", "xmin")


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a channel points, by the signature of somebody who may move it."""

    channel: str
    counter: int
    version: str
    digest: str
    people: tuple[str, ...]
    at: datetime
    sha256: str
    """Of its envelope."""


def promoting_roles(show: Show, channel: str) -> frozenset[str]:
    """Roles that may move a channel."""
    policy = show.channel(channel)
    return frozenset(policy.promote) or frozenset(policy.approve) or show.deciding_roles


def valid_pointers(
    registry: Registry, show: Show, preset_id: str, channel: str, now: datetime
) -> Iterator[Pointer | Ignored]:
    """Read the pointers of a channel, the latest first; those that do not count say why."""
    counters = registry.counters(preset_id, channel)
    for some in (counters[:1], counters[1:]):  # most ask for the latest alone
        for counter, content in zip(some, registry.pointers(preset_id, channel, some), strict=True):
            name = f"{channel} {counter}"
            try:
                yield _read_pointer(content, name, show, preset_id, channel, counter, now)
            except DoesNotCount as fault:
                yield Ignored(name, str(fault))


def current_pointer(
    registry: Registry, show: Show, preset_id: str, channel: str, now: datetime, seen: Seen
) -> tuple[Pointer, tuple[Ignored, ...]]:
    """Say where a channel points, by the highest counter that counts.

    The counter is remembered. What does not count above it is given back to be told.

    Raises:
        VersionMissing: It points nowhere.
        IntegrityError: It points where it did before a pointer that was seen already.
    """
    ignored: list[Ignored] = []
    for found in valid_pointers(registry, show, preset_id, channel, now):
        if isinstance(found, Pointer):
            _compare_seen(registry, preset_id, found, seen)
            seen.remember_pointer(preset_id, channel, found.counter, found.digest)
            return found, tuple(ignored)
        ignored.append(found)
    if (known := seen.pointer(preset_id, channel)) is not None:
        raise _replayed(registry, preset_id, channel, "none", known[0])
    told = f" ({ignored[0].name}: {ignored[0].reason})" if ignored else ""
    there = ", ".join(registry.channels(preset_id)) or "none"
    raise VersionMissing(
        f"{registry.name}: {preset_id}@{channel} points nowhere{told}, expected one of its channels"
        f" ({there}); promote a version with facekit preset promote"
    )


def move_channel(
    registry: Registry,
    preset_id: str,
    channel: str,
    version: str,
    digest: str,
    key: SigningKey,
    role: str,
    note: str = "",
) -> int | None:
    """Sign a pointer with the next counter and add it.

    Returns:
        The counter; None when somebody else took it at the same time.
    """
    counter = max(registry.counters(preset_id, channel), default=0) + 1
    envelope = sign_decision(
        PROMOTE,
        Subject(f"{preset_id}@{version}", digest),
        key,
        {
            "id": preset_id,
            "version": version,
            "channel": channel,
            "counter": counter,
            "role": role,
            "note": note,
        },
    )
    return counter if registry.add_pointer(preset_id, channel, counter, envelope) else None


def pointers_of(
    registry: Registry, show: Show, preset_id: str, now: datetime
) -> dict[str, tuple[Pointer, ...]]:
    """All pointers of a preset that count, by channel, the latest first."""
    return {
        channel: tuple(
            one
            for one in valid_pointers(registry, show, preset_id, channel, now)
            if isinstance(one, Pointer)
        )
        for channel in registry.channels(preset_id)
    }


def standing_of(
    registry: Registry,
    show: Show,
    preset_id: str,
    digest: str,
    now: datetime,
    seen: Seen,
    pointers: Mapping[str, tuple[Pointer, ...]] | None = None,
) -> Standing:
    """Fold everything that a registry has about a digest.

    A revocation is remembered, and what is remembered counts even when it is no longer there.

    Args:
        registry: Where.
        show: Whose people and roles count.
        preset_id: Of the preset.
        digest: Of the version.
        now: The time.
        seen: What was seen before.
        pointers: By `pointers_of`, to ask about several versions; read when None.
    """
    if pointers is None:
        pointers = pointers_of(registry, show, preset_id, now)
    current = [name for name, all_of in pointers.items() if all_of and all_of[0].digest == digest]
    was = [name for name, all_of in pointers.items() if any(p.digest == digest for p in all_of)]
    standing = fold(digest, registry.statements(digest), show, now, current_in=current, was_in=was)
    if standing.revoked is not None:
        seen.remember_revoked(digest)
    return standing


def refuse_revoked(label: str, standing: Standing, seen: Seen) -> None:
    """Let nothing pass that was revoked, here or as far as this machine has ever seen.

    Raises:
        PresetRevoked: With who, when and why.
    """
    by = standing.revoked
    if by is None and not seen.is_revoked(standing.digest):
        return
    why = "revoked, as this machine has seen before"
    if by is not None:
        said = f": {by.note}" if by.note else ""
        why = f"revoked by {', '.join(by.people)} on {by.at:%Y-%m-%d}{said}"
    raise PresetRevoked(f"{label} ({standing.digest[:12]}): {why}; use another version")


def check_channel(standing: Standing, manifest: Manifest, show: Show, channel: str) -> None:
    """Let a preset pass that may be in a channel.

    Raises:
        PolicyRefused: Approvals are missing, or it was rejected.
        GateFailed: A number does not reach its gate.
    """
    policy = show.channel(channel)
    lacks = standing.lacks(policy.approve)
    if lacks or (standing.rejected is not None and policy.approve):
        by = standing.rejected
        said = (
            f" (rejected by {', '.join(by.people)}: {by.note or 'no reason given'})" if by else ""
        )
        raise PolicyRefused(
            f"{manifest.label} for {channel}: approvals {', '.join(lacks)}{said}, expected all of"
            " them; ask those people for facekit preset approve"
        )
    if missed := missed_gates(manifest, policy.gates):
        raise GateFailed(
            f"{manifest.label} for {channel}: {', '.join(missed)}; train or measure it again, or"
            " change the gates in facekit.toml"
        )


def missed_gates(manifest: Manifest, gates: Gates) -> tuple[str, ...]:
    """Which gates a manifest's numbers do not reach, each with what was got and expected."""
    summary, missed = manifest.eval.summary, []
    for name in _AT_LEAST:
        wanted, got = getattr(gates, name), getattr(summary, name)
        if wanted is not None and (got is None or got < wanted):
            missed.append(f"{name} is {_told(got)}, expected at least {wanted:g}")
    if gates.drift is not None and (summary.drift is None or summary.drift > gates.drift):
        missed.append(f"drift is {_told(summary.drift)}, expected at most {gates.drift:g}")
    if gates.passed and summary.gates != "passed":
        missed.append(f"gates are {summary.gates}, expected passed")
    if gates.parity and manifest.eval.parity is None:
        missed.append("no parity vector, expected one")
    if gates.commercial:
        encoder = manifest.encoder
        parts = {"base": manifest.base.commercial, "rights": manifest.rights.commercial}
        parts |= {} if encoder is None else {"encoder": encoder.commercial}
        missed += [f"{part} is not for commercial use" for part, fine in parts.items() if not fine]
    return tuple(missed)


def _told(value: float | None) -> str:
    return "not measured" if value is None else f"{value:g}"


def _read_pointer(
    content: bytes,
    name: str,
    show: Show,
    preset_id: str,
    channel: str,
    counter: int,
    now: datetime,
) -> Pointer:
    roles = promoting_roles(show, channel)
    decision = read_decision(content, None, show, now, name=name, roles=roles, kind=PROMOTE)
    told = decision.predicate
    said = (told.get("id"), told.get("channel"), told.get("counter"))
    if said != (preset_id, channel, counter):
        raise DoesNotCount(f"is for {said[0]}@{said[1]} {said[2]}, expected {channel} {counter}")
    return Pointer(
        channel=channel,
        counter=counter,
        version=str(told.get("version", "")),
        digest=decision.digest,
        people=decision.people,
        at=decision.at,
        sha256=sha256(content).hexdigest(),
    )


def _compare_seen(registry: Registry, preset_id: str, pointer: Pointer, seen: Seen) -> None:
    known = seen.pointer(preset_id, pointer.channel)
    if known is None:
        return
    counter, digest = known
    if pointer.counter < counter:
        raise _replayed(registry, preset_id, pointer.channel, str(pointer.counter), counter)
    if pointer.counter == counter and pointer.digest != digest:
        raise IntegrityError(
            f"{registry.name}: {preset_id}@{pointer.channel}: pointer {counter} leads to"
            f" {pointer.digest[:12]}, expected {digest[:12]} as seen before; somebody has replaced"
            " it, ask who keeps the registry"
        )


def _replayed(
    registry: Registry, preset_id: str, channel: str, got: str, seen: int
) -> IntegrityError:
    return IntegrityError(
        f"{registry.name}: {preset_id}@{channel}: the latest pointer is {got}, expected {seen} or"
        " later as seen before; a mirror may be behind, else somebody has put an old one back: ask"
        " who keeps the registry, and promote once more to go on"
    )
