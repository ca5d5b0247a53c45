"""By what right a character is trained, decided before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facekit.adapters.character_header import SubjectRecord
from facekit.errors import ConsentRefused, UsageError
from facekit.media.files import write_bytes
from facekit.recipe import Recipe
from facekit.rights.consent import SignedConsent
from facekit.rights.ledger import LedgerLine
from facekit.rights.policy import Action, check_consent
from facekit.weights import file_digest
from facekit.workflows.consent_terms import keep_own
from facekit.workflows.rights import are_drawn_samples, draws_nobody
from facekit.workflows.rights_choice import CONSENT_FILE, choose_given
from facekit.workflows.rights_place import RightsPlace, find_rights

__all__ = ["TrainRights", "check_still", "note_training", "plan_rights", "settle_rights"]


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
    place: RightsPlace | None = None
    """Where the person's records and revocations lie; None where nobody is asked."""

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
        if Path(consent).is_file():
            place = place.around(consent)
        found = place.store.find(consent)
        exact = consent not in (found.name, found.record.subject_ref)
        return _under(found, recipe, place, exact=exact)
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
    place = find_rights()
    _, signed = keep_own(rights.by_name, place)
    return TrainRights(subject=_subject(signed), consent=signed, place=place)


def check_still(rights: TrainRights, recipe: Recipe, folder: Path) -> None:
    """Refuse a character whose consent was taken back, or has ended, while it was trained.

    A later record of the person counts as well, such as a renewed one.

    Args:
        rights: As the run began.
        recipe: Of the run.
        folder: Of the run; it holds what was made of the photos.

    Raises:
        ConsentRefused: It was.
    """
    if rights.consent is None or not rights.consent.record.needs_consent:
        return
    try:
        _under(rights.consent, recipe, rights.place or find_rights(), exact=False)
    except ConsentRefused as error:
        raise ConsentRefused(
            f"{_said(error)}; no character is written, and {folder} holds what was"
            " made of the photos: remove it",
            rule=error.rule,
        ) from error


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
    try:
        return _under(earlier, recipe, place, exact=False)
    except ConsentRefused as error:
        if error.rule != "dates":
            raise
        raise ConsentRefused(
            f"{_said(error)}; agree anew with facekit consent record --as {name}"
            " --i-am-the-subject --renew",
            rule="dates",
        ) from error


def _under(
    consent: SignedConsent, recipe: Recipe, place: RightsPlace, *, exact: bool
) -> TrainRights:
    """Train under a record, where it allows that now."""
    action: Action = "enrol" if recipe.identity.level == "L0" else "train"
    use, name = place.use(action), consent.name or "consent"
    if not consent.record.needs_consent:
        check_consent(consent, use, trusted=place.trusted(), name=name)
        return TrainRights(subject=SubjectRecord(type=consent.record.subject))
    found, _ = choose_given(consent, use, place, name, exact=exact)
    return TrainRights(subject=_subject(found), consent=found, place=place)


def _said(error: ConsentRefused) -> str:
    """What an error says without its next step and its rule, which the next one says again."""
    return str(error).partition(";")[0].partition(" (rule:")[0]


def _subject(consent: SignedConsent) -> SubjectRecord:
    record = consent.record
    return SubjectRecord(type=record.subject, ref=record.subject_ref, consent=consent.digest)
