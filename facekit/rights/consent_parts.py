"""The parts of a record of consent, as closed data."""

import difflib
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints
from pydantic import model_validator as after

from facekit.closed import Closed
from facekit.terms import Word

__all__ = [
    "ALWAYS_DENIED",
    "ANY",
    "DENIED",
    "KNOWN_USES",
    "Compensation",
    "Evidence",
    "Line",
    "Method",
    "Retention",
    "RevocationTerms",
    "Sha256",
    "SubjectRef",
    "Training",
    "Uses",
    "near_use",
]

DENIED: Final = ("sexual", "political-endorsement", "deception", "other-productions")
"""What is denied unless the record says otherwise."""

ALWAYS_DENIED: Final = ("deception",)
"""What nobody can agree to, for it is done to others."""

KNOWN_USES: Final = (*DENIED, "narrative-fiction", "personal", "advertising", "documentary")
"""Uses that are denied or usual; any other word is one as well."""

_NEAR: Final = 0.8

ANY: Final = "any"
"""Every use that is not denied; every medium."""

Method = Literal["self-attest", "signed-form", "video-statement", "agreement-ref", "not-required"]
SubjectRef = Annotated[str, StringConstraints(pattern=r"^subj_[0-9a-f]{32}$")]
Line = Annotated[str, StringConstraints(max_length=2000, strip_whitespace=True)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Evidence(Closed):
    """What proves it, by digest; the thing itself stays with who keeps it."""

    kind: Word
    """`form`, `video`, `agreement`, `statement`, ..."""
    sha256: Sha256


class Uses(Closed):
    """What the face may be used for."""

    allow: tuple[Word, ...] = Field(min_length=1)
    """Such as `narrative-fiction`; `any` is everything that is not denied."""
    deny: tuple[Word, ...] = DENIED
    """What is refused whatever else is said."""

    @after(mode="after")
    def _holds_together(self) -> Self:
        if both := sorted(set(self.allow) & set(self.deny)):
            raise ValueError(f"{both[0]} is both allowed and denied")
        if missing := sorted(set(ALWAYS_DENIED) - set(self.deny)):
            raise ValueError(f"{missing[0]} must be denied, for nobody can agree to it")
        return self


class Compensation(Closed):
    """What is paid for, counted by the ledger."""

    unit: Literal["none", "per-second", "per-shot", "ref"] = "none"
    ref: Line = ""
    """Where it is agreed, for `ref`."""


class Retention(Closed):
    """How long things are kept."""

    templates_until: date | None = None
    """After it the character must be deleted and is not used; None for as long as it is valid."""
    photos_until: date | None = None
    """After it the photos must be deleted; facekit never deletes them by itself."""


class RevocationTerms(Closed):
    """How it is taken back."""

    contact: Line = Field(min_length=1)
    """Whom to tell."""
    notice_days: int = Field(default=0, ge=0, le=365)
    """How long after that what is under way may go on; training and packing stop at once."""
    effect: Literal["stop-new", "withdraw"] = "stop-new"
    """`withdraw`: everything stops at once, and the character is to be deleted."""


class Training(Closed):
    """What may be made of the photos."""

    zero_shot: bool = True
    """Enrol: identity tokens without training (level L0)."""
    adapter: bool = True
    """Train tokens or a LoRA."""


def near_use(word: str, others: Iterable[str]) -> str:
    """The one of other uses that was likely meant by a word that is almost written as it."""
    words = [one for one in dict.fromkeys(others) if one != ANY]
    if word in (ANY, *words):
        return ""
    return next(iter(difflib.get_close_matches(word, words, 1, _NEAR)), "")
