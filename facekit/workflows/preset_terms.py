"""What whoever packs a preset says of it, checked before anything is drawn."""

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from facekit.adapters.character import Character
from facekit.errors import ConsentRefused, UsageError
from facekit.presets.bundle import open_bundle
from facekit.presets.manifest import CONSENT, Lineage, Rights, Subject
from facekit.presets.names import is_preset_id, is_version
from facekit.rights.consent import SignedConsent
from facekit.rights.consent import read_consent as read_record
from facekit.rights.policy import check_consent
from facekit.signing.statements import parse_time
from facekit.terms import SubjectType, is_person
from facekit.workflows.doctor_findings import Finding
from facekit.workflows.licences import licence_finding
from facekit.workflows.rights import subject_of
from facekit.workflows.rights_choice import choose_consent, choose_given, consents_of
from facekit.workflows.rights_place import RightsPlace, find_rights

__all__ = [
    "check_names",
    "created_text",
    "lineage_of",
    "part_licences",
    "read_consent",
    "retained_until",
]

_SPDX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,99}")


def check_names(name: str, version: str, licence: str) -> None:
    """Refuse names that no registry could keep.

    Raises:
        UsageError: The id, the version or the licence is of another form.
    """
    if not is_preset_id(name):
        raise UsageError(
            f"--id {name}: expected a dotted name in small letters, a slash and a name, such as"
            " org.studio.show/mira; correct it"
        )
    if not is_version(version):
        raise UsageError(
            f"--version {version}: expected a semantic version such as 1.0.0; correct it"
        )
    if not _SPDX.fullmatch(licence):
        raise UsageError(
            f"--license {licence}: expected the SPDX name of a licence, or LicenseRef- and a name;"
            " correct it, and give the terms in full with --terms"
        )


def read_consent(
    consent: Path | Mapping[str, Any] | None, subject: SubjectType | None, character: Character
) -> tuple[bytes | None, Subject]:
    """Find the record of consent that allows packing, and say whose face it is.

    Args:
        consent: A file, what is in it, or what a record is kept under here. None is the record
            that the character was trained under, or a later one of the same person.
        subject: As whoever packs it says; None is what the consent or the character says.
        character: What is packed.

    Returns:
        Content of the record, and the subject for the manifest.

    Raises:
        ConsentRefused: Nobody says whose face it is; there is no consent of a real person; or it
            does not allow packing, now or at all.
    """
    header, place = character.file.header, find_rights().around(character.source)
    told = subject_of(header, character.source)
    given = _given(consent, place)
    about: SubjectType | None = given.record.subject if given else told.type if told else subject
    if about is None:
        raise ConsentRefused(
            "nobody says whose face it is, expected --subject synthetic for a drawn or invented"
            " one, or --consent with the record of a real person; say which",
            rule="exists",
        )
    if subject not in (None, about):
        raise ConsentRefused(
            f"--subject {subject}: {'the record of consent' if given else 'the character'} is about"
            f" somebody {about}, expected the same; leave --subject away, or name the record of"
            " this character",
            rule="subject",
        )
    is_other = given and told and told.ref and told.ref != given.record.subject_ref
    if given and told and (is_other or told.type != about):
        raise ConsentRefused(
            f"consent: about somebody {about}, {given.record.subject_ref}, expected {told.type}"
            f" {told.ref}, whom {header.name} was made of; name the record of this character",
            rule="subject",
        )
    use = place.use("pack")
    if not is_person(about):
        if given is None:
            return None, Subject(type=about)
        check_consent(given, use, trusted=place.trusted(), name="consent")
    elif given is None and told is None:
        raise ConsentRefused(
            f"--subject {about}: no consent, expected the record of the person; name it with"
            " --consent",
            rule="exists",
        )
    elif given is not None:
        exact = str(consent) not in (given.name, given.record.subject_ref)
        given, _ = choose_given(given, use, place, header.name, exact=exact)
    else:
        ref = told.ref if told else ""
        known = consents_of(ref, Path(character.source), place)
        given, _ = choose_consent(known, use, place, header.name)
    return given.to_bytes(), Subject(
        type=about,
        ref=given.record.subject_ref,
        consent=CONSENT,
        consent_digest=given.digest,
    )


def _given(consent: Path | Mapping[str, Any] | None, place: RightsPlace) -> SignedConsent | None:
    if isinstance(consent, Path):
        if not consent.is_file():
            return place.store.find(str(consent))
        return read_record(consent.read_bytes(), str(consent))
    return None if consent is None else read_record(consent, "consent")


def retained_until(consent: bytes | None) -> str | None:
    """Until when a consent lets templates be kept; None where none says.

    Args:
        consent: What `read_consent` gave.
    """
    if consent is None:
        return None
    retention = json.loads(consent).get("retention")
    said = retention.get("templates_until") if isinstance(retention, dict) else None
    return None if said is None else str(said)


_INSTEAD: Final = {
    "base": "train on a backbone that allows it",
    "encoder": "train with a face encoder that allows it, such as opencv",
    "adapter": "give the adapter terms that allow it, with --license or --allows-commercial-use",
}


def part_licences(
    parts: Mapping[str, Any],
    rights: Rights,
    *,
    commercial: bool,
    instead: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """Tell the licence of every part; the doctor tells those of a recipe in the same words.

    Args:
        parts: Base and encoder.
        rights: Of the adapter.
        commercial: Whether a licence that does not allow commercial use is a fault.
        instead: What to do then; what whoever packs can do when None.
    """
    instead = instead or _INSTEAD
    return tuple(
        licence_finding(
            name,
            one.license,
            allowed=one.commercial,
            commercial=commercial,
            instead=instead[name],
        )
        for name, one in {**parts, "adapter": rights}.items()
        if one is not None
    )


def lineage_of(follows: Path | None) -> Lineage:
    """Say which preset a new one follows.

    Raises:
        BundleDamaged: That one is not whole.
    """
    if follows is None:
        return Lineage()
    bundle = open_bundle(follows)
    return Lineage(parent=bundle.digest, supersedes=bundle.manifest.version)


def created_text(text: str | None) -> str | None:
    """Write the time that is told, or that `SOURCE_DATE_EPOCH` holds, in UTC; None without any.

    Raises:
        UsageError: It is no time.
    """
    said = text or os.environ.get("SOURCE_DATE_EPOCH")
    if said is None:
        return None
    try:
        moment = datetime.fromtimestamp(int(said), UTC) if text is None else parse_time(said)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"created {said!r}: no time, expected one such as 2026-11-21T20:15:00Z; correct it"
        ) from error
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
