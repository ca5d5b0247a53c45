"""Approve, reject, supersede and revoke: what people decide about a preset."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from facekit.errors import RegistryError, UsageError
from facekit.presets.policy import standing_of
from facekit.presets.states import (
    APPROVE,
    REJECT,
    REVOKE,
    SUPERSEDE,
    Standing,
    State,
    fold,
    sign_decision,
)
from facekit.show_file import Show
from facekit.signing.statements import Subject
from facekit.workflows.not_counted import ignored_facts, ignored_lines
from facekit.workflows.preset_refs import Desk, Resolved, desk, resolve
from facekit.workflows.preset_signer import signer

__all__ = ["Decided", "approve", "reject", "revoke", "supersede"]


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
        return "\n".join([*lines, *ignored_lines(self.standing.ignored)])

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
            "ignored": ignored_facts(self.standing.ignored),
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
        PolicyRefused: The key is nobody's of the show, or its owner does not hold the role.
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
        PolicyRefused: As for `approve`.
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
        PolicyRefused: As for `approve`.
        UsageError: No reason is given.
    """
    _needs(note)
    with desk(registry) as at:
        roles = frozenset(at.show.rules.revoke) or at.show.deciding_roles
        return _decide(at, REVOKE, resolve(at, reference, revoked=True), roles, role, note, key)


def supersede(
    reference: str,
    *,
    by: str,
    registry: str | None = None,
    role: str | None = None,
    note: str = "",
    key: str | None = None,
) -> Decided:
    """Sign that another version takes the place of one that no channel points at.

    It stays usable where it is locked; `revoke` is what stops it.

    Args:
        reference: The version that is replaced.
        by: The one that replaces it, of the same preset.
        registry: Which registry; the first when None.
        role: Of who signs.
        note: Why.
        key: Name of the key.

    Raises:
        PolicyRefused: As for `approve`.
        UsageError: Both are the same, or of two presets; or a channel still points at the first.
        PresetRevoked: One of them was withdrawn.
    """
    with desk(registry) as at:
        old, new = resolve(at, reference), resolve(at, by)
        if old.entry.id != new.entry.id or old.entry.digest == new.entry.digest:
            raise UsageError(
                f"{by}: {new.label}, expected another version of {old.entry.id}; name the one that"
                f" takes the place of {old.entry.version}"
            )
        if old.standing.state is State.RELEASED:
            raise UsageError(
                f"{old.label}: a channel points at it, expected none; move the channel with"
                f" facekit preset promote --channel, which supersedes it"
            )
        told = f"by {new.entry.version}{': ' if note else ''}{note}"
        return _decide(at, SUPERSEDE, old, at.show.deciding_roles, role, told, key)


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
    _check_counts(at, kind, found, envelope)
    at.registry.add_statement(found.entry.digest, envelope)
    standing = standing_of(
        at.registry, at.show, found.entry.id, found.entry.digest, datetime.now(UTC), at.seen
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


def _check_counts(at: Desk, kind: str, found: Resolved, envelope: bytes) -> None:
    """Refuse a decision that would change nothing, as by a clock that is behind that of others."""
    digest, name = found.entry.digest, f"{sha256(envelope).hexdigest()}.json"
    there = at.registry.statements(digest)
    standing = fold(digest, {**there, name: envelope}, at.show, datetime.now(UTC))
    said = next((one.reason for one in standing.ignored if one.name == name), "")
    if kind == REJECT and standing.rejected is None:
        said = "an approval is dated later"
    if kind == APPROVE and standing.rejected is not None:
        said = f"the rejection by {', '.join(standing.rejected.people)} is not dated earlier"
    if said:
        raise RegistryError(
            f"{found.label}: {kind.partition('.')[2]} would not count ({said}), expected it to be"
            " the latest word; compare the clocks of those who sign, and try again in a minute"
        )


def _approved_for(standing: Standing, show: Show) -> tuple[str, ...]:
    return () if standing.revoked is not None else standing.approved_for(show)


def _needs(note: str) -> None:
    if not note.strip():
        raise UsageError("no reason, expected one that others can read; give it with --note")
