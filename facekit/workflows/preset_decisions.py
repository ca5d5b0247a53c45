"""Submit, approve, reject, revoke, promote and roll back: what people decide about a preset."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from facekit.errors import PolicyRefused, RegistryError, UsageError
from facekit.presets.policy import (
    Pointer,
    check_channel,
    move_channel,
    promoting_roles,
    refuse_revoked,
    standing_of,
    valid_pointers,
)
from facekit.presets.states import APPROVE, REJECT, REVOKE, Standing, sign_decision
from facekit.show_file import Show
from facekit.signing.statements import Subject
from facekit.workflows.preset_refs import Desk, Resolved, desk, resolve, signer

__all__ = ["Decided", "Moved", "approve", "promote", "reject", "revoke", "roll_back"]

_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A statement that was added, and where the preset stands now."""

    kind: str
    label: str
    person: str
    role: str
    statement: str
    """sha256 of its envelope."""
    standing: Standing
    approved_for: tuple[str, ...]

    def describe(self) -> str:
        """Who decided what, and the state after it."""
        lines = [
            f"{self.label}: {self.kind.partition('.')[2]} by {self.person} as {self.role}",
            f"digest: {self.standing.digest}",
            f"state: {self.standing.state}",
        ]
        for role, people in self.standing.approvals.items():
            lines.append(f"approved as {role}: {', '.join(people)}")
        if self.approved_for:
            lines.append(f"may be promoted to: {', '.join(self.approved_for)}")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "kind": self.kind,
            "preset": self.label,
            "digest": self.standing.digest,
            "person": self.person,
            "role": self.role,
            "statement": self.statement,
            "state": self.standing.state.value,
            "approvals": {role: list(names) for role, names in self.standing.approvals.items()},
            "approved_for": list(self.approved_for),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Where a channel points now."""

    preset: str
    channel: str
    counter: int
    version: str
    digest: str
    before: str | None
    """The version that it pointed at."""

    def describe(self) -> str:
        """From which version to which."""
        return "\n".join(
            [
                f"{self.preset}@{self.channel}: {self.before or 'nothing'} -> {self.version}",
                f"digest: {self.digest}",
                f"pointer: {self.counter}",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "preset": self.preset,
            "channel": self.channel,
            "counter": self.counter,
            "version": self.version,
            "digest": self.digest,
            "before": self.before,
        }


def approve(
    reference: str,
    *,
    registry: str | None = None,
    role: str | None = None,
    note: str = "",
    key: str | None = None,
) -> Decided:
    """Sign that a preset may be used, in a role.

    Raises:
        KeyRefused: The key is nobody's of the show, or its owner does not hold the role.
        PresetRevoked: It was withdrawn.
    """
    with desk(registry) as at:
        roles = at.show.deciding_roles
        return _decide(at, APPROVE, resolve(at, reference), roles, role, note, key)


def reject(
    reference: str,
    *,
    note: str,
    registry: str | None = None,
    role: str | None = None,
    key: str | None = None,
) -> Decided:
    """Sign that a preset will not do; approvals given before no longer count.

    Raises:
        KeyRefused: As for `approve`.
        UsageError: No reason is given.
    """
    _needs(note)
    with desk(registry) as at:
        roles = frozenset(at.show.rules.reject) or at.show.deciding_roles
        return _decide(at, REJECT, resolve(at, reference), roles, role, note, key)


def revoke(
    reference: str,
    *,
    note: str,
    registry: str | None = None,
    role: str | None = None,
    key: str | None = None,
) -> Decided:
    """Sign that a preset must not be used any more, by anybody, locked or not; for good.

    Raises:
        KeyRefused: As for `approve`.
        UsageError: No reason is given.
    """
    _needs(note)
    with desk(registry) as at:
        roles = frozenset(at.show.rules.revoke) or at.show.deciding_roles
        return _decide(at, REVOKE, resolve(at, reference, revoked=True), roles, role, note, key)


def promote(
    reference: str,
    channel: str,
    *,
    registry: str | None = None,
    role: str | None = None,
    note: str = "",
    key: str | None = None,
) -> Moved:
    """Let a channel point at a version.

    Raises:
        PolicyRefused: Approvals are missing.
        GateFailed: Its numbers do not reach the gates of the channel.
        KeyRefused: The key's owner may not move this channel.
    """
    with desk(registry) as at:
        return _move(at, resolve(at, reference), channel, role, note, key)


def roll_back(
    name: str,
    channel: str,
    *,
    to: str | None = None,
    registry: str | None = None,
    role: str | None = None,
    note: str = "",
    key: str | None = None,
) -> Moved:
    """Let a channel point at what it pointed at before, by a new pointer; nothing is deleted.

    Versions that were revoked, or that the policy no longer takes, are passed over.

    Args:
        name: The preset.
        channel: Which channel.
        to: A version; the one before the present one when None.
        registry: Which registry; the first when None.
        role: Of who signs.
        note: Why.
        key: Name of the key.

    Raises:
        UsageError: There is none to go back to.
    """
    if "@" in name:
        raise UsageError(f"{name}: expected the preset alone; say the version with --to")
    with desk(registry) as at:
        if to is not None:
            return _move(at, resolve(at, f"{name}@{to}"), channel, role, note, key)
        preset_id = resolve(at, name, revoked=True).entry.id
        pointers = _pointers(at, preset_id, channel)
        for pointer in pointers[1:]:
            if pointer.digest == pointers[0].digest:
                continue
            standing = standing_of(at.registry, at.show, preset_id, pointer.digest, at.now, at.seen)
            if standing.revoked is None and not at.seen.is_revoked(pointer.digest):
                back = resolve(at, f"{preset_id}@{pointer.version}")
                return _move(at, back, channel, role, note, key)
        raise UsageError(
            f"{preset_id}@{channel}: no earlier version to go back to, expected one that is not"
            " revoked; name one with --to"
        )


def _decide(
    at: Desk,
    kind: str,
    found: Resolved,
    roles: frozenset[str],
    role: str | None,
    note: str,
    key: str | None,
) -> Decided:
    secret, chosen = signer(at.show, role, roles, key)
    envelope = sign_decision(
        kind, Subject(found.label, found.entry.digest), secret, {"role": chosen, "note": note}
    )
    at.registry.add_statement(found.entry.digest, envelope)
    standing = standing_of(
        at.registry, at.show, found.entry.id, found.entry.digest, at.now, at.seen
    )
    return Decided(
        kind=kind,
        label=found.label,
        person=at.show.person_of(secret.public) or "",
        role=chosen,
        statement=sha256(envelope).hexdigest(),
        standing=standing,
        approved_for=_approved_for(standing, at.show),
    )


def _approved_for(standing: Standing, show: Show) -> tuple[str, ...]:
    return () if standing.revoked is not None else standing.approved_for(show)


def _move(
    at: Desk, found: Resolved, channel: str, role: str | None, note: str, key: str | None
) -> Moved:
    refuse_revoked(found.label, found.standing, at.seen)
    if channel not in at.show.policy:
        known = ", ".join(at.show.policy) or "none"
        raise PolicyRefused(
            f"{channel}: no policy for this channel, expected one of {known}; write"
            f" [policy.{channel}] in facekit.toml"
        )
    check_channel(found.standing, found.manifest, at.show, channel)
    secret, chosen = signer(at.show, role, promoting_roles(at.show, channel), key)
    entry = found.entry
    for _ in range(_TRIES):
        before = next(iter(_pointers(at, entry.id, channel)), None)
        counter = move_channel(
            at.registry, entry.id, channel, entry.version, entry.digest, secret, chosen, note
        )
        if counter is not None:
            at.seen.remember_pointer(entry.id, channel, counter, entry.digest)
            return Moved(
                preset=entry.id,
                channel=channel,
                counter=counter,
                version=entry.version,
                digest=entry.digest,
                before=None if before is None else before.version,
            )
    raise RegistryError(
        f"{entry.id}@{channel}: others moved it {_TRIES} times meanwhile, expected a free number;"
        " look where it points and try again"
    )


def _pointers(at: Desk, preset_id: str, channel: str) -> list[Pointer]:
    found = valid_pointers(at.registry, at.show, preset_id, channel, at.now)
    return [one for one in found if isinstance(one, Pointer)]


def _needs(note: str) -> None:
    if not note.strip():
        raise UsageError("no reason, expected one that others can read; give it with --note")
