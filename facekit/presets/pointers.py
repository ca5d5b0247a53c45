"""Channels of a preset: signed pointers that are only added, of which the highest counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from facekit.errors import IntegrityError, RegistryError, VersionMissing
from facekit.presets.entries import COUNTER_DIGITS
from facekit.presets.registry import Registry
from facekit.presets.seen import Seen
from facekit.presets.states import PROMOTE, DoesNotCount, Ignored, read_decision, sign_decision
from facekit.show_file import Show
from facekit.signing.keys import SigningKey
from facekit.signing.statements import Subject
from facekit.wording import one_of

__all__ = [
    "Pointer",
    "current_pointer",
    "move_channel",
    "pointers_of",
    "promoting_roles",
    "valid_pointers",
]

_LAST: Final = 10**COUNTER_DIGITS - 1


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
                yield fault.as_ignored(name)


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
    there = one_of(registry.channels(preset_id), "its channels")
    raise VersionMissing(
        f"{registry.name}: {preset_id}@{channel} points nowhere{told}, expected {there};"
        " promote a version with facekit preset promote"
    )


def move_channel(
    registry: Registry,
    show: Show,
    preset_id: str,
    channel: str,
    version: str,
    digest: str,
    key: SigningKey,
    role: str,
    seen: Seen,
    note: str = "",
    now: datetime | None = None,
) -> int | None:
    """Sign a pointer with the next counter, add it, and read it back.

    The next one comes after the highest that counts or was seen; numbers that something else has
    taken are passed over, so that nothing unsigned can lock a channel.

    Returns:
        The counter; None when somebody else took it at the same time.

    Raises:
        RegistryError: The storage refuses, no number is left, or what was written does not count.
        IntegrityError: The channel contradicts what was seen of it.
    """
    taken = frozenset(registry.counters(preset_id, channel))
    found = valid_pointers(registry, show, preset_id, channel, now or datetime.now(UTC))
    highest = next((one.counter for one in found if isinstance(one, Pointer)), 0)
    known = seen.pointer(preset_id, channel)
    counter = max(highest, 0 if known is None else known[0]) + 1
    while counter in taken:
        counter += 1
    if counter > _LAST:
        raise RegistryError(
            f"{registry.name}: {preset_id}@{channel}: no number after {_LAST}, expected one;"
            " remove the pointers that nobody has made, or use a channel of another name"
        )
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
    if not registry.add_pointer(preset_id, channel, counter, envelope):
        return None
    time = now or datetime.now(UTC)  # later than what was just signed
    pointer, ignored = current_pointer(registry, show, preset_id, channel, time, seen)
    if pointer.counter < counter:
        why = f" ({ignored[0].name}: {ignored[0].reason})" if ignored else ""
        raise RegistryError(
            f"{registry.name}: {preset_id}@{channel}: points at {pointer.counter}{why}, expected"
            f" {counter}, which was written just now; look at facekit registry check"
        )
    return counter


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
        here = f"expected {channel} {counter}"
        raise DoesNotCount(f"is for {said[0]}@{said[1]} {said[2]}, {here}", forged=True)
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
