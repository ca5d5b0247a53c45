"""By what right a character is trained, decided before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from facekit.adapters.character_header import SubjectRecord
from facekit.errors import ConsentRefused, UsageError
from facekit.media.files import write_bytes
from facekit.recipe import Recipe
from facekit.rights.consent import SignedConsent, new_subject_ref, sign_consent
from facekit.rights.ledger import LedgerLine
from facekit.rights.policy import Action, check_consent
from facekit.weights import file_digest
from facekit.workflows.rights import (
    CONSENT_FILE,
    are_drawn_samples,
    choose_consent,
    draws_nobody,
)
from facekit.workflows.rights_place import RightsPlace, find_rights

__all__ = ["TrainRights", "attest_self", "note_training", "plan_rights", "settle_rights"]

_SELF_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRights:
    """Whose face is trained, and who agreed."""

    subject: SubjectRecord | None
    """For the character file; None where nobody need say it, or as long as `attests`."""
    consent: SignedConsent | None = None
    attests: bool = False
    """Whether the run begins with a self-attestation of the person."""
    by_name: str = ""
    """What a self-attestation is kept under."""

    def describe(self) -> str:
        """In words, for plans; empty where the backbone draws drawings alone."""
        if self.attests:
            return "you are the person in the photos and of age; your consent is recorded first"
        if self.subject is None:
            return ""
        if self.consent is None:
            return f"{self.subject.type}, as you say; nobody is depicted"
        record = self.consent.record
        return f"consent {self.consent.digest[:12]} by {record.controller}, to {record.valid_until}"


def plan_rights(
    name: str,
    recipe: Recipe,
    photos: Sequence[Path | str] = (),
    *,
    consent: str | None = None,
    drawn: bool = False,
    is_subject: bool = False,
) -> TrainRights:
    """Decide by what right; nothing is written.

    Args:
        name: Of the character.
        recipe: Its backbone and its face encoder tell whether drawings are all that they know.
        photos: What is trained on; of the samples, their card says that they are drawn.
        consent: A record: a name, a digest, a reference of a person or a file.
        drawn: Whoever trains says that nobody is depicted.
        is_subject: Whoever trains says to be the person, and of age.

    Raises:
        ConsentRefused: Photographs without a consent, or one that does not allow it.
        UsageError: Several of these at once.
    """
    said = [
        flag
        for flag, given in (
            ("--consent", consent is not None),
            ("--drawn", drawn),
            ("--i-am-the-subject", is_subject),
        )
        if given
    ]
    if len(said) > 1:
        raise UsageError(f"{' and '.join(said)}: expected one of them; say whose face it is once")
    if consent is not None:
        place = find_rights()
        return _under(place.store.find(consent), recipe, place)
    if is_subject:
        return _own(name, recipe)
    if draws_nobody(recipe.base.name, recipe.encoder.train):
        return TrainRights(subject=None)
    if drawn or are_drawn_samples(photos):
        return TrainRights(subject=SubjectRecord(type="synthetic"))
    raise ConsentRefused(
        f"{name}: no consent, expected one, for {recipe.encoder.train} and {recipe.base.name} are"
        " not for drawings alone; if you are the person in the photos and of age add"
        " --i-am-the-subject (or: facekit consent record --as"
        f" {name} --i-am-the-subject), for somebody else record it with facekit consent record and"
        " add --consent, and if nobody is depicted add --drawn",
        rule="exists",
    )


def settle_rights(rights: TrainRights) -> TrainRights:
    """Record the self-attestation that a plan asks for, as the run begins.

    Raises:
        KeyRefused: The user's key cannot be opened.
        OutputError: The record cannot be written.
    """
    if not rights.attests:
        return rights
    signed = attest_self(rights.by_name, find_rights())
    return TrainRights(subject=_subject(signed), consent=signed)


def attest_self(name: str, place: RightsPlace, **other: Any) -> SignedConsent:
    """Record that whoever is at work is the person, of age, and agrees.

    Args:
        name: What it is kept under.
        place: Where consents lie.
        **other: Fields of the record that differ.

    Raises:
        OutputExists: There is a consent of this name.
    """
    today = datetime.now(UTC).date()
    content = {
        "subject_ref": new_subject_ref(),
        "subject": "real",
        "controller": "the person in the photos",
        "method": "self-attest",
        "adult": True,
        "purpose": "shots of myself, made by myself",
        "uses": {"allow": ["personal", "any"]},
        "project": place.project,
        "valid_from": str(today),
        "valid_until": str(today + timedelta(days=_SELF_DAYS)),
        "revocation": {"contact": "myself", "effect": "withdraw"},
        **other,
    }
    signed = sign_consent(content, [place.signing_key(make=True)])
    place.store.add(name, signed)
    told = {"consent": signed.digest, "subject_ref": signed.record.subject_ref}
    place.ledger.append("grant", told)
    return replace(signed, name=name)


def note_training(rights: TrainRights, name: str, adapter: Path) -> None:
    """Put the record beside a character and a line into the ledger; raises as `Ledger.append`."""
    if rights.consent is None:
        return
    write_bytes(adapter.parent / CONSENT_FILE, rights.consent.to_bytes())
    place, digest = find_rights(), file_digest(adapter)
    content = {
        "character": name,
        "character_sha256": digest,
        "consent": rights.consent.digest,
        "subject_ref": rights.consent.record.subject_ref,
        "project": place.project,
    }

    def is_there(line: LedgerLine) -> bool:
        return line.kind == "train" and line.content.get("character_sha256") == digest

    place.ledger.append_unless("train", content, is_there)


def _own(name: str, recipe: Recipe) -> TrainRights:
    """The self-attestation of an earlier run, or one that is to be made."""
    place = find_rights()
    try:
        earlier = place.store.find(name)
    except ConsentRefused as error:
        if error.rule != "exists":
            raise
        return TrainRights(subject=None, attests=True, by_name=name)
    if earlier.record.method != "self-attest":
        raise UsageError(
            f"--i-am-the-subject: the consent {name} is by {earlier.record.method}, expected a"
            f" self-attestation or none; use it with --consent {name}, or choose another --as"
        )
    return _under(earlier, recipe, place)


def _under(consent: SignedConsent, recipe: Recipe, place: RightsPlace) -> TrainRights:
    """Train under a record, where it allows that now."""
    action: Action = "enrol" if recipe.identity.level == "L0" else "train"
    use, name = place.use(action), consent.name or "consent"
    if not consent.record.needs_consent:
        check_consent(consent, use, trusted=place.trusted(), name=name)
        return TrainRights(subject=SubjectRecord(type=consent.record.subject))
    found, _ = choose_consent([consent], use, place, name)
    return TrainRights(subject=_subject(found), consent=found)


def _subject(consent: SignedConsent) -> SubjectRecord:
    record = consent.record
    return SubjectRecord(type=record.subject, ref=record.subject_ref, consent=consent.digest)
