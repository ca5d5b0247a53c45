"""By what right shots go on from a clip or a picture: whoever is in it is asked too."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from facekit.adapters.character_header import CharacterHeader
from facekit.errors import ConsentRefused
from facekit.rights.policy import Use
from facekit.workflows.origin import Person, people_in
from facekit.workflows.preset_files import load_any
from facekit.workflows.rights import Permit, ask_character, permit_each
from facekit.workflows.rights_choice import choose_consent, consents_of
from facekit.workflows.rights_place import RightsPlace

__all__ = ["check_again", "describe_permits", "permit_start"]


def permit_start(
    start: Path | None,
    characters: Iterable[tuple[str, str, CharacterHeader]],
    use: Use,
    place: RightsPlace,
) -> tuple[tuple[Permit, ...], tuple[Permit, ...]]:
    """Check several characters, and those in a file that they go on from, for one use.

    Args:
        start: A clip or a picture; of one that facekit did not make, nobody is known.
        characters: Those that are drawn now, by name, file and header; they are not asked twice.
        use: What is about to be done; one that all agree to is found as by `permit_all`.
        place: Where consents lie.

    Returns:
        Those of the characters, and those of each further person.

    Raises:
        ConsentRefused: Somebody has not agreed to this, or no longer; or the character is gone and
            so is the consent that the file was made under.
    """
    cast = tuple(characters)
    drawn = {source for _, source, _ in cast}
    further = [
        _ask(person, file, place)
        for file in (() if start is None else (start,))
        for person in people_in(file)
        if str(person.file) not in drawn
    ]
    permits = permit_each([*(ask_character(*one, place) for one in cast), *further], use)
    return permits[: len(cast)], permits[len(cast) :]


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


def _ask(person: Person, start: Path, place: RightsPlace) -> Callable[[Use], Permit]:
    """How somebody in a file is asked."""
    name, told = person.shown.name, person.shown.consent
    if person.file is not None:
        header = load_any(person.file, templates=False).file.header
        return ask_character(name, str(person.file), header, place)
    if told:
        return lambda use: _of_consent(name, told, start, use, place)
    demanded_by = place.around(start).demanded_by
    if demanded_by is not None:
        raise ConsentRefused(
            f"{start}: shows {name}, whose character is not here and of whom no consent is"
            f" told, and {demanded_by} demands one; begin with another file",
            rule="exists",
        )
    return lambda _: Permit(name=name, source=str(start), by="not told")


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
        allowed=consent.record.uses.allow,
        until=str(consent.record.valid_until),
    )
