"""What is said on the command line of a consent, looked at before anything is signed."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from facekit.errors import PolicyRefused, UsageError
from facekit.rights.consent import LONGEST_DAYS, ConsentRecord
from facekit.rights.consent_parts import ALWAYS_DENIED, ANY, KNOWN_USES, near_use
from facekit.signing.keys import SigningKey
from facekit.terms import SPELLINGS, is_person, is_place, is_word
from facekit.workflows.rights_place import RightsPlace

__all__ = ["check_said", "check_signer", "consent_warnings"]

_REF: Final = re.compile(r"subj_[0-9a-f]{32}")
_WORD_SPELLING, _PLACE_SPELLING = dict.fromkeys(SPELLINGS.values())


def check_said(content: Mapping[str, Any], *, whole: bool = True) -> None:
    """Refuse what no record can hold, in words of the options.

    Args:
        content: Of the record.
        whole: Whether nothing may be missing; blanks of a request are filled in by hand.

    Raises:
        UsageError: An option contradicts another, is misspelled, or is missing.
    """
    _check_words(content)
    _check_days(content)
    ref = str(content["subject_ref"])
    if not _REF.fullmatch(ref):
        raise UsageError(
            f"--subject-ref {ref}: no reference of a person, expected subj_ and 32 digits; copy it"
            " from facekit consent show, or leave it away for somebody new"
        )
    if whole:
        _check_missing(content)
        _check_proof(content)


def check_signer(signer: SigningKey, subject: str, place: RightsPlace) -> None:
    """Refuse a key whose signature under a consent would not count, before anything is written.

    Args:
        signer: Who is about to sign.
        subject: Whose face it is; where nobody is depicted, nobody needs to sign.
        place: Where the record will lie.

    Raises:
        PolicyRefused: The show names roles, and the key belongs to nobody who holds one.
    """
    if not is_person(subject) or not place.told.roles:
        return
    key = signer.public
    if any(one.keyid == key.keyid for one in place.trusted()):
        return
    roles = ", ".join(place.told.roles)
    named = [
        name
        for name, person in place.show.people.items()
        if {one.keyid for one in place.trusted()} & {one.keyid for one in person.all_keys()}
    ]
    who = ", ".join(named) or f"somebody with the role {roles}, of whom there is none yet"
    raise PolicyRefused(
        f"{key.name or key.keyid[:12]}: holds none of the roles whose signature under a consent"
        f" counts in {place.show_file} ({roles}), expected {who}; have it recorded there, or sign"
        " with --key NAME"
    )


def consent_warnings(record: ConsentRecord, today: date | None = None) -> tuple[str, ...]:
    """What is to be known of a record that was just made."""
    today = today or datetime.now(UTC).date()
    told = []
    if record.valid_until < today:
        told.append(f"it was over on {record.valid_until}, so it allows nothing")
    elif record.valid_from > today:
        told.append(f"it allows nothing before {record.valid_from}")
    for flag, words in (("--allow", record.uses.allow), ("--deny", record.uses.deny)):
        for word in words:
            if near := near_use(word, KNOWN_USES):
                told.append(f"{flag} {word}: did you mean {near}? It is another word")
    return tuple(told)


def _check_words(content: Mapping[str, Any]) -> None:
    uses = content["uses"]
    for flag, words, fits, expected in (
        ("--allow", uses["allow"], is_word, _WORD_SPELLING),
        ("--deny", uses["deny"], is_word, _WORD_SPELLING),
        ("--media", content["media"], is_word, _WORD_SPELLING),
        ("--territory", content["territory"], is_place, _PLACE_SPELLING),
        ("--exclude", content["territory_exclude"], is_place, _PLACE_SPELLING),
    ):
        for word in words:
            if not fits(word):
                raise UsageError(f"{flag} {word}: expected {expected}; write it so")
    for word in uses["allow"]:
        if word in ALWAYS_DENIED:
            raise UsageError(
                f"--allow {word}: nobody can agree to it, for it is done to others; leave it away"
            )
        if word in uses["deny"] and word != ANY:
            raise UsageError(f"{word}: both allowed and denied, expected one of them; correct it")


def _check_days(content: Mapping[str, Any]) -> None:
    begin = date.fromisoformat(content["valid_from"])
    until = date.fromisoformat(content["valid_until"])
    if until < begin:
        raise UsageError(
            f"--until {until}: before the first day, {begin}, expected a later one; correct it"
        )
    longest = begin + timedelta(days=LONGEST_DAYS)
    if until > longest:
        raise UsageError(
            f"--until {until}: more than ten years after {begin}, expected {longest} at the"
            " latest; name an earlier day, and ask again then"
        )


def _check_missing(content: Mapping[str, Any]) -> None:
    for flag, value, such in (
        ("--controller", content["controller"], "who keeps it, such as 'Studio GmbH'"),
        ("--purpose", content["purpose"], "such as 'the film The Letter'"),
        ("--allow", content["uses"]["allow"], "such as narrative-fiction"),
        ("--contact", content["revocation"]["contact"], "whom to tell to take it back"),
    ):
        if not value:
            raise UsageError(f"{flag} is missing, expected it, {such}; add it")


def _check_proof(content: Mapping[str, Any]) -> None:
    method, subject = content["method"], content["subject"]
    proven = bool(content["evidence"])
    if is_person(subject) == (method == "not-required"):
        raise UsageError(
            f"--method {method} of a subject that is {subject}, expected not-required where nobody"
            " is depicted (--subject synthetic or non-human) and nowhere else; correct one of them"
        )
    if method == "not-required" and not content["reason"]:
        raise UsageError("--method not-required without --reason, expected why; add it")
    if method in ("signed-form", "video-statement") and not proven:
        raise UsageError(
            f"--method {method}: no file that proves it, expected a scan or a recording, as in"
            " facekit consent record SCAN.pdf; name it, or refer to an agreement with --method"
            " agreement-ref --reason TEXT"
        )
    if method == "agreement-ref" and not (proven or content["reason"]):
        raise UsageError(
            "--method agreement-ref: neither a file nor --reason, expected where it is agreed; add"
            " one of them"
        )
    paid = content["compensation"]
    if paid["unit"] == "ref" and not paid["ref"]:
        raise UsageError(
            "--compensation ref without --compensation-ref, expected where it is agreed; add it"
        )
