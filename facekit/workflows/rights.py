"""Whether a character may be used: the check that training, packing and shooting share."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from facekit.adapters.character_header import CharacterHeader, SubjectRecord
from facekit.errors import ConsentRefused, UsageError
from facekit.faces.vendors import vendor_facts
from facekit.presets.manifest import preset_digest, read_manifest
from facekit.presets.names import MANIFEST
from facekit.resources import datasets_dir
from facekit.rights.consent import SignedConsent, read_consent
from facekit.rights.policy import Use, check_consent
from facekit.signing.statements import parse_time
from facekit.workflows.rights_place import RightsPlace

__all__ = [
    "CONSENT_FILE",
    "Permit",
    "are_drawn_samples",
    "choose_consent",
    "consents_of",
    "draws_nobody",
    "permit_all",
    "permit_character",
    "subject_of",
]

CONSENT_FILE: Final = "consent.json"
"""A copy of the record that a character was trained under, beside its file."""

_IN_PRESET: Final = Path("rights", CONSENT_FILE)
_DRAWN_BACKBONES: Final = ("toon", "tiny")
_PEOPLE: Final = ("real", "fictional-performed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """A character may be used, and by what right."""

    name: str
    source: str
    """Its file."""
    by: Literal["consent", "nobody depicted", "not told"]
    subject_ref: str = ""
    consent: str = ""
    """sha256 of the record."""
    use: Use | None = None
    until: str = ""
    """Last day of the consent."""

    def describe(self) -> str:
        """The right in words, for plans; empty where nobody is depicted."""
        if self.by == "nobody depicted":
            return ""
        if self.by == "not told" or self.use is None:
            return f"{self.name}: nobody says whose face it is"
        return (
            f"{self.name}: consent {self.consent[:12]} until {self.until},"
            f" as {self.use.use or self.use.action}"
        )

    @property
    def warning(self) -> str:
        """What is to be known before the work; empty where all is well."""
        if self.by != "not told":
            return ""
        return (
            f"{self.name}: its file does not say whose face it is, so no consent is looked at;"
            " train it again to have it said, or refuse such files with required = true in"
            " [consent] of facekit.toml"
        )

    @property
    def preset(self) -> str:
        """Digest of the preset that the file lies in; empty where it lies in none."""
        manifest = Path(self.source).parent.parent / MANIFEST
        return preset_digest(manifest.read_bytes()) if manifest.is_file() else ""


def are_drawn_samples(paths: Iterable[Path | str]) -> bool:
    """Whether all photos lie in folders of which a dataset card says that they show nobody."""
    drawn = set()
    for card in sorted((datasets_dir() / "cards").glob("*.toml")):
        told = tomllib.loads(card.read_text(encoding="utf-8"))
        if told["contains_people"] is False and told["contains_biometrics"] is False:
            drawn |= {
                (datasets_dir() / one["folder"]).resolve() for one in told["samples"].values()
            }
    folders = {Path(path).resolve() for path in paths}
    return bool(folders) and all(
        folder in drawn or bool(drawn & set(folder.parents)) for folder in folders
    )


def draws_nobody(backbone: str, encoder: str) -> bool:
    """Whether a backbone and a face encoder know drawings alone, so that nobody is depicted.

    Args:
        backbone: Its name.
        encoder: Name of the one that trains, also with ``@`` and a digest.
    """
    try:
        made_for = vendor_facts(encoder.partition("@")[0]).made_for
    except UsageError:  # of a recipe or a machine that is not here
        made_for = None
    return backbone in _DRAWN_BACKBONES and made_for != "photograph"


def permit_character(
    name: str,
    source: Path | str,
    header: CharacterHeader,
    use: Use,
    place: RightsPlace,
    *,
    now: datetime | None = None,
) -> Permit:
    """Check whether a character may be used in this way.

    Args:
        name: For messages.
        source: Its file.
        header: Of the file.
        use: What is about to be done.
        place: Where consents lie.
        now: When; the clock's when None.

    Raises:
        ConsentRefused: It may not; its `rule` says why.
        SignatureRefused: A revocation is damaged, or signed by nobody known.
        LedgerDamaged: The ledger does not hold.
    """
    told, source = subject_of(header, source), str(source)
    if told is None and draws_nobody(header.backbone, header.encoder):
        return Permit(name=name, source=source, by="nobody depicted")
    if told is None:
        if place.told.required:
            raise ConsentRefused(
                f"{source}: does not say whose face it is, expected a subject, for"
                f" {place.show_file} demands one; train {name} again with --consent",
                rule="exists",
            )
        return Permit(name=name, source=source, by="not told")
    if told.type not in _PEOPLE:
        return Permit(name=name, source=source, by="nobody depicted")
    found = choose_consent(consents_of(told.ref, Path(source), place), use, place, name, now)
    consent, used = found
    return Permit(
        name=name,
        source=source,
        by="consent",
        subject_ref=told.ref,
        consent=consent.digest,
        use=used,
        until=str(consent.record.valid_until),
    )


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
    trusted, revocations = place.trusted(), place.revocations()
    for one in sorted(candidates, key=lambda one: parse_time(one.record.recorded_at), reverse=True):
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
                one, use, trusted=trusted, revocations=revocations, now=now, name=name
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


def permit_all(
    characters: Iterable[tuple[str, str, CharacterHeader]], use: Use, place: RightsPlace
) -> tuple[Permit, ...]:
    """Check several characters, given by name, file and header; raises as `permit_character`."""
    return tuple(
        permit_character(name, source, header, use, place) for name, source, header in characters
    )


def subject_of(header: CharacterHeader, source: Path | str) -> SubjectRecord | None:
    """Whose face it is: as its file says, else as the preset says that it lies in.

    Args:
        header: Of the character's file.
        source: The file.

    Raises:
        BundleDamaged: The preset's manifest cannot be read.
        ConsentRefused: The preset is of a person and names no consent.
    """
    manifest = Path(source).parent.parent / MANIFEST
    if header.subject is not None or not manifest.is_file():
        return header.subject
    told = read_manifest(manifest.read_bytes(), str(manifest)).subject
    if told.type not in _PEOPLE:
        return SubjectRecord(type=told.type)
    if not told.ref or told.consent_digest is None:
        raise ConsentRefused(
            f"{manifest}: about somebody {told.type} without a reference to a consent, expected"
            " one; get the preset again from who packed it",
            rule="exists",
        )
    return SubjectRecord(type=told.type, ref=told.ref, consent=told.consent_digest)


def consents_of(ref: str, source: Path, place: RightsPlace) -> list[SignedConsent]:
    """The records of a person here, and those that came with the character."""
    found = list(place.store.of_subject(ref))
    for beside in (source.parent / CONSENT_FILE, source.parent.parent / _IN_PRESET):
        if beside.is_file():
            found.append(read_consent(beside.read_bytes(), str(beside)))
    fitting = [one for one in found if one.record.subject_ref == ref and one.record.needs_consent]
    return list({one.digest: one for one in fitting}.values())
