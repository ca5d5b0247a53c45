"""Reasons that are overruled, on the record."""

from collections.abc import Sequence
from dataclasses import replace

from facekit.curation.candidates import Candidate
from facekit.curation.findings import Code, Finding
from facekit.errors import UsageError

__all__ = ["OVERRULABLE", "read_allowed", "with_findings"]

OVERRULABLE: tuple[Code, ...] = (
    Code.BLURRED,
    Code.BORDERS,
    Code.CUT_OFF,
    Code.DUPLICATE,
    Code.FILTERED,
    Code.OCCLUDED,
    Code.TILTED,
    Code.TOO_BRIGHT,
    Code.TOO_DARK,
    Code.TOO_SMALL,
    Code.TURNED_AWAY,
    Code.WRONG_KIND,
    Code.WRONG_PERSON,
)
"""Where nothing was read, or nobody can be told apart, there is nothing to overrule."""


def read_allowed(reasons: Sequence[str]) -> frozenset[Code]:
    """Read codes that were given to be overruled.

    Raises:
        UsageError: One is none that can be.
    """
    known = {code.value: code for code in OVERRULABLE}
    for reason in reasons:
        if reason not in known:
            raise UsageError(
                f"--allow {reason}: no reason that can be overruled, expected one of"
                f" {', '.join(known)}; correct it or leave it away"
            )
    return frozenset(known[reason] for reason in reasons)


def with_findings(
    candidate: Candidate, findings: Sequence[Finding], allowed: frozenset[Code]
) -> Candidate:
    """Add findings to a candidate: those that are overruled refuse nothing and stay on record."""
    return replace(
        candidate,
        findings=(*candidate.findings, *(f for f in findings if f.code not in allowed)),
        allowed=(*candidate.allowed, *(f for f in findings if f.code in allowed)),
    )
