"""What people have decided about a preset, folded from what they signed, and from nothing else.

    draft -> submitted -> approved -> released -> superseded | revoked

A statement counts when somebody of the show signed it, who holds the role that it claims, for
exactly this digest, and not in the future. One that does not count changes nothing and is told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from facekit.errors import FacekitError
from facekit.presets.ignored import DoesNotCount, Ignored, is_forged
from facekit.show_file import Show
from facekit.signing.keys import SigningKey
from facekit.signing.statements import (
    Statement,
    Subject,
    now_text,
    open_statement,
    parse_time,
    sign_statement,
)

__all__ = [
    "APPROVE",
    "PROMOTE",
    "REJECT",
    "REVOKE",
    "SUBMIT",
    "SUPERSEDE",
    "Decision",
    "DoesNotCount",
    "Ignored",
    "Standing",
    "State",
    "fold",
    "read_decision",
    "sign_decision",
]

SUBMIT: Final = "preset.submit"
APPROVE: Final = "preset.approve"
REJECT: Final = "preset.reject"
REVOKE: Final = "preset.revoke"
SUPERSEDE: Final = "preset.supersede"
PROMOTE: Final = "preset.promote"
_KINDS: Final = frozenset({SUBMIT, APPROVE, REJECT, REVOKE, SUPERSEDE})


class State(StrEnum):
    """How far a preset has come."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    RELEASED = "released"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A statement that counts."""

    kind: str
    digest: str
    """What it is about."""
    people: tuple[str, ...]
    """Who signed it and may."""
    role: str
    """That they signed in; empty where none is asked for."""
    at: datetime
    note: str = ""
    predicate: Mapping[str, Any] = field(default_factory=dict, compare=False)
    keyids: tuple[str, ...] = ()
    """Of the keys that these people have signed it with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a digest stands."""

    digest: str
    state: State
    approvals: Mapping[str, tuple[str, ...]]
    """By role: who approved and has not been overruled by a rejection since."""
    rejected: Decision | None = None
    """The last rejection after which nobody has approved."""
    revoked: Decision | None = None
    ignored: tuple[Ignored, ...] = ()

    def approved_for(self, show: Show) -> tuple[str, ...]:
        """Channels of the show whose approvals it has; those that ask for none are left out."""
        return tuple(
            name
            for name, channel in sorted(show.policy.items())
            if channel.approve and self.lacks(channel.approve) == ()
        )

    def lacks(self, needed: Mapping[str, int]) -> tuple[str, ...]:
        """Which approvals are missing, each as `role: 1 of 2`."""
        have = {role: len(self.approvals.get(role, ())) for role in needed}
        return tuple(
            f"{role}: {have[role]} of {count}"
            for role, count in sorted(needed.items())
            if have[role] < count
        )


def sign_decision(
    kind: str, subject: Subject, key: SigningKey, predicate: Mapping[str, Any]
) -> bytes:
    """Sign a decision now.

    Args:
        kind: Such as `preset.approve`.
        subject: The preset.
        key: Of who decides.
        predicate: `role`, `note` and whatever its kind has more.

    Returns:
        The envelope.
    """
    statement = Statement(kind, (subject,), {"at": now_text(), **predicate})
    return sign_statement(statement, [key]).to_bytes()


def fold(
    digest: str,
    envelopes: Mapping[str, bytes],
    show: Show,
    now: datetime,
    *,
    current_in: Iterable[str] = (),
    was_in: Iterable[str] = (),
) -> Standing:
    """Compute where a digest stands.

    Args:
        digest: Of the preset.
        envelopes: What a registry has about it, by name; in any order, and whoever put it there.
        show: Whose people and roles count.
        now: What is later than this, by more than the show's clock skew, is not counted; but a
            revocation is, for to refuse is the safe side.
        current_in: Channels that point at it, by `policy.current_pointer`.
        was_in: Channels that pointed at it once.
    """
    counted: list[Decision] = []
    ignored: list[Ignored] = []
    for name, content in sorted(envelopes.items()):
        try:
            counted.append(read_decision(content, digest, show, now, name=name))
        except DoesNotCount as fault:
            ignored.append(fault.as_ignored(name))
    counted.sort(key=lambda decision: (decision.at, decision.kind != APPROVE))
    approvals: dict[str, dict[str, None]] = {}
    rejected: Decision | None = None
    for decision in counted:  # an approval of the same second comes before a rejection
        if decision.kind == REJECT:
            approvals, rejected = {}, decision
        elif decision.kind == APPROVE:
            rejected = None
            approvals.setdefault(decision.role, {}).update(dict.fromkeys(decision.people))
    revoked = next((one for one in counted if one.kind == REVOKE), None)
    standing = Standing(
        digest=digest,
        state=State.DRAFT,
        approvals={role: tuple(sorted(people)) for role, people in sorted(approvals.items())},
        rejected=rejected,
        revoked=revoked,
        ignored=tuple(ignored),
    )
    state = _state(standing, {one.kind for one in counted}, show, set(current_in), set(was_in))
    return replace(standing, state=state)


