"""What is told of consents that were asked for, recorded, shown, checked or taken back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facekit.rights.consent import SignedConsent
from facekit.rights.store import Revocation

__all__ = ["AllowedUse", "KeptConsent", "RevokedConsent", "ShownConsents", "WrittenRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRequest:
    """A page to sign."""

    path: Path
    subject_ref: str
    name: str = "NAME"
    """Of the character."""
    is_known: bool = False
    """Whether a consent is kept under that name, which a new one follows."""

    def describe(self) -> str:
        """Where it is, and what comes next."""
        return "\n".join(
            [
                str(self.path),
                "it is no legal advice: have it read by somebody who knows the law that applies",
                f"reference: {self.subject_ref}",
                f"next: print it, have it signed, then facekit consent record SCAN --as {self.name}"
                f" --adult{' --renew' if self.is_known else ''} with the same options; it takes"
                " this reference",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {"path": str(self.path), "subject_ref": self.subject_ref}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptConsent:
    """A record that was made."""

    path: Path
    consent: SignedConsent
    key: str
    """Name of the key that signed."""
    warnings: tuple[str, ...] = ()

    def describe(self) -> str:
        """The record and how to use it."""
        return "\n".join(
            [
                self.consent.record.describe(),
                f"signed with: {self.key}",
                f"digest: {self.consent.digest}",
                str(self.path),
                *(f"warning: {told}" for told in self.warnings),
                f"next: facekit train PHOTOS --as {self.consent.name} --consent"
                f" {self.consent.name}",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "path": str(self.path),
            "name": self.consent.name,
            "digest": self.consent.digest,
            "record": self.consent.record.to_json(),
            "key": self.key,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownConsents:
    """Records and whether they hold now."""

    folder: Path
    rows: tuple[Mapping[str, object], ...]
    records: tuple[SignedConsent, ...] = field(repr=False)
    in_full: bool = False
    damaged: tuple[str, ...] = ()
    """Revocations that do not hold, and why; whom they may concern is not shot until then."""

    def describe(self) -> str:
        """A line each; one alone in full."""
        return "\n".join([self._records(), *(f"damaged revocation: {one}" for one in self.damaged)])

    def _records(self) -> str:
        if not self.rows:
            return f"{self.folder}: no consents"
        if self.in_full:
            (row,), (consent,) = self.rows, self.records
            evidence = [f"  {key[:12]} {place}" for key, place in dict(row["places"]).items()]  # type: ignore[call-overload]
            told = [f"state: {row['state']}", f"signed by: {_list(row['signed_by'])}"]
            own = [f"name: {consent.name}", f"digest: {consent.digest}"]
            return "\n".join([*own, consent.record.describe(), *evidence, *told])
        return "\n".join(
            f"{row['name']}: {row['state']}, {row['subject_ref']}, {row['method']}, until"
            f" {row['valid_until']}, {row['digest']}"
            for row in self.rows
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "folder": str(self.folder),
            "consents": [
                {**row, "record": one.record.to_json()}
                for row, one in zip(self.rows, self.records, strict=True)
            ],
            "damaged_revocations": list(self.damaged),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedUse:
    """A use that a consent allows; others are errors with exit code 4."""

    name: str
    digest: str
    use: str
    until: str

    def describe(self) -> str:
        """In one line."""
        return f"{self.name}: allowed as {self.use} until {self.until} ({self.digest[:12]})"

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "consent": self.digest,
            "name": self.name,
            "use": self.use,
            "valid_until": self.until,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedConsent:
    """A consent that was taken back."""

    path: Path
    consent: SignedConsent
    revocation: Revocation
    not_noted: str = ""
    """Why the ledger does not tell it; empty where it does."""

    def describe(self) -> str:
        """What stops, and what is to be done."""
        record, revocation = self.consent.record, self.revocation
        days = 0 if revocation.effect == "withdraw" else record.revocation.notice_days
        stops = "at once" if not days else f"after {days} days; training and packing at once"
        lines = [
            str(self.path),
            f"all earlier consents of {record.subject_ref} are taken back; shots stop {stops}",
            "copies elsewhere learn of it when they get this file: send it to all who have the"
            " character, and revoke its presets",
        ]
        if self.not_noted:
            lines.append(f"not in the ledger: {self.not_noted}; the file alone tells it")
        if revocation.effect == "withdraw":
            name = self.consent.name or "NAME"
            lines.append(
                f"next: facekit character delete {name} --cascade --dry-run says what is to go"
            )
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "path": str(self.path),
            "consent": self.consent.digest,
            "subject_ref": self.consent.record.subject_ref,
            "effect": self.revocation.effect,
            "at": self.revocation.at.isoformat(),
            "not_noted": self.not_noted or None,
        }


def _list(names: object) -> str:
    return ", ".join(names) if isinstance(names, list) and names else "nobody trusted"
