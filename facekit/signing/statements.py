"""What a signature says about which files: in-toto statements.

Source: in-toto Statement v1, https://in-toto.io/Statement/v1
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import rfc8785

from facekit.errors import SignatureRefused
from facekit.signing.dsse import Envelope, sign_envelope
from facekit.signing.keys import PublicKey, SigningKey

__all__ = [
    "PAYLOAD_TYPE",
    "Statement",
    "Subject",
    "canonical_json",
    "now_text",
    "open_statement",
    "parse_time",
    "sign_statement",
]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE_PREFIX = "urn:facekit:"
_VERSION = "v1"
"""Of the meaning of every kind; another one is not understood, and so refused."""
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about."""

    name: str
    """For people: `mira@1.2.0`."""
    sha256: str
    """64 hex digits; the one thing that counts."""


@dataclass(frozen=True, slots=True)
class Statement:
    """Something that is said about digests."""

    kind: str
    """`preset.pack`, `preset.approve`, `consent.grant`, ..."""
    subjects: tuple[Subject, ...]
    """At least one."""
    predicate: Mapping[str, Any]
    """What is said; plain data."""
    signers: tuple[PublicKey, ...] = field(default=(), compare=False)
    """Whose valid signatures it bears; empty for one that is not signed yet."""

    def payload(self) -> bytes:
        """Canonical JSON of it: what is signed."""
        return canonical_json(
            {
                "_type": _STATEMENT_TYPE,
                "subject": [
                    {"name": one.name, "digest": {"sha256": one.sha256}} for one in self.subjects
                ],
                "predicateType": f"{_PREDICATE_PREFIX}{self.kind}:{_VERSION}",
                "predicate": dict(self.predicate),
            }
        )


def sign_statement(statement: Statement, keys: Sequence[SigningKey]) -> Envelope:
    """Sign a statement."""
    return sign_envelope(statement.payload(), PAYLOAD_TYPE, keys)


def open_statement(
    content: bytes | Envelope,
    trusted: Iterable[PublicKey],
    *,
    kind: str | None = None,
    name: str = "statement",
) -> Statement:
    """Verify an envelope and read the statement in it.

    Args:
        content: An envelope or its bytes.
        trusted: Keys whose signatures count.
        kind: What it has to say; another kind is refused, so that an approval is never taken for
            a revocation. None takes any.
        name: What messages call it.

    Returns:
        The statement with its valid, trusted signers, of which there is at least one.

    Raises:
        SignatureRefused: Nobody trusted signed it, it was changed, or it says something else.
    """
    envelope = content if isinstance(content, Envelope) else Envelope.read(content, name)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise SignatureRefused(
            f"{name}: type {envelope.payload_type!r}, expected {PAYLOAD_TYPE!r}; it is signed for"
            " another purpose"
        )
    signers = envelope.signers(trusted)
    if not signers:
        said = ", ".join(one.keyid[:12] or "none" for one in envelope.signatures)
        raise SignatureRefused(
            f"{name}: no valid signature by a trusted key (it names {said}); look at"
            " facekit keys show, and trust the key only if you know whose it is"
        )
    statement = _read(envelope.payload, name, signers)
    if kind is not None and statement.kind != kind:
        raise SignatureRefused(
            f"{name}: says {statement.kind!r}, expected {kind!r}; it is signed for another purpose"
        )
    return statement


def canonical_json(content: object) -> bytes:
    """Plain data as canonical JSON (RFC 8785): equal data gives equal bytes everywhere.

    Raises:
        ValueError: Something in it is not plain data, or a number that JSON cannot hold exactly.
    """
    return rfc8785.dumps(content)  # type: ignore[arg-type]  # it checks that by itself


def now_text() -> str:
    """The time now in UTC, to the second: `2026-11-21T20:15:00Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Read a time that `now_text` wrote, or a date, which begins at midnight UTC.

    Raises:
        ValueError: It is neither, or none that UTC has.
    """
    told = datetime.fromisoformat(text)
    try:
        return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"time {text[:80]!r}") from error


def _read(payload: bytes, name: str, signers: tuple[PublicKey, ...]) -> Statement:
    try:
        told = json.loads(payload)
        if told["_type"] != _STATEMENT_TYPE:
            raise ValueError(f"_type {told['_type']!r}")
        prefix, _, rest = told["predicateType"].partition(_PREDICATE_PREFIX)
        kind, _, version = rest.rpartition(":")
        if prefix or not kind or version != _VERSION:
            raise ValueError(f"predicateType {told['predicateType'][:200]!r}")
        subjects = tuple(
            Subject(str(one["name"]), _hex(one["digest"]["sha256"])) for one in told["subject"]
        )
        predicate = told["predicate"]
        if not subjects or not isinstance(predicate, dict):
            raise ValueError("no subject or no predicate")
        return Statement(kind, subjects, predicate, signers)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SignatureRefused(
            f"{name}: signed, but {error}; expected a statement of facekit; get it again, or"
            " update facekit"
        ) from error


def _hex(text: str) -> str:
    if len(text) != 64 or not set(text) <= _HEX:
        raise ValueError(f"digest {text[:80]!r}")
    return text
