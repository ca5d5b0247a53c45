"""Consents from the command line: asked for, recorded, shown, checked, taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from facekit.errors import ConsentRefused, UsageError
from facekit.media.files import ensure_new, write_text
from facekit.rights.consent import (
    DENIED,
    WORLD,
    SignedConsent,
    new_subject_ref,
    sign_consent,
)
from facekit.rights.policy import Action, Use, check_consent
from facekit.rights.requests import request_html, request_markdown
from facekit.rights.store import Revocation
from facekit.weights import file_digest
from facekit.workflows.rights import choose_consent
from facekit.workflows.rights_place import RightsPlace, find_rights
from facekit.workflows.train_rights import attest_self

__all__ = [
    "AllowedUse",
    "ConsentTerms",
    "KeptConsent",
    "RevokedConsent",
    "ShownConsents",
    "WrittenRequest",
    "check_one",
    "record_consent",
    "record_self",
    "revoke_consent",
    "show_consents",
    "write_request",
]

_DAYS: Final = 365
_KINDS: Final = {
    "signed-form": "form",
    "video-statement": "video",
    "agreement-ref": "agreement",
    "self-attest": "statement",
    "not-required": "statement",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentTerms:
    """What is agreed, as the command line says it; empty is the default or a blank."""

    subject: str = "real"
    controller: str = ""
    method: str = ""
    reason: str = ""
    purpose: str = ""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    project: str | None = None
    """The show's when None."""
    territory: tuple[str, ...] = ()
    territory_exclude: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    valid_from: str = ""
    """Today when empty."""
    valid_until: str = ""
    """A year later when empty."""
    compensation: str = "none"
    compensation_ref: str = ""
    templates_until: str = ""
    photos_until: str = ""
    contact: str = ""
    notice_days: int = 0
    effect: str = "stop-new"
    zero_shot: bool = True
    adapter: bool = True
    merge: bool = False

    def content(self, place: RightsPlace, subject_ref: str) -> dict[str, Any]:
        """The fields of a record.

        Raises:
            UsageError: A date is none.
        """
        begin = _day(self.valid_from) or datetime.now(UTC).date()
        denied = (*(word for word in DENIED if word not in self.allow), *self.deny)
        content: dict[str, Any] = {
            "subject_ref": subject_ref,
            "subject": self.subject,
            "controller": self.controller or place.project,
            "method": self.method,
            "reason": self.reason,
            "purpose": self.purpose,
            "uses": {"allow": list(self.allow), "deny": list(dict.fromkeys(denied))},
            "project": place.project if self.project is None else self.project,
            "territory": list(self.territory) or [WORLD],
            "territory_exclude": list(self.territory_exclude),
            "media": list(self.media) or ["any"],
            "valid_from": str(begin),
            "valid_until": str(_day(self.valid_until) or begin + timedelta(days=_DAYS)),
            "compensation": {"unit": self.compensation, "ref": self.compensation_ref},
            "retention": {
                "templates_until": _day_text(self.templates_until),
                "photos_until": _day_text(self.photos_until),
            },
            "revocation": {
                "contact": self.contact or self.controller,
                "notice_days": self.notice_days,
                "effect": self.effect,
            },
            "train": {
                "zero_shot": self.zero_shot,
                "adapter": self.adapter,
                "merge": self.merge,
            },
        }
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRequest:
    """A page to sign."""

    path: Path
    subject_ref: str

    def describe(self) -> str:
        """Where it is, and what comes next."""
        return "\n".join(
            [
                str(self.path),
                "it is no legal advice: have it read by somebody who knows the law that applies",
                "next: print it, have it signed, then facekit consent record SCAN --as NAME with"
                " the same options, --method signed-form --adult and"
                f" --subject-ref {self.subject_ref}",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {"path": str(self.path), "subject_ref": self.subject_ref}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptConsent:
    """A record that was made."""

    path: Path
    consent: SignedConsent
    key: str
    """Name of the key that signed."""

    def describe(self) -> str:
        """The record and how to use it."""
        return "\n".join(
            [
                self.consent.record.describe(),
                f"signed with: {self.key}",
                f"digest: {self.consent.digest}",
                str(self.path),
                f"next: facekit train PHOTOS --as NAME --consent {self.consent.name}",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "path": str(self.path),
            "name": self.consent.name,
            "digest": self.consent.digest,
            "record": self.consent.record.to_json(),
            "key": self.key,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownConsents:
    """Records and whether they hold now."""

    folder: Path
    rows: tuple[Mapping[str, object], ...]
    records: tuple[SignedConsent, ...] = field(repr=False)
    in_full: bool = False

    def describe(self) -> str:
        """A line each; one alone in full."""
        if not self.rows:
            return f"{self.folder}: no consents"
        if self.in_full:
            (row,), (consent,) = self.rows, self.records
            evidence = [f"  {key[:12]} {place}" for key, place in dict(row["places"]).items()]  # type: ignore[call-overload]
            told = [f"state: {row['state']}", f"signed by: {_list(row['signed_by'])}"]
            own = [f"name: {consent.name}", f"digest: {consent.digest}"]
            return "\n".join([*own, consent.record.describe(), *evidence, *told])
        return "\n".join(
            f"{row['name']}: {row['state']}, {row['subject_ref']}, {row['method']}, until"
            f" {row['valid_until']}, {row['digest']}"
            for row in self.rows
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "folder": str(self.folder),
            "consents": [
                {**row, "record": one.record.to_json()}
                for row, one in zip(self.rows, self.records, strict=True)
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedUse:
    """A use that a consent allows; others are errors with exit code 4."""

    name: str
    digest: str
    use: str
    until: str

    def describe(self) -> str:
        """In one line."""
        return f"{self.name}: allowed as {self.use} until {self.until} ({self.digest[:12]})"

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "consent": self.digest,
            "name": self.name,
            "use": self.use,
            "valid_until": self.until,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedConsent:
    """A consent that was taken back."""

    path: Path
    consent: SignedConsent
    revocation: Revocation

    def describe(self) -> str:
        """What stops, and what is to be done."""
        record, revocation = self.consent.record, self.revocation
        days = 0 if revocation.effect == "withdraw" else record.revocation.notice_days
        stops = "at once" if not days else f"after {days} days; training and packing at once"
        lines = [
            str(self.path),
            f"all earlier consents of {record.subject_ref} are taken back; shots stop {stops}",
            "copies elsewhere learn of it when they get this file: send it to all who have the"
            " character, and revoke its presets",
        ]
        if revocation.effect == "withdraw":
            lines.append("next: facekit character delete NAME --cascade")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "path": str(self.path),
            "consent": self.consent.digest,
            "subject_ref": self.consent.record.subject_ref,
            "effect": self.revocation.effect,
            "at": self.revocation.at.isoformat(),
        }


def write_request(
    name: str,
    terms: ConsentTerms,
    *,
    out: Path | None = None,
    subject_ref: str = "",
    force: bool = False,
) -> WrittenRequest:
    """Write a page to print and sign; `.html` or `.md`.

    Raises:
        UsageError: Another kind of file, or a date that is none.
        OutputExists: The file is there.
    """
    place = find_rights()
    path = out or Path(f"consent-{name}.html")
    if path.suffix not in (".html", ".md"):
        raise UsageError(f"{path}: expected a name that ends in .html or .md; choose another --out")
    ensure_new(path, force)
    ref = subject_ref or new_subject_ref()
    make = request_html if path.suffix == ".html" else request_markdown
    write_text(path, make(terms.content(place, ref), name))
    return WrittenRequest(path=path, subject_ref=ref)


def record_consent(
    evidence: Sequence[Path],
    name: str,
    terms: ConsentTerms,
    *,
    adult: bool,
    subject_ref: str = "",
    renew: bool = False,
    key: str | None = None,
) -> KeptConsent:
    """Record what somebody agreed to, and sign it.

    Args:
        evidence: Files that prove it; their sha256 alone is kept in the record.
        name: What it is kept under.
        terms: What was agreed.
        adult: Whoever records attests that the person is of age.
        subject_ref: Of the person; a new one when empty.
        renew: The person of this name has agreed anew; the earlier records stay.
        key: Name of the key that signs; the default one when None.

    Raises:
        ConsentRefused: A minor, or terms that cannot be agreed to.
        OutputExists: There is a consent of this name.
        KeyRefused: No key to sign with.
        UsageError: Evidence that is not there.
    """
    place = find_rights()
    digests: dict[str, str] = {}
    for path in evidence:
        if not path.is_file():
            raise UsageError(f"{path}: no such file, expected evidence of consent; check the path")
        digests[file_digest(path)] = str(path.absolute())
    if renew:
        subject_ref = subject_ref or place.store.find(name).record.subject_ref
    content = terms.content(place, subject_ref or new_subject_ref())
    kind = _KINDS.get(terms.method, "statement")
    content["evidence"] = [{"kind": kind, "sha256": digest} for digest in digests]
    content["adult"] = True if adult else None
    signer = place.signing_key(key)
    signed = sign_consent(content, [signer])
    path = place.store.add(name, signed, places=digests, again=renew)
    told = {"consent": signed.digest, "subject_ref": signed.record.subject_ref}
    place.ledger.append("grant", told)
    return KeptConsent(path=path, consent=_named(signed, name), key=signer.public.name)


def record_self(name: str) -> KeptConsent:
    """Record that whoever is at work is the person, of age, and agrees; makes a key if need be."""
    place = find_rights()
    signed = attest_self(name, place)
    path = place.store.folder / f"{name}.{signed.digest[:8]}.consent.json"
    return KeptConsent(path=path, consent=signed, key=place.signing_key().public.name)


def show_consents(reference: str | None = None) -> ShownConsents:
    """Show one record in full, or all of them.

    Raises:
        ConsentRefused: There is none of that name.
    """
    place = find_rights()
    found = (place.store.find(reference),) if reference else place.store.records()
    trusted, revocations = place.trusted(), place.revocations()
    rows = []
    for one in found:
        record = one.record
        rows.append(
            {
                "name": one.name,
                "state": _state(one, place, revocations),
                "subject_ref": record.subject_ref,
                "method": record.method,
                "valid_until": str(record.valid_until),
                "digest": one.digest,
                "signed_by": [key.name or key.keyid[:12] for key in one.signers(trusted)],
                "places": place.store.places(one),
            }
        )
    return ShownConsents(
        folder=place.store.folder, rows=tuple(rows), records=found, in_full=reference is not None
    )


def check_one(
    reference: str,
    *,
    action: Action = "shoot",
    use: str = "",
    project: str | None = None,
    territory: Sequence[str] = (),
    territory_exclude: Sequence[str] = (),
    media: Sequence[str] = (),
) -> AllowedUse:
    """Say whether a consent allows a use.

    Raises:
        ConsentRefused: It does not; the message says which rule refused.
    """
    place = find_rights()
    consent = place.store.find(reference)
    asked = place.use(
        action,
        use=use,
        territory=tuple(territory),
        territory_exclude=tuple(territory_exclude),
        media=tuple(media),
    )
    if project is not None:
        asked = replace(asked, project=project)
    if reference in (consent.name, consent.record.subject_ref):
        mine = [one for one in place.store.records() if one.name == consent.name]
        consent, used = choose_consent(mine, asked, place, reference)
    else:
        used = check_consent(
            consent,
            asked,
            trusted=place.trusted(),
            revocations=place.revocations(),
            name=reference,
        )
    return AllowedUse(
        name=consent.name or reference,
        digest=consent.digest,
        use=used.use,
        until=str(consent.record.valid_until),
    )


def revoke_consent(
    reference: str,
    *,
    reason: str = "",
    effect: Literal["stop-new", "withdraw"] | None = None,
    key: str | None = None,
) -> RevokedConsent:
    """Take a consent back, and with it all earlier ones of the person.

    Raises:
        ConsentRefused: There is none.
        KeyRefused: No key to sign with.
    """
    place = find_rights()
    consent = place.store.find(reference)
    path, revocation = place.store.revoke(
        consent, (place.signing_key(key),), effect=effect, reason=reason
    )
    told = {
        "consent": consent.digest,
        "subject_ref": consent.record.subject_ref,
        "effect": revocation.effect,
        "reason": reason,
    }
    place.ledger.append("revoke", told)
    return RevokedConsent(path=path, consent=consent, revocation=revocation)


def _state(consent: SignedConsent, place: RightsPlace, revocations: Sequence[Revocation]) -> str:
    """`holds`, or the rule that refuses it now."""
    own = Use(action="pack", project=consent.record.project)
    try:
        check_consent(consent, own, trusted=place.trusted(), revocations=revocations)
    except ConsentRefused as error:
        return error.rule
    return "holds"


def _list(names: object) -> str:
    return ", ".join(names) if isinstance(names, list) and names else "nobody trusted"


def _named(consent: SignedConsent, name: str) -> SignedConsent:
    return replace(consent, name=name)


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError as error:
        raise UsageError(f"{text!r}: no date, expected one such as 2027-05-01; correct it") from (
            error
        )


def _day_text(text: str) -> str | None:
    return str(_day(text)) if text else None
