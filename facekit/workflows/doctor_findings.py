"""What the doctor says about one thing."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Status"]

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    status: Status
    """``fail`` stops facekit from working, ``warn`` does not."""
    detail: str
    """What was found."""
    mend: str = ""
    """The command or step that mends it; empty when nothing is wrong."""
