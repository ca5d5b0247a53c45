"""Whether a consent allows a use: one rule after the other, and the first that refuses says so."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from facekit.errors import ConsentRefused
from facekit.rights.consent import ANY, WORLD, ConsentRecord, SignedConsent
from facekit.rights.store import Revocation
from facekit.signing.keys import PublicKey

__all__ = ["Action", "Use", "check_consent", "check_use", "default_use"]

Action = Literal["train", "enrol", "pack", "shoot", "render"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What somebody is about to do."""

    action: Action
    use: str = ""
    """Such as `narrative-fiction`; the first that the consent allows when empty."""
    project: str = ""
    territory: tuple[str, ...] = ()
    """Where the work is shown; the world when empty."""
    territory_exclude: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    """All of them when empty."""

    @property
    def is_shown(self) -> bool:
        """Whether something comes out of it that others may see."""
        return self.action in ("shoot", "render")


def check_consent(
    consent: SignedConsent | None,
    use: Use,
    *,
    trusted: Iterable[PublicKey],
    revocations: Iterable[Revocation] = (),
    now: datetime | None = None,
    name: str = "consent",
) -> Use:
    """Check all there is to check: whether it exists, who signed it, and whether it allows a use.

    Args:
        consent: None where there is none.
        use: What is about to be done.
        trusted: Keys whose signatures count.
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
    """What a use counts as where nobody says it: the first that is allowed."""
    return record.uses.allow[0]


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
    _check_dates(record, now, name)
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


def _check_dates(record: ConsentRecord, now: datetime, name: str) -> None:
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
            " deleted; facekit character delete --cascade does it",
            rule="retention",
        )


def _check_revoked(
    record: ConsentRecord, use: Use, revocations: Iterable[Revocation], now: datetime, name: str
) -> None:
    for one in revocations:
        grace = timedelta(days=record.revocation.notice_days)
        if one.effect == "withdraw" or not use.is_shown or now >= one.at + grace:
            step = "facekit character delete --cascade" if one.effect == "withdraw" else "ask again"
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
    if use.use in record.uses.deny:
        raise _refused(name, "denied", f"the use {use.use!r} is denied", "another use")
    if ANY not in allowed and use.use not in allowed:
        raise _refused(
            name,
            "use",
            f"the use {use.use!r} is not agreed to",
            f"one of {', '.join(allowed)}",
        )


def _check_territory(record: ConsentRecord, use: Use, name: str) -> None:
    asked = set(use.territory) - {WORLD} - set(use.territory_exclude)
    is_world = not use.territory or WORLD in use.territory
    if WORLD in record.territory:
        left = set(record.territory_exclude)
        beyond = (
            (left - set(use.territory_exclude))
            if is_world
            else {place for place in asked if _is_in(place, left)}
        )
    else:
        agreed = set(record.territory)
        beyond = (
            {WORLD}
            if is_world
            else {
                place
                for place in asked
                if not _is_in(place, agreed) or _is_in(place, set(record.territory_exclude))
            }
        )
    if beyond:
        got = ", ".join(sorted(beyond))
        agreed_text = ", ".join(record.territory)
        if record.territory_exclude:
            agreed_text += f" without {', '.join(record.territory_exclude)}"
        raise _refused(name, "territory", f"shown in {got}", agreed_text)


def _check_media(record: ConsentRecord, use: Use, name: str) -> None:
    if ANY in record.media:
        return
    beyond = sorted(set(use.media) - set(record.media)) or ([] if use.media else ["all media"])
    if beyond:
        raise _refused(name, "media", f"shown in {', '.join(beyond)}", ", ".join(record.media))


def _is_in(place: str, agreed: set[str]) -> bool:
    """Whether a country, or a part of one, is among others."""
    return place in agreed or place.partition("-")[0] in agreed


def _project(project: str) -> str:
    return project or "work outside of any project"


def _refused(name: str, rule: str, got: str, expected: str) -> ConsentRefused:
    return ConsentRefused(
        f"{name}: {got}, expected {expected}; ask the person for a consent that covers it, and"
        " record that",
        rule=rule,
    )
