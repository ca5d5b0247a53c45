"""What is agreed, as it is said on the command line, and the record that is made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from facekit.errors import ConsentRefused, UsageError
from facekit.rights.consent import SignedConsent, new_subject_ref, sign_consent
from facekit.rights.consent_parts import ANY, DENIED
from facekit.signing.keys import SigningKey
from facekit.terms import WORLD
from facekit.workflows.consent_checks import check_said, check_signer
from facekit.workflows.evidence import keep_places
from facekit.workflows.rights_place import RightsPlace

__all__ = ["ConsentTerms", "keep_consent", "keep_own", "own_terms"]

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
    effect: str = ""
    """`stop-new` when empty."""
    zero_shot: bool = True
    adapter: bool = True

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
                "contact": self.contact or self.controller or place.project,
                "notice_days": self.notice_days,
                "effect": self.effect or "stop-new",
            },
            "train": {"zero_shot": self.zero_shot, "adapter": self.adapter},
        }
        return content


def own_terms(terms: ConsentTerms) -> ConsentTerms:
    """What somebody agrees to for shots of themselves, where they say nothing else."""
    allowed = tuple(word for word in ("personal", ANY) if word not in terms.deny)
    return replace(
        terms,
        method="self-attest",
        controller=terms.controller or "the person in the photos",
        purpose=terms.purpose or "shots of myself, made by myself",
        allow=terms.allow or allowed,
        contact=terms.contact or "myself",
        effect=terms.effect or "withdraw",
    )


def keep_consent(
    name: str,
    terms: ConsentTerms,
    place: RightsPlace,
    signer: SigningKey,
    *,
    evidence: Mapping[str, str],
    adult: bool,
    subject_ref: str = "",
    renew: bool = False,
) -> tuple[Path, SignedConsent]:
    """Sign a record, keep it, and note it in the ledger.

    Args:
        name: What it is kept under.
        terms: What was agreed.
        place: Where consents lie.
        signer: Who records it.
        evidence: sha256 of files that prove it -> where they are.
        adult: Whoever records attests that the person is of age.
        subject_ref: Of the person; when empty that of `name` if it is renewed, else a new one.
        renew: The person of this name has agreed anew; the earlier records stay.

    Raises:
        ConsentRefused: A minor.
        PolicyRefused: The signature would not count in this show; nothing was recorded.
        UsageError: Terms that cannot be agreed to, or what is needed is missing.
        OutputExists: There is a consent of this name.
        LedgerDamaged: The ledger does not hold; nothing was recorded.
    """
    place.ledger.ready()
    check_signer(signer, terms.subject, place)
    if renew:
        subject_ref = subject_ref or place.store.find(name).record.subject_ref
    ref = subject_ref or place.store.asked(name) or new_subject_ref()
    content = terms.content(place, ref)
    kind = _KINDS.get(terms.method, "statement")
    content["evidence"] = [{"kind": kind, "sha256": digest} for digest in evidence]
    content["adult"] = True if adult else None
    check_said(content)
    try:
        signed = sign_consent(content, [signer])
    except ConsentRefused as error:
        if error.rule != "record":
            raise
        raise UsageError(
            f"{str(error).partition(' (rule: ')[0]}; correct what you have said"
        ) from error
    path = place.store.add(name, signed, again=renew)
    keep_places(signed.digest, evidence)
    told = {"consent": signed.digest, "subject_ref": signed.record.subject_ref}
    place.ledger.append("grant", told)
    return path, replace(signed, name=name)


def keep_own(
    name: str,
    place: RightsPlace,
    terms: ConsentTerms | None = None,
    *,
    subject_ref: str = "",
    renew: bool = False,
    key: str | None = None,
) -> tuple[Path, SignedConsent]:
    """Record that whoever is at work is the person, of age, and agrees; makes a key if need be.

    Args:
        name: What it is kept under.
        place: Where consents lie.
        terms: What differs from `own_terms`.
        subject_ref: As for `keep_consent`.
        renew: Whether it follows an earlier self-attestation of this name.
        key: Name of the key that signs; the default one when None.

    Raises:
        UsageError: The earlier one is no self-attestation, or terms that cannot be agreed to.
        PolicyRefused: As for `keep_consent`.
        OutputExists: There is a consent of this name.
    """
    if renew and (earlier := place.store.find(name).record).method != "self-attest":
        raise UsageError(
            f"--i-am-the-subject: the consent {name} is by {earlier.method}, expected a"
            " self-attestation; renew it in that way, or choose another --as"
        )
    return keep_consent(
        name,
        own_terms(terms or ConsentTerms()),
        place,
        place.signing_key(key, make=True),
        evidence={},
        adult=True,
        subject_ref=subject_ref,
        renew=renew,
    )


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
