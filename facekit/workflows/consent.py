"""Consents from the command line: asked for, recorded, shown, checked, taken back."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from facekit.errors import ConsentRefused, LedgerDamaged, OutputError, UsageError
from facekit.media.files import ensure_new, write_text
from facekit.rights.consent import SignedConsent, new_subject_ref
from facekit.rights.policy import Action, Use, check_consent
from facekit.rights.requests import request_html, request_markdown
from facekit.rights.store import DamagedRevocation, Revocation
from facekit.weights import file_digest
from facekit.workflows.consent_checks import check_said, consent_warnings
from facekit.workflows.consent_results import (
    AllowedUse,
    KeptConsent,
    RevokedConsent,
    ShownConsents,
    WrittenRequest,
)
from facekit.workflows.consent_terms import ConsentTerms, keep_consent, keep_own
from facekit.workflows.evidence import read_places
from facekit.workflows.rights_choice import choose_given
from facekit.workflows.rights_place import RightsPlace, find_rights

__all__ = [
    "check_one",
    "record_consent",
    "record_self",
    "revoke_consent",
    "show_consents",
    "write_request",
]


def write_request(
    name: str,
    terms: ConsentTerms,
    *,
    out: Path | None = None,
    subject_ref: str = "",
    force: bool = False,
) -> WrittenRequest:
    """Write a page to print and sign; `.html` or `.md`.

    The reference on it is that of the person whose consent is kept under this name, or of an open
    request, or else a new one, which is remembered until the consent is recorded.

    Raises:
        UsageError: Another kind of file, or what nobody can agree to.
        OutputExists: The file is there.
    """
    place = find_rights()
    path = out or Path(f"consent-{name}.html")
    if path.suffix not in (".html", ".md"):
        raise UsageError(f"{path}: expected a name that ends in .html or .md; choose another --out")
    ensure_new(path, force)
    store = place.store
    known = store.find(name).record.subject_ref if store.has(name) else store.asked(name)
    ref = subject_ref or known or new_subject_ref()
    content = terms.content(place, ref)
    check_said(content, whole=False)
    make = request_html if path.suffix == ".html" else request_markdown
    store.ask(name, ref)
    write_text(path, make(content, name))
    return WrittenRequest(path=path, subject_ref=ref, name=name, is_known=store.has(name))


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
        subject_ref: Of the person; when empty that of an open request of `name`, else a new one.
        renew: The person of this name has agreed anew; the earlier records stay.
        key: Name of the key that signs; the default one when None.

    Raises:
        ConsentRefused: A minor.
        PolicyRefused: The signature would not count in this show.
        OutputExists: There is a consent of this name.
        KeyRefused: No key to sign with.
        UsageError: Evidence that is not there, or terms that cannot be agreed to.
    """
    place = find_rights()
    digests: dict[str, str] = {}
    for path in evidence:
        if not path.is_file():
            raise UsageError(f"{path}: no such file, expected evidence of consent; check the path")
        digests[file_digest(path)] = str(path.absolute())
    signer = place.signing_key(key)
    asked, warned = place.store.asked(name), []
    if asked and subject_ref not in ("", asked):
        warned.append(f"the open request of {name} names {asked}, and this is {subject_ref}")
    path, signed = keep_consent(
        name,
        terms,
        place,
        signer,
        evidence=digests,
        adult=adult,
        subject_ref=subject_ref,
        renew=renew,
    )
    return KeptConsent(
        path=path,
        consent=signed,
        key=signer.public.name,
        warnings=(*warned, *consent_warnings(signed.record)),
    )


def record_self(
    name: str,
    terms: ConsentTerms | None = None,
    *,
    evidence: Sequence[Path] = (),
    subject_ref: str = "",
    renew: bool = False,
    key: str | None = None,
) -> KeptConsent:
    """Record that whoever is at work is the person; arguments and errors as for `keep_own`.

    Raises:
        UsageError: Somebody else is meant as well, or evidence of another agreement is given.
    """
    place = find_rights()
    _check_self(terms, evidence)
    path, signed = keep_own(name, place, terms, subject_ref=subject_ref, renew=renew, key=key)
    return KeptConsent(
        path=path,
        consent=signed,
        key=place.signing_key(key).public.name,
        warnings=consent_warnings(signed.record),
    )


def _check_self(terms: ConsentTerms | None, evidence: Sequence[Path]) -> None:
    """Refuse what cannot be true of somebody who agrees here and now."""
    said = []
    if terms is not None and terms.method not in ("", "self-attest"):
        said.append(f"--method {terms.method}")
    if terms is not None and terms.subject != "real":
        said.append(f"--subject {terms.subject}")
    said += [str(path) for path in evidence[:1]]
    if said:
        raise UsageError(
            f"--i-am-the-subject and {said[0]}: expected one of them, for who agrees here and now"
            " needs no other proof; leave one away"
        )


def show_consents(reference: str | None = None) -> ShownConsents:
    """Show one record in full, or all of them.

    Raises:
        ConsentRefused: There is none of that name.
    """
    place = find_rights()
    found = (place.store.find(reference),) if reference else place.store.records()
    trusted, (revocations, damaged) = place.trusted(), place.look_at_revocations()
    rows = []
    for one in found:
        record = one.record
        rows.append(
            {
                "name": one.name,
                "state": _state(one, place, revocations, damaged),
                "subject_ref": record.subject_ref,
                "method": record.method,
                "valid_until": str(record.valid_until),
                "digest": one.digest,
                "signed_by": [key.name or key.keyid[:12] for key in one.signers(trusted)],
                "places": read_places(one.digest),
            }
        )
    return ShownConsents(
        folder=place.store.folder,
        rows=tuple(rows),
        records=found,
        in_full=reference is not None,
        damaged=tuple(str(one.error).partition(";")[0] for one in damaged),
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
    if Path(reference).is_file():
        place = place.around(reference)
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
    if consent.record.needs_consent:
        exact = reference not in (consent.name, consent.record.subject_ref)
        consent, used = choose_given(consent, asked, place, reference, exact=exact)
    else:
        used = check_consent(
            consent, asked, trusted=place.trusted(), known=place.known(), name=reference
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

    It is taken back also where the ledger cannot tell it; the result says so.

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
    not_noted = ""
    try:
        place.ledger.append("revoke", told)
    except (LedgerDamaged, OutputError) as error:
        not_noted = str(error).partition(";")[0]
    return RevokedConsent(path=path, consent=consent, revocation=revocation, not_noted=not_noted)


def _state(
    consent: SignedConsent,
    place: RightsPlace,
    revocations: Sequence[Revocation],
    damaged: Sequence[DamagedRevocation],
) -> str:
    """`holds`, or the rule that refuses it now; `damaged` where a revocation may be about it."""
    own = Use(action="pack", project=consent.record.project)
    try:
        check_consent(consent, own, trusted=place.trusted(), revocations=revocations)
    except ConsentRefused as error:
        return error.rule
    return "damaged" if any(one.may_concern(consent) for one in damaged) else "holds"
