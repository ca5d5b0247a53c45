"""By what right a preset is handed on, and whether its consent was taken back."""

from facekit.errors import ConsentRefused, FacekitError, LedgerDamaged
from facekit.presets.bundle import Bundle
from facekit.presets.manifest import CONSENT
from facekit.rights.consent import SignedConsent, read_consent
from facekit.terms import is_person
from facekit.workflows.rights_choice import choose_consent
from facekit.workflows.rights_place import RightsPlace, find_rights

__all__ = ["check_handing_on", "refuse_taken_back", "taken_back"]


def check_handing_on(bundle: Bundle) -> None:
    """Refuse to write a preset for others where its person has not agreed to that, or no longer.

    It is checked as packing is: for the show around the working folder.

    Raises:
        ConsentRefused: The consent does not hold, or there is none.
        SignatureRefused: A revocation is damaged, or signed by nobody known.
        LedgerDamaged: The ledger does not hold.
    """
    if is_person(bundle.manifest.subject.type):
        place = find_rights().around(bundle.source)
        choose_consent(
            _records(bundle, place), place.use("pack"), place, bundle.manifest.adapter.name
        )


def taken_back(bundle: Bundle) -> str:
    """When and how the consent of the person of a preset was taken back, as far as is known here.

    Empty where nobody is depicted, where no revocation is known, and where a later consent of the
    person is kept here. A damaged ledger tells nothing.
    """
    if not is_person(bundle.manifest.subject.type):
        return ""
    place = find_rights().around(bundle.source)
    try:
        records = _records(bundle, place)
        revocations = place.revocations(records)
    except LedgerDamaged:
        return ""
    except FacekitError as error:
        return f"perhaps, for what would tell cannot be read: {str(error).rpartition(';')[0]}"
    found = [[back for back in revocations if back.concerns(one)] for one in records]
    if not found or not all(found):
        return ""
    last = max((back for each in found for back in each), key=lambda back: back.at)
    return f"{last.at:%Y-%m-%d %H:%M} UTC ({last.effect})"


def refuse_taken_back(bundle: Bundle) -> None:
    """Refuse a preset whose consent was taken back.

    Raises:
        ConsentRefused: It was.
    """
    if told := taken_back(bundle):
        raise ConsentRefused(
            f"{bundle.source}: whole, but the consent was taken back {told}, expected one that"
            " holds; use another preset",
            rule="revoked",
        )


def _records(bundle: Bundle, place: RightsPlace) -> list[SignedConsent]:
    told = bundle.manifest.subject
    found = list(place.records_of(told.ref or ""))
    if any(file.path == CONSENT for file in bundle.manifest.files):
        found.append(read_consent(bundle.read(CONSENT), f"{bundle.source}: {CONSENT}"))
    return list({one.digest: one for one in found if one.record.needs_consent}.values())
