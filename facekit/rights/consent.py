"""What somebody agreed to: a record of consent, pseudonymous by its fields, signed by who keeps it.

A record names nobody. The name it is kept under, and where its evidence lies, stay with whoever
recorded it; evidence is known by its sha256 alone. Nothing here says whether a person is a minor
or somebody famous: facekit has no database of faces, and takes the word of who records.
"""

import base64
import binascii
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints, ValidationError
from pydantic import model_validator as after

from facekit.closed import Closed, told_mistakes
from facekit.errors import ConsentRefused
from facekit.rights.consent_parts import (
    ANY,
    Compensation,
    Evidence,
    Line,
    Method,
    Retention,
    RevocationTerms,
    SubjectRef,
    Training,
    Uses,
)
from facekit.signing.dsse import Envelope, Signature
from facekit.signing.keys import PublicKey, SigningKey
from facekit.signing.statements import (
    PAYLOAD_TYPE,
    Statement,
    Subject,
    canonical_json,
    now_text,
    parse_time,
    sign_statement,
)
from facekit.terms import WORLD, Place, SubjectType, Word, is_person

__all__ = [
    "GRANT",
    "LONGEST_DAYS",
    "SCHEMA",
    "ConsentRecord",
    "SignedConsent",
    "new_subject_ref",
    "read_consent",
    "sign_consent",
]

SCHEMA: Final = "facekit.consent/1"
GRANT: Final = "consent.grant"
"""Kind of the statement that a record is."""

LONGEST_DAYS: Final = 3653
"""Ten years with their leap days."""


_LIMIT: Final = 1_000_000


