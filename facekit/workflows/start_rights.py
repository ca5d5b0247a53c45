"""By what right shots go on from a clip or a picture: whoever is in it is asked too."""

from collections.abc import Sequence
from pathlib import Path

from facekit.errors import ConsentRefused
from facekit.rights.policy import Use
from facekit.workflows.origin import people_in
from facekit.workflows.preset_files import load_any
from facekit.workflows.rights import Permit, permit_character
from facekit.workflows.rights_choice import choose_consent, consents_of
from facekit.workflows.rights_place import RightsPlace

__all__ = ["check_again", "describe_permits", "permit_start"]


def permit_start(
    start: Path, permits: Sequence[Permit], use: Use, place: RightsPlace
) -> tuple[Permit, ...]:
    """Check whether those in a file may be shown by what goes on from it.

    Args:
        start: A clip or a picture; of one that facekit did not make, nobody is known.
        permits: Of the characters that are drawn now, who are not asked twice.
        use: What is about to be done.
        place: Where consents lie.

    Returns:
        One of each further person.

    Raises:
        ConsentRefused: Somebody has not agreed to this, or no longer; or the character is gone and
            so is the consent that the file was made under.
    """
    asked = {one.source for one in permits}
    use = next((one.use for one in permits if one.use is not None), use)
    found = []
    for person in people_in(start):
        name, told = person.shown.name, person.shown.consent
        if person.file is not None:
            if str(person.file) not in asked:
                header = load_any(person.file).file.header
                found.append(permit_character(name, person.file, header, use, place))
        elif told:
            found.append(_of_consent(name, told, start, use, place))
        elif place.told.required:
            raise ConsentRefused(
                f"{start}: shows {name}, whose character is not here and of whom no consent is"
                f" told, and {place.show_file} demands one; begin with another file",
                rule="exists",
            )
        else:
            found.append(Permit(name=name, source=str(start), by="not told"))
    return tuple(found)


def check_again(permits: Sequence[Permit], place: RightsPlace) -> None:
    """Refuse what was taken back, or has ended, since the work began.

    Raises:
        ConsentRefused: A person agrees no longer.
        SignatureRefused: A revocation is damaged, or signed by nobody known.
        LedgerDamaged: The ledger does not hold.
    """
    for one in permits:
        if one.use is not None:
            near = place.around(one.source)
            candidates = consents_of(one.subject_ref, Path(one.source), near)
            choose_consent(candidates, one.use, near, one.name)


def describe_permits(permits: Sequence[Permit]) -> list[str]:
    """The rights in words, those where somebody is depicted."""
    return [right for one in permits if (right := one.describe())]


def _of_consent(name: str, digest: str, start: Path, use: Use, place: RightsPlace) -> Permit:
    """The right of a person whose character is not here, by the record the file was made under."""
    record, place = place.store.find(digest).record, place.around(start)
    consent, used = choose_consent(consents_of(record.subject_ref, start, place), use, place, name)
    return Permit(
        name=name,
        source=str(start),
        by="consent",
        subject_ref=record.subject_ref,
        consent=consent.digest,
        use=used,
        until=str(consent.record.valid_until),
    )
