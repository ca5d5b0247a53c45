"""Where records of consent lie: a folder of a show, or of the user.

NAME.12345678.consent.json     a record and its signatures; the digits are of its digest
NAME.12345678.revoke-1a2b.json a signed statement that it was taken back
NAME.request.json              the reference of somebody who was asked and has not signed yet
"""

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from facekit.errors import ConsentRefused, OutputExists, SignatureRefused, UsageError
from facekit.media.files import write_bytes, write_text
from facekit.rights.consent import SignedConsent, read_consent
from facekit.signing.keys import PublicKey, SigningKey
from facekit.signing.statements import (
    Statement,
    Subject,
    now_text,
    open_statement,
    parse_time,
    sign_statement,
)

__all__ = ["REVOKE", "ConsentStore", "DamagedRevocation", "Revocation", "consent_age"]

REVOKE: Final = "consent.revoke"
"""Kind of the statement that a consent was taken back."""

_SUFFIX: Final = ".consent.json"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")
_REF: Final = re.compile(r"subj_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A consent was taken back."""

    digest: str
    """Of the record."""
    subject_ref: str
    at: datetime
    effect: Literal["stop-new", "withdraw"]
    reason: str = ""

    def concerns(self, consent: SignedConsent) -> bool:
        """Whether it takes back this record: the very one, or an earlier one of the person."""
        if self.digest == consent.digest:
            return True
        record = consent.record
        return record.subject_ref == self.subject_ref and parse_time(record.recorded_at) <= self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedRevocation:
    """A file that may say that a consent was taken back, and does not hold."""

    digits: str
    """The first of the digest of the record, as the name of the file says them."""
    subject_ref: str
    """Of that record; empty where there is none."""
    error: SignatureRefused

    def may_concern(self, consent: SignedConsent) -> bool:
        """Whether it may take back this record: one of the same person, or nobody knows whose."""
        is_named = bool(self.digits) and consent.digest.startswith(self.digits)
        return is_named or self.subject_ref in ("", consent.record.subject_ref)


@dataclass(frozen=True, slots=True)
class ConsentStore:
    """A folder of records; it may not exist yet."""

    folder: Path

    def add(
        self,
        name: str,
        consent: SignedConsent,
        *,
        again: bool = False,
    ) -> Path:
        """Keep a record under a name.

        Args:
            name: What to call it; stays in this folder.
            consent: Signed.
            again: Whether the name may have records already, which stay.

        Raises:
            UsageError: The name cannot be that of a file.
            OutputExists: There is one of this name.
            OutputError: The folder cannot be written.
        """
        _check_name(name)
        if not again and self._files(name):
            raise OutputExists(
                f"{self._files(name)[0]}: there is a consent of this name, expected a new one; add"
                " --renew for the same person, or choose another with --as"
            )
        path = self.folder / f"{name}.{consent.digest[:8]}{_SUFFIX}"
        write_bytes(path, consent.to_bytes())
        self._request(name).unlink(missing_ok=True)
        return path

    def ask(self, name: str, subject_ref: str) -> None:
        """Remember by what reference somebody is asked, until their consent is recorded.

        Raises:
            UsageError: The name cannot be that of a file.
            OutputError: The folder cannot be written.
        """
        _check_name(name)
        write_text(self._request(name), json.dumps({"subject_ref": subject_ref}) + "\n")

    def asked(self, name: str) -> str:
        """The reference of an open request of this name; empty where there is none."""
        return _whose(self._request(name)) if _NAME.fullmatch(name) else ""

    def records(self) -> tuple[SignedConsent, ...]:
        """All records, the latest first; raises as `read_consent`."""
        found = [self._read(path) for path in self._files("*")]
        return tuple(sorted(found, key=consent_age, reverse=True))

    def find(self, reference: str) -> SignedConsent:
        """Find a record: the latest of a name or a person, one of a digest, or a file.

        Files that are not asked for are read only for the reference of a person.

        Raises:
            ConsentRefused: There is none, or it is damaged.
        """
        if reference.endswith(".json") and Path(reference).is_file():
            return self._read(Path(reference))
        of_name = self._files(reference) if _NAME.fullmatch(reference) else []
        if of_name:
            return max(map(self._read, of_name), key=consent_age)
        of_digest = self._files("*", reference[:8]) if _DIGEST.fullmatch(reference) else []
        for one in map(self._read, of_digest):
            if one.digest.startswith(reference):
                return one
        if _REF.fullmatch(reference) and (of_person := self.of_subject(reference)):
            return of_person[0]
        names = ", ".join(sorted({_name(path) for path in self._files("*")}))
        raise ConsentRefused(
            f"{reference}: no such consent in {self.folder}, expected"
            f" {f'one of {names}' if names else 'a record, and none is kept there'}; make one with"
            " facekit consent record",
            rule="exists",
        )

    def of_subject(self, subject_ref: str) -> tuple[SignedConsent, ...]:
        """The records of a person, the latest first.

        Damaged records of others are passed over.

        Raises:
            ConsentRefused: A damaged one is the person's, or may be: it is kept under the same
                name, or there is no other of the person and it does not say whose it is.
        """
        found, damaged = [], []
        for path in self._files("*"):
            try:
                one = self._read(path)
            except ConsentRefused as error:
                damaged.append((path, error))
                continue
            if one.record.subject_ref == subject_ref:
                found.append(one)
        names = {one.name for one in found}
        for path, refused in damaged:
            whose = _whose(path)
            if whose == subject_ref or not (whose or (found and _name(path) not in names)):
                raise refused
        return tuple(sorted(found, key=consent_age, reverse=True))

    def revoke(
        self,
        consent: SignedConsent,
        keys: tuple[SigningKey, ...],
        *,
        effect: Literal["stop-new", "withdraw"] | None = None,
        reason: str = "",
    ) -> tuple[Path, Revocation]:
        """Take a consent back; a signed statement is added, and nothing is removed.

        Raises:
            OutputError: The folder cannot be written.
        """
        told = {"at": now_text(), "effect": effect or consent.record.revocation.effect}
        subject = Subject(consent.record.subject_ref, consent.digest)
        statement = Statement(REVOKE, (subject,), {**told, "reason": reason})
        stem = f"{consent.name or 'consent'}.{consent.digest[:8]}.revoke-{secrets.token_hex(2)}"
        path = self.folder / f"{stem}.json"
        write_bytes(path, sign_statement(statement, keys).to_bytes())
        return path, _revocation(statement)

    def revocations(self, trusted: Iterable[PublicKey]) -> tuple[Revocation, ...]:
        """Everything that was taken back.

        Raises:
            SignatureRefused: One is damaged, or signed by nobody trusted; it is not passed over,
                for it may be real.
        """
        found, damaged = self.look_at_revocations(trusted)
        if damaged:
            raise damaged[0].error
        return found

    def look_at_revocations(
        self, trusted: Iterable[PublicKey]
    ) -> tuple[tuple[Revocation, ...], tuple[DamagedRevocation, ...]]:
        """Everything that was taken back, and what is damaged or signed by nobody trusted."""
        keys, found, damaged = tuple(trusted), [], []
        for path in sorted(self.folder.glob("*.revoke-*.json")):
            if path.name.startswith("."):
                continue
            try:
                found.append(_read_revocation(path, keys))
            except SignatureRefused as error:
                digits, ref = self._concerned(path)
                damaged.append(DamagedRevocation(digits=digits, subject_ref=ref, error=error))
        return tuple(found), tuple(damaged)

    def has(self, name: str) -> bool:
        """Whether there is a record of this name."""
        return bool(_NAME.fullmatch(name) and self._files(name))

    def _request(self, name: str) -> Path:
        return self.folder / f"{name}.request.json"

    def _concerned(self, path: Path) -> tuple[str, str]:
        """The digits of a record that the name of a revocation says, and the person of it."""
        digits = path.name.split(".")[1]
        if not _DIGEST.fullmatch(digits):
            return "", ""
        refs = {_whose(record) for record in self._files("*", digits)}
        return digits, refs.pop() if len(refs) == 1 else ""

    def _files(self, name: str, digits: str = "????????") -> list[Path]:
        found = self.folder.glob(f"{name}.{digits}{_SUFFIX}")
        return sorted(path for path in found if not path.name.startswith("."))

    def _read(self, path: Path) -> SignedConsent:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConsentRefused(
                f"{path}: cannot be read ({error.strerror}), expected a record of consent; check"
                " its permissions",
                rule="record",
            ) from error
        signed = read_consent(content, str(path))
        return replace(signed, name=_name(path))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r}: not a name for a consent, expected letters, digits, - and _; choose"
            " another with --as"
        )


