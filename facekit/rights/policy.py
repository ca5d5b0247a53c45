"""Whether a consent allows a use: one rule after the other, and the first that refuses says so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from facekit.errors import ConsentRefused, UsageError
from facekit.rights.consent import ConsentRecord, SignedConsent
from facekit.rights.consent_parts import ANY, KNOWN_USES, near_use
from facekit.rights.store import Revocation
from facekit.signing.keys import PublicKey
from facekit.terms import WORLD, is_place, is_word

__all__ = ["Action", "Use", "check_consent", "check_use", "default_use"]

_UNNAMED: Final = "unnamed"
"""A use of which nobody says what it is, under a consent that names none."""

Action = Literal["train", "enrol", "pack", "shoot", "render"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What somebody is about to do.

    Raises:
        UsageError: A use, a medium or a place that no record can name; the use `any`; or nothing
            is left of the territory.
    """

    action: Action
    use: str = ""
    """Such as `narrative-fiction`; the first that the consent allows when empty."""
    project: str = ""
    territory: tuple[str, ...] = ()
    """Where the work is shown; the world when empty."""
    territory_exclude: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    """All of them when empty."""

    def __post_init__(self) -> None:
        """Refuse words that would pass a denial because they are written in another way."""
        if self.use == ANY:
            raise UsageError(
                f"use {ANY!r}: no use, for it would pass every denial, expected what it is for,"
                " such as narrative-fiction; say that, or leave it away"
            )
        for word in (*((self.use,) if self.use else ()), *self.media):
            if not is_word(word):
                raise UsageError(
                    f"{word!r}: no word for a use or a medium, expected small letters, digits and"
                    " -, such as narrative-fiction; write it so"
                )
        for place in (*self.territory, *self.territory_exclude):
            if not is_place(place):
                raise UsageError(
                    f"{place!r}: no place, expected world, a country such as DE, or a part of one"
                    " such as US-CA; write it so"
                )
        if not self.places:
            raise UsageError(
                f"territory {', '.join(self.territory)} without"
                f" {', '.join(self.territory_exclude)}: nothing is left, expected a place; leave"
                " one of them away"
            )

    @property
    def places(self) -> tuple[str, ...]:
        """Where it is shown, without the places that are excluded as a whole."""
        asked = self.territory or (WORLD,)
        return tuple(one for one in asked if not _is_in(one, self.territory_exclude))

    @property
    def is_shown(self) -> bool:
        """Whether something comes out of it that others may see."""
        return self.action in ("shoot", "render")


def check_consent(
    consent: SignedConsent | None,
    use: Use,
    *,
    trusted: Iterable[PublicKey],
    known: Iterable[PublicKey] = (),
    revocations: Iterable[Revocation] = (),
    now: datetime | None = None,
    name: str = "consent",
) -> Use:
    """Check all there is to check: whether it exists, who signed it, and whether it allows a use.

    Args:
        consent: None where there is none.
        use: What is about to be done.
        trusted: Keys whose signatures count.
        known: Keys of known people, of whom some may have no role in which they count.
        revocations: Whatever was taken back.
        now: When; the clock's when None.
        name: What messages call it.

    Returns:
        The use, with the word for it where nobody said one.

    Raises:
        ConsentRefused: Its `rule` says which rule refused.
    """
    if consent is None:
        raise ConsentRefused(
            f"{name}: no consent, expected one of the person; record it with facekit consent"
            " record",
            rule="exists",
        )
    if consent.record.needs_consent and not consent.signers(trusted):
        if here := consent.signers(known):
            named = ", ".join(one.name or one.keyid[:12] for one in here)
            raise ConsentRefused(
                f"{name}: signed by {named}, who has no role in which a signature under a consent"
                " counts here, expected one of those that [consent] roles of facekit.toml names;"
                " have somebody who holds one record it",
                rule="signature",
            )
        said = ", ".join(one.keyid[:12] for one in consent.signatures) or "nobody"
        raise ConsentRefused(
            f"{name}: signed by {said}, none of them trusted, or changed after it was signed,"
            " expected a key that counts; look at facekit consent show, and trust the key only if"
            " you know whose it is",
            rule="signature",
        )
    use = replace(use, use=use.use or default_use(consent.record))
    concerned = [one for one in revocations if one.concerns(consent)]
    check_use(consent.record, use, concerned, now, name=name)
    return use


def default_use(record: ConsentRecord) -> str:
    """What a use counts as where nobody says it: the first that is allowed, `any` left aside."""
    return next((word for word in record.uses.allow if word != ANY), _UNNAMED)