class ConsentRecord(Closed):
    """What was agreed."""

    schema_: Literal["facekit.consent/1"] = Field(default=SCHEMA, alias="schema")
    subject_ref: SubjectRef
    """Random, one per person; never a name."""
    subject: SubjectType = "real"
    controller: Line = Field(min_length=1)
    """Who keeps it and answers for it."""
    method: Method
    reason: Line = ""
    """Why none is needed, for `not-required`."""
    evidence: tuple[Evidence, ...] = ()
    adult: Literal[True] | None = None
    """True: of age on the day of agreeing. None only where nobody is depicted."""
    purpose: Line = Field(min_length=1)
    uses: Uses
    project: Annotated[str, StringConstraints(max_length=200)] = ""
    """The production, as `project.id` of its facekit.toml; empty for work outside of any."""
    territory: tuple[Place, ...] = (WORLD,)
    territory_exclude: tuple[Place, ...] = ()
    media: tuple[Word, ...] = (ANY,)
    valid_from: date
    valid_until: date
    """The last day."""
    compensation: Compensation = Compensation()
    retention: Retention = Retention()
    revocation: RevocationTerms
    train: Training = Training()
    recorded_at: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]

    @after(mode="after")
    def _holds_together(self) -> Self:
        is_drawn = not is_person(self.subject)
        if is_drawn != (self.method == "not-required"):
            raise ValueError(
                f"method is {self.method!r} for a subject that is {self.subject}, expected"
                " not-required for synthetic and non-human ones and no others"
            )
        if is_drawn and not self.reason:
            raise ValueError("not-required without a reason")
        if not is_drawn and self.adult is not True:
            raise ValueError("adult is not true")
        if self.method in ("signed-form", "video-statement") and not self.evidence:
            raise ValueError(f"method is {self.method} without evidence")
        if self.method == "agreement-ref" and not (self.evidence or self.reason):
            raise ValueError("agreement-ref without evidence and without a reason naming it")
        if self.compensation.unit == "ref" and not self.compensation.ref:
            raise ValueError("compensation is by reference and there is none")
        if not self.territory or not self.media:
            raise ValueError("territory or media is empty")
        if not self.valid_from <= self.valid_until:
            raise ValueError("valid_until is before valid_from")
        if self.valid_until - self.valid_from > timedelta(days=LONGEST_DAYS):
            raise ValueError("valid for more than ten years")
        parse_time(self.recorded_at)
        return self

    @property
    def needs_consent(self) -> bool:
        """Whether a person is depicted."""
        return is_person(self.subject)

    def to_json(self) -> dict[str, Any]:
        """The record as plain data."""
        return self.model_dump(mode="json", by_alias=True)

    def describe(self) -> str:
        """What was agreed, a line for each thing."""
        where = ", ".join(self.territory)
        if self.territory_exclude:
            where += f" without {', '.join(self.territory_exclude)}"
        paid = self.compensation.unit + (f" {self.compensation.ref}" * bool(self.compensation.ref))
        kept = self.retention.templates_until
        method = self.method + (f" ({self.reason})" if self.reason else "")
        return "\n".join(
            [
                f"subject: {self.subject_ref} ({self.subject})",
                f"recorded: {self.recorded_at} by {self.controller}, {method}",
                f"purpose: {self.purpose}",
                f"allowed: {', '.join(self.uses.allow)}",
                f"denied: {', '.join(self.uses.deny)}",
                f"project: {self.project or 'none, only work outside of any'}",
                f"territory: {where}; media: {', '.join(self.media)}",
                f"valid: {self.valid_from} to {self.valid_until}",
                f"compensation: {paid}",
                f"kept until: {kept or self.valid_until}",
                f"revocation: to {self.revocation.contact}, notice of"
                f" {self.revocation.notice_days} days, then {self.revocation.effect}",
                f"evidence: {len(self.evidence)}",
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedConsent:
    """A record and who signed it."""

    record: ConsentRecord
    content: Mapping[str, Any]
    """The record as it was read, which is what was signed."""
    signatures: tuple[Signature, ...]
    name: str = ""
    """What it is kept under; no part of the record."""

    @property
    def digest(self) -> str:
        """Sha256 (hex) of the record as canonical JSON."""
        return hashlib.sha256(canonical_json(dict(self.content))).hexdigest()

    def to_bytes(self) -> bytes:
        """The file: the record and its signatures."""
        signatures = [
            {"keyid": one.keyid, "sig": base64.b64encode(one.sig).decode()}
            for one in self.signatures
        ]
        content = {**self.content, "signatures": signatures}
        return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"

    def signers(self, trusted: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
        """Those of the keys that have signed it as it is."""
        payload = _statement(self.content).payload()
        return Envelope(payload, PAYLOAD_TYPE, self.signatures).signers(trusted)


def new_subject_ref() -> str:
    """A reference for a person whom facekit has not met."""
    return f"subj_{secrets.token_hex(16)}"


def sign_consent(
    content: Mapping[str, Any], keys: Sequence[SigningKey], *, now: datetime | None = None
) -> SignedConsent:
    """Check what was agreed and sign it.

    Args:
        content: As of `ConsentRecord`; schema and time of recording are added.
        keys: Of who records it.
        now: When; the clock's when None.

    Raises:
        ConsentRefused: It is no record that facekit can keep, or it is about a minor.
    """
    at = now_text() if now is None else now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    record = _parse({"schema": SCHEMA, "recorded_at": at, **content}, "consent")
    told = record.to_json()
    envelope = sign_statement(_statement(told), keys)
    return SignedConsent(record=record, content=told, signatures=envelope.signatures)


def read_consent(content: bytes | Mapping[str, Any], name: str) -> SignedConsent:
    """Read a record with its signatures, of which nothing is verified yet.

    Args:
        content: Of the file.
        name: What messages call it.

    Raises:
        ConsentRefused: It is damaged, of a later version, or about a minor.
    """
    told: Any = content
    if isinstance(content, bytes):
        try:
            if len(content) > _LIMIT:
                raise ValueError(f"{len(content)} bytes")
            told = json.loads(content, object_pairs_hook=_each_once)
        except (ValueError, RecursionError) as error:
            raise _not_a_record(name, str(error)) from error
    if not isinstance(told, Mapping):
        raise _not_a_record(name, type(told).__name__)
    told = dict(told)
    try:
        signatures = tuple(
            Signature(str(one["keyid"]), base64.b64decode(one["sig"], validate=True))
            for one in told.pop("signatures", ())
        )
    except (TypeError, KeyError, ValueError, binascii.Error) as error:
        raise _not_a_record(name, f"signatures: {error}") from error
    return SignedConsent(record=_parse(told, name), content=told, signatures=signatures)


def _statement(content: Mapping[str, Any]) -> Statement:
    digest = hashlib.sha256(canonical_json(dict(content))).hexdigest()
    return Statement(GRANT, (Subject(str(content["subject_ref"]), digest),), dict(content))


def _parse(content: Mapping[str, Any], name: str) -> ConsentRecord:
    if content.get("schema") != SCHEMA:
        raise _not_a_record(name, f"schema is {str(content.get('schema'))[:60]!r}")
    is_drawn = not is_person(str(content.get("subject", "real")))
    if content.get("adult") is False or (content.get("adult") is not True and not is_drawn):
        raise ConsentRefused(
            f"{name}: nobody attests that the person is an adult, expected adult: true; facekit"
            " makes no characters of minors, whoever agrees",
            rule="minor",
        )
    try:
        return ConsentRecord.model_validate(content)
    except ValidationError as error:
        raise _not_a_record(name, told_mistakes(error)) from error


def _not_a_record(name: str, got: str) -> ConsentRefused:
    got = re.sub(r"\s+", " ", got)
    return ConsentRefused(
        f"{name}: {got}, expected a record of consent ({SCHEMA}); make it with facekit consent"
        " record",
        rule="record",
    )


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that is there twice, of which readers would take different ones."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found