def _name(path: Path) -> str:
    """What a record is kept under."""
    return path.name.partition(".")[0]


def _whose(path: Path) -> str:
    """The person that a record names, even if it is damaged; empty where it names none."""
    try:
        told = str(json.loads(path.read_bytes())["subject_ref"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return told if _REF.fullmatch(told) else ""


def consent_age(consent: SignedConsent) -> tuple[datetime, str]:
    """Sorts records by when they were made; the digest decides between those of one moment."""
    return parse_time(consent.record.recorded_at), consent.digest


def _read_revocation(path: Path, trusted: Sequence[PublicKey]) -> Revocation:
    try:
        return _revocation(open_statement(path.read_bytes(), trusted, kind=REVOKE, name=str(path)))
    except (OSError, ValueError) as error:
        raise SignatureRefused(
            f"{path}: {error}, expected a statement that a consent was taken back; get it again"
            " from where it came"
        ) from error


def _revocation(statement: Statement) -> Revocation:
    told = statement.predicate
    (subject,) = statement.subjects
    return Revocation(
        digest=subject.sha256,
        subject_ref=subject.name,
        at=parse_time(str(told.get("at", ""))).astimezone(UTC),
        effect="withdraw" if told.get("effect") == "withdraw" else "stop-new",
        reason=str(told.get("reason", "")),
    )
