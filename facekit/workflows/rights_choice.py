"""Which record of consent decides: of each project, the latest one of the person."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from facekit.errors import ConsentRefused
from facekit.presets.manifest import CONSENT
from facekit.rights.consent import SignedConsent, read_consent
from facekit.rights.policy import Use, check_consent
from facekit.rights.store import consent_age
from facekit.workflows.preset_files import enclosing_bundle
from facekit.workflows.rights_place import RightsPlace

__all__ = ["CONSENT_FILE", "choose_consent", "choose_given", "consents_of"]

CONSENT_FILE: Final = "consent.json"
"""A copy of the record that a character was trained under, beside its file."""


def choose_consent(
    candidates: Sequence[SignedConsent],
    use: Use,
    place: RightsPlace,
    name: str,
    now: datetime | None = None,
) -> tuple[SignedConsent, Use]:
    """Find the record that allows a use: of each project, the latest one alone counts.

    Raises:
        ConsentRefused: None does; the reason of the one for this project, or of the latest.
    """
    latest: dict[str, SignedConsent] = {}
    trusted, revocations = place.trusted(), place.revocations(candidates)
    for one in sorted(candidates, key=consent_age, reverse=True):
        # One that nobody trusted signed does not take the place of another.
        if one.signers(trusted):
            latest.setdefault(one.record.project, one)
    unsigned = [one for one in candidates if not one.signers(trusted)]
    own = use.project
    order = sorted(latest.values(), key=lambda one: one.record.project != own)
    refused: ConsentRefused | None = None
    for one in order or unsigned:
        try:
            used = check_consent(
                one,
                use,
                trusted=trusted,
                known=place.known(),
                revocations=revocations,
                now=now,
                name=name,
            )
            return one, used
        except ConsentRefused as error:
            refused = refused or error
    if refused is None:
        raise ConsentRefused(
            f"{name}: no consent of the person in {place.store.folder}, expected the record that it"
            " was trained under or a later one; ask whoever made the character for it, and put it"
            " there",
            rule="exists",
        )
    raise refused


def choose_given(
    given: SignedConsent,
    use: Use,
    place: RightsPlace,
    name: str,
    *,
    exact: bool,
    now: datetime | None = None,
) -> tuple[SignedConsent, Use]:
    """Find the record that allows a use where somebody names one.

    Args:
        given: The record that was named; of a person.
        use: What is about to be done.
        place: Where the other records of the person lie.
        name: For messages.
        exact: Whether that very record was named, by its digest or its file; else its person was.
        now: When; the clock's when None.

    Raises:
        ConsentRefused: None allows it; or that very record was named, and nobody trusted has signed
            it, or a later one of its project has taken its place.
    """
    trusted = place.trusted()
    if exact and not given.signers(trusted):
        check_consent(given, use, trusted=trusted, known=place.known(), now=now, name=name)
    known = {one.digest: one for one in (*place.records_of(given.record.subject_ref), given)}
    later = [
        one
        for one in known.values()
        if one.record.project == given.record.project
        and one.signers(trusted)
        and consent_age(one) > consent_age(given)
    ]
    if exact and later:
        last = max(later, key=consent_age)
        raise ConsentRefused(
            f"{name}: the consent {given.digest[:12]} of {given.record.recorded_at}, expected the"
            f" latest of the person for this project, {last.digest[:12]} of"
            f" {last.record.recorded_at}, which has taken its place; name that one",
            rule="latest",
        )
    return choose_consent(list(known.values()), use, place, name, now)


def consents_of(ref: str, source: Path, place: RightsPlace) -> list[SignedConsent]:
    """The records of a person here, and those that came with the character."""
    found, preset = list(place.records_of(ref)), enclosing_bundle(source)
    for beside in (source.parent / CONSENT_FILE, preset and preset / CONSENT):
        if beside is not None and beside.is_file():
            found.append(read_consent(beside.read_bytes(), str(beside)))
    fitting = [one for one in found if one.record.subject_ref == ref and one.record.needs_consent]
    return list({one.digest: one for one in fitting}.values())