def _state(
    standing: Standing, kinds: set[str], show: Show, current: set[str], was: set[str]
) -> State:
    if standing.revoked is not None:
        return State.REVOKED
    if current:
        return State.RELEASED
    if was or SUPERSEDE in kinds:
        return State.SUPERSEDED
    if standing.approved_for(show):
        return State.APPROVED
    return State.SUBMITTED if SUBMIT in kinds or APPROVE in kinds else State.DRAFT


def read_decision(
    content: bytes,
    digest: str | None,
    show: Show,
    now: datetime,
    *,
    name: str,
    roles: frozenset[str] | None = None,
    kind: str | None = None,
) -> Decision:
    """Read one statement, if it counts.

    Args:
        content: The envelope.
        digest: What it has to be about, and about nothing else; any one digest when None.
        show: Whose people and roles count.
        now: The time.
        name: What messages call it.
        roles: That may say this; those of the show's rules when None.
        kind: That it must have; one of those on presets when None.

    Raises:
        DoesNotCount: With the reason.
    """
    if not content:
        raise DoesNotCount("is empty, or of another content than its name says", forged=True)
    try:
        statement = open_statement(content, show.all_keys(), kind=kind, name=name)
    except FacekitError as error:
        reason = str(error).partition(": ")[2].partition(";")[0]
        raise DoesNotCount(reason, forged=is_forged(content, show)) from error
    if kind is None and statement.kind not in _KINDS:
        raise DoesNotCount(f"says {statement.kind!r}, which is no decision on a preset")
    subjects = [one.sha256 for one in statement.subjects]
    if len(subjects) != 1 or digest not in (None, subjects[0]):
        raise DoesNotCount("is about another digest", forged=True)
    at = _time(statement)
    late = at - now > timedelta(seconds=show.rules.clock_skew_s)
    if late and statement.kind != REVOKE:
        raise DoesNotCount(f"is of the future ({statement.predicate['at']}); set the clock")
    role = str(statement.predicate.get("role", ""))
    people = _people(
        statement, show, role, _roles(statement.kind, show) if roles is None else roles
    )
    note = str(statement.predicate.get("note", ""))[:2000]
    return Decision(
        kind=statement.kind,
        digest=subjects[0],
        people=people,
        role=role,
        at=at,
        note=note,
        predicate=statement.predicate,
        keyids=tuple(key.keyid for key in statement.signers if show.person_of(key) in people),
    )


def _roles(kind: str, show: Show) -> frozenset[str] | None:
    """The roles that may say this; None for anybody of the show."""
    deciding = show.deciding_roles
    if kind == REVOKE:
        return frozenset(show.rules.revoke) or deciding
    if kind == REJECT:
        return frozenset(show.rules.reject) or deciding
    if kind == SUPERSEDE:
        return deciding
    return None


def _people(
    statement: Statement, show: Show, role: str, allowed: frozenset[str] | None
) -> tuple[str, ...]:
    names = {show.person_of(key) for key in statement.signers}
    people = sorted(name for name in names if name is not None)
    if role:
        holders = [name for name in people if role in show.people[name].roles]
        if not holders:
            raise DoesNotCount(f"signed as {role!r} by {', '.join(people)}, who is not that")
        people = holders
    elif statement.kind != SUBMIT:
        raise DoesNotCount("names no role")
    if allowed is not None and role not in allowed:
        expected = ", ".join(sorted(allowed)) or "none is named in facekit.toml"
        raise DoesNotCount(f"signed as {role!r}, expected one of the roles {expected}")
    return tuple(people)


def _time(statement: Statement) -> datetime:
    try:
        return parse_time(str(statement.predicate["at"]))
    except (KeyError, ValueError) as error:
        raise DoesNotCount("says no time") from error