def check_use(
    record: ConsentRecord,
    use: Use,
    revocations: Iterable[Revocation] = (),
    now: datetime | None = None,
    *,
    name: str = "consent",
) -> None:
    """Compare a use with what was agreed.

    Args:
        record: Its signature is looked at elsewhere (`check_consent`).
        use: What is about to be done.
        revocations: Those of this record.
        now: When; the clock's when None.
        name: What messages call it.

    Raises:
        ConsentRefused: Its `rule` says which rule refused.
    """
    now = now or datetime.now(UTC)
    _check_dates(record, use, now, name)
    _check_revoked(record, use, revocations, now, name)
    _check_project(record, use, name)
    if use.is_shown:
        _check_uses(record, use, name)
        _check_territory(record, use, name)
        _check_media(record, use, name)
    elif use.action == "enrol" and not record.train.zero_shot:
        raise _refused(name, "train", "enrolling is not agreed to", "train.zero_shot")
    elif use.action == "train" and not record.train.adapter:
        raise _refused(name, "train", "training is not agreed to", "train.adapter")


def _check_dates(record: ConsentRecord, use: Use, now: datetime, name: str) -> None:
    today = now.astimezone(UTC).date()
    if today < record.valid_from:
        raise _refused(
            name, "dates", f"valid from {record.valid_from}, and today is {today}", "that day"
        )
    if today > record.valid_until:
        raise _refused(
            name, "dates", f"valid until {record.valid_until}, and today is {today}", "a new one"
        )
    kept = record.retention.templates_until
    if kept is not None and today > kept:
        raise ConsentRefused(
            f"{name}: the character was to be kept until {kept}, and today is {today}, expected it"
            f" deleted; use another one, and tell {record.controller}, who has to delete it",
            rule="retention",
        )
    photos = record.retention.photos_until
    if use.action in ("train", "enrol") and photos is not None and today > photos:
        raise ConsentRefused(
            f"{name}: the photos were to be kept until {photos}, and today is {today}, expected"
            " them deleted; delete them, or ask the person for a consent that lets you keep them",
            rule="retention",
        )


def _check_revoked(
    record: ConsentRecord, use: Use, revocations: Iterable[Revocation], now: datetime, name: str
) -> None:
    for one in revocations:
        grace = timedelta(days=record.revocation.notice_days)
        if one.effect == "withdraw" or not use.is_shown or now >= one.at + grace:
            step = (
                f"use another character, for {record.controller} decides what becomes of this one"
                if one.effect == "withdraw"
                else "ask again"
            )
            raise ConsentRefused(
                f"{name}: taken back at {one.at:%Y-%m-%d %H:%M} UTC ({one.effect}), expected a"
                f" consent that holds; {step}",
                rule="revoked",
            )


def _check_project(record: ConsentRecord, use: Use, name: str) -> None:
    if "other-productions" in record.uses.deny and use.project != record.project:
        raise _refused(
            name,
            "project",
            f"given for {_project(record.project)}, and this is {_project(use.project)}",
            "a consent for this one",
        )


def _check_uses(record: ConsentRecord, use: Use, name: str) -> None:
    allowed = record.uses.allow
    denied = record.uses.deny
    if use.use in denied:
        raise _refused(name, "denied", f"the use {use.use!r} is denied", "another use")
    if ANY not in allowed and use.use not in allowed:
        meant = _meant(use.use, (*allowed, *denied, *KNOWN_USES))
        raise _refused(
            name,
            "use",
            f"the use {use.use!r} is not agreed to{meant}",
            f"one of {', '.join(allowed)}",
        )
    if use.use not in allowed and (meant := _meant(use.use, denied)):
        # Of somebody who allows anything else, a slip of the pen would pass what is denied.
        raise _refused(
            name,
            "use",
            f"the use {use.use!r} is written almost as one that is denied{meant}",
            "another word, or that one",
        )


def _meant(word: str, others: Sequence[str]) -> str:
    near = near_use(word, others)
    return f" (did you mean {near}?)" if near else ""


def _check_territory(record: ConsentRecord, use: Use, name: str) -> None:
    beyond = sorted({one for place in use.places for one in _beyond(record, place, use)})
    if beyond:
        agreed_text = ", ".join(record.territory)
        if record.territory_exclude:
            agreed_text += f" without {', '.join(record.territory_exclude)}"
        raise _refused(name, "territory", f"shown in {', '.join(beyond)}", agreed_text)


def _beyond(record: ConsentRecord, place: str, use: Use) -> list[str]:
    """What of a place is not agreed to."""
    if not _is_in(place, record.territory) or _is_in(place, record.territory_exclude):
        return [place]
    parts = [one for one in record.territory_exclude if _is_in(one, (place,))]
    return [one for one in parts if not _is_in(one, use.territory_exclude)]


def _check_media(record: ConsentRecord, use: Use, name: str) -> None:
    if ANY in record.media:
        return
    beyond = sorted(set(use.media) - set(record.media)) or ([] if use.media else ["all media"])
    if beyond:
        raise _refused(name, "media", f"shown in {', '.join(beyond)}", ", ".join(record.media))


def _is_in(place: str, others: Sequence[str]) -> bool:
    """Whether a place is one of others, or a part of one."""
    return bool({place, place.partition("-")[0], WORLD} & set(others))


def _project(project: str) -> str:
    return project or "work outside of any project"


def _refused(name: str, rule: str, got: str, expected: str) -> ConsentRefused:
    return ConsentRefused(
        f"{name}: {got}, expected {expected}; ask the person for a consent that covers it, and"
        " record that",
        rule=rule,
    )
