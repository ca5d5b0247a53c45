"""Whether a character may be used: the check that training, packing and shooting share."""

import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from facekit.adapters.character_header import CharacterHeader, SubjectRecord
from facekit.errors import ConsentRefused, UsageError
from facekit.faces.vendors import vendor_facts
from facekit.presets.manifest import preset_digest, read_manifest
from facekit.presets.names import MANIFEST
from facekit.resources import datasets_dir
from facekit.rights.consent import SignedConsent
from facekit.rights.consent_parts import ANY
from facekit.rights.policy import Use
from facekit.terms import is_person
from facekit.workflows.preset_files import enclosing_bundle
from facekit.workflows.rights_choice import choose_consent, consents_of
from facekit.workflows.rights_place import RightsPlace

__all__ = [
    "Permit",
    "are_drawn_samples",
    "ask_character",
    "draws_nobody",
    "permit_all",
    "permit_character",
    "permit_each",
    "subject_of",
]

_DRAWN_BACKBONES: Final = ("toon", "tiny")


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
    allowed: tuple[str, ...] = ()
    """Uses that the consent allows."""
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
        folder = enclosing_bundle(Path(self.source))
        return "" if folder is None else preset_digest((folder / MANIFEST).read_bytes())


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
        demanded_by = place.around(source).demanded_by
        if demanded_by is not None:
            raise ConsentRefused(
                f"{source}: does not say whose face it is, expected a subject, for"
                f" {demanded_by} demands one; train {name} again with --consent",
                rule="exists",
            )
        return Permit(name=name, source=source, by="not told")
    if not is_person(told.type):
        return Permit(name=name, source=source, by="nobody depicted")
    place = place.around(source)
    candidates = consents_of(told.ref, Path(source), place)
    consent, used = choose_consent(candidates, use, place, name, now)
    _check_retained(name, Path(source), consent, now)
    return Permit(
        name=name,
        source=source,
        by="consent",
        subject_ref=told.ref,
        consent=consent.digest,
        use=used,
        allowed=consent.record.uses.allow,
        until=str(consent.record.valid_until),
    )


def permit_all(
    characters: Iterable[tuple[str, str, CharacterHeader]], use: Use, place: RightsPlace
) -> tuple[Permit, ...]:
    """Check several characters that are used together, given by name, file and header.

    Where nobody says for what, it is the first use of the first person that all others allow too.

    Raises:
        ConsentRefused: Also where there is none; otherwise all as `permit_character`.
    """
    return permit_each([ask_character(*one, place) for one in characters], use)


def ask_character(
    name: str, source: str, header: CharacterHeader, place: RightsPlace
) -> Callable[[Use], Permit]:
    """How a character is asked for a use; the arguments are those of `permit_character`."""
    return lambda use: permit_character(name, source, header, use, place)


def permit_each(asked: Sequence[Callable[[Use], Permit]], use: Use) -> tuple[Permit, ...]:
    """Ask several for one use; as `permit_all`, also of people whose characters are not here."""
    permits = tuple(ask(use) for ask in asked)
    people = [one for one in permits if one.use is not None]
    if len({one.use for one in people}) < 2:
        return permits
    words = dict.fromkeys(word for one in people for word in one.allowed)
    for word in (word for word in words if word != ANY):
        try:
            return tuple(ask(replace(use, use=word)) for ask in asked)
        except ConsentRefused as error:
            if error.rule not in ("use", "denied"):
                raise
    told = ", ".join(f"{one.name} allows {', '.join(one.allowed)}" for one in people)
    raise ConsentRefused(
        f"no use that all of them agree to ({told}), expected one for all; shoot them apart, or ask"
        " for consents that share a use",
        rule="use",
    )


def _check_retained(name: str, source: Path, consent: SignedConsent, now: datetime | None) -> None:
    """Refuse a preset that is kept too long, unless a later consent than its own allows that."""
    folder = enclosing_bundle(source)
    if folder is None:
        return
    manifest = folder / MANIFEST
    told = read_manifest(manifest.read_bytes(), str(manifest))
    today = str((now or datetime.now(UTC)).astimezone(UTC).date())
    is_over = told.rights.retain_until is not None and today > told.rights.retain_until
    if is_over and consent.digest == told.subject.consent_digest:
        raise ConsentRefused(
            f"{name}: the preset was to be kept until {told.rights.retain_until}, and today is"
            f" {today}, expected it deleted; facekit character delete --cascade does it",
            rule="retention",
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
    folder = enclosing_bundle(Path(source))
    if header.subject is not None or folder is None:
        return header.subject
    manifest = folder / MANIFEST
    told = read_manifest(manifest.read_bytes(), str(manifest)).subject
    if not is_person(told.type):
        return SubjectRecord(type=told.type)
    if not told.ref or told.consent_digest is None:
        raise ConsentRefused(
            f"{manifest}: about somebody {told.type} without a reference to a consent, expected"
            " one; get the preset again from who packed it",
            rule="exists",
        )
    return SubjectRecord(type=told.type, ref=told.ref, consent=told.consent_digest)
