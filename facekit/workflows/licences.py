"""May it be used commercially? One answer per part, for the doctor and for presets."""

import re
from collections.abc import Iterable
from typing import Final

from facekit.errors import RightsRefused, UsageError
from facekit.workflows.doctor_findings import Finding

__all__ = [
    "allows_commercial",
    "allows_redistribution",
    "licence_finding",
    "refuse_licences",
    "said_or_asked",
]

_ALLOWING: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC-BY-4.0",
        "CC-BY-SA-4.0",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "Unlicense",
    }
)
_FOLDED: Final = frozenset(name.casefold() for name in _ALLOWING)
_ALLOWING_CC: Final = re.compile(r"cc-by(-sa)?-[0-9.]+(-[a-z]+)?")
"""Every version of it, and of what was put into the law of a country."""
_FORBIDDING: Final = re.compile(
    r"cc-by-nc(-[a-z]+)*-[0-9.]+(-[a-z]+)*|polyform-noncommercial-[0-9.]+"
)


def allows_commercial(spdx: str) -> bool | None:
    """Whether a licence allows commercial use; None where its name does not say.

    Source: names are compared without regard to case, SPDX 2.3, annex D.2.
    """
    name = spdx.casefold()
    if name in _FOLDED or _ALLOWING_CC.fullmatch(name):
        return True
    return False if _FORBIDDING.fullmatch(name) else None


def allows_redistribution(spdx: str) -> bool | None:
    """Whether whoever has it may give it to others; None where the name does not say.

    Every open licence says so, and so do those of Creative Commons and PolyForm for use that is
    not commercial.
    """
    return None if allows_commercial(spdx) is None else True


def said_or_asked(licence: str, said: bool | None, asked: bool | None, option: str) -> bool:
    """What a licence says by its name, or whoever packs where it does not say.

    Raises:
        UsageError: They contradict each other.
    """
    if said is not None and asked not in (None, said):
        raise UsageError(
            f"--license {licence} and {option}: the licence says otherwise, expected what its"
            " name says; leave the option away, or name the terms LicenseRef-NAME"
        )
    return said if said is not None else bool(asked)


def licence_finding(
    name: str, licence: str, *, allowed: bool, commercial: bool, instead: str
) -> Finding:
    """Tell the licence of one part.

    Args:
        name: Of the part.
        licence: SPDX, or its terms in words.
        allowed: Whether it allows commercial use.
        commercial: Whether that is asked for, and a licence that does not allow it is a fault.
        instead: What mends it.
    """
    detail = f"{licence}: commercial use {'allowed' if allowed else 'not allowed'}"
    if commercial and not allowed:
        return Finding(name=name, status="fail", detail=detail, mend=instead)
    return Finding(name=name, status="ok", detail=detail)


def refuse_licences(subject: str, findings: Iterable[Finding]) -> None:
    """Refuse a use that one of these does not allow.

    Raises:
        RightsRefused: One that fails; the message lists all of them.
    """
    if bad := [one for one in findings if one.status == "fail"]:
        told = ", ".join(f"{one.name} ({one.detail})" for one in bad)
        raise RightsRefused(
            f"{subject}: {told}, expected licences that allow commercial use; {bad[0].mend}"
        )
