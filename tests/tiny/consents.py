"""Records of consent for tests."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from facekit.rights.consent import SignedConsent, sign_consent
from facekit.signing.keys import SigningKey

LEGAL = SigningKey.generate("legal")
STRANGER = SigningKey.generate("stranger")
REF = "subj_" + "7f" * 16
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def terms(**other: Any) -> dict[str, Any]:
    """What somebody agrees to; `valid_from` is yesterday by the clock of `NOW`."""
    return {
        "subject_ref": REF,
        "subject": "real",
        "controller": "Studio",
        "method": "signed-form",
        "evidence": [{"kind": "form", "sha256": "ab" * 32}],
        "adult": True,
        "purpose": "the film The Letter",
        "uses": {"allow": ["narrative-fiction", "test"]},
        "project": "org.studio.show",
        "valid_from": "2026-11-20",
        "valid_until": "2028-11-20",
        "revocation": {"contact": "legal@studio.example", "notice_days": 30},
        **other,
    }


def consent(key: SigningKey = LEGAL, now: datetime = NOW, **other: Any) -> SignedConsent:
    return sign_consent(terms(**other), [key], now=now)


def today_terms(**other: Any) -> dict[str, Any]:
    """The same, valid by the real clock and outside of any project."""
    day = datetime.now(UTC).date()
    return terms(
        **{
            "valid_from": str(day - timedelta(days=1)),
            "valid_until": str(day + timedelta(days=365)),
            "project": "",
            **other,
        }
    )


def days(count: int) -> date:
    return (NOW + timedelta(days=count)).date()
