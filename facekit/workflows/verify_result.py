"""What came out about files and presets that were verified, in words and as data."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from facekit.errors import IntegrityError, MediaError, PresetRevoked
from facekit.provenance.credentials import Credentials
from facekit.provenance.facts import Facts
from facekit.provenance.soft import Output
from facekit.rights.ledger import LedgerLine
from facekit.workflows.verify_known import PresetVerdict, ledger_words

__all__ = ["FileVerdict", "How", "VerifyResult"]

How = Literal["credentials", "file", "ledger", "watermark", "looks", "nothing"]
"""By what a file is known: its credentials, its very bytes in the list of what was made or in the
ledger of use, a watermark, how its frames look."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileVerdict:
    """What came out about one file."""

    path: Path
    credentials: Credentials
    how: How
    is_sure: bool
    """Whether `facts` follow from a trusted signature or from the very bytes."""
    facts: Facts | None
    sha256: str = ""
    """Of the file."""
    tampered: str = ""
    """What shows that it is not what it says; empty where nothing does."""
    is_cut_off: bool = False
    """Whether its structure ends early, so that a copy that failed explains it too."""
    is_other: bool = False
    """Whether it is no picture and no movie."""
    is_asked_for: bool = False
    """Whether such a file was named itself."""
    unknown: tuple[str, ...] = ()
    """What cannot be known from here."""
    output: Output | None = None
    """The file that was made here which this one is, or is likely made of."""
    line: LedgerLine | None = None
    """Of the ledger of use: the one of these very bytes, or else of the same render."""

    def describe(self) -> str:
        """Write it in a few lines."""
        lines = [f"{self.path}: {self._verdict()}"]
        if self.is_other:
            return lines[0]
        if self.facts is not None:
            lines += [f"  {line}" for line in _facts_lines(self.facts, self._doubt())]
        if self.credentials.state in ("valid", "trusted"):
            lines.append(f"  signed by: {self.credentials.signer}{self._signed_when()}")
        said = self.credentials.facts
        if said is not None and self.credentials.state == "invalid":
            names = ", ".join(one.name for one in said.shown) or "no character"
            lines.append(f"  says of itself, not to be believed: {names}, render {said.render_id}")
        lines += [f"  wrong: {problem}" for problem in self.credentials.problems]
        lines += [
            f"  made of: {one.title} ({_WENT_IN[one.state]})"
            for one in self.credentials.ingredients
        ]
        if self.output is not None:
            lines.append(f"  made here as: {self.output.name}, {self.output.at}")
        if self.line is not None:
            lines += [f"  {told}" for told in ledger_words(self.line, self.sha256)]
        lines += [f"  cannot be known: {text}" for text in self.unknown]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        credentials = dataclasses.asdict(self.credentials)
        credentials["facts"] = self.credentials.facts and self.credentials.facts.to_json()
        return {
            "path": str(self.path),
            "credentials": credentials,
            "how": self.how,
            "sure": self.is_sure,
            "facts": self.facts and self.facts.to_json(),
            "tampered": self.tampered,
            "cut_off": self.is_cut_off,
            "media": not self.is_other,
            "unknown": list(self.unknown),
            "output": self.output and self.output.to_json(),
            "ledger": None
            if self.line is None
            else {"line": self.line.number, "at": self.line.at, **self.line.content},
        }

    def _verdict(self) -> str:
        if self.is_other:
            return "no picture or movie"
        if self.is_cut_off:
            return "damaged or cut off: it ends before its own structure does; get it again"
        if self.tampered:
            return f"TAMPERED: {self.tampered}"
        if self.how == "nothing":
            return "no credentials, and nothing is known of it here"
        if self.how == "credentials":
            return _STATES[self.credentials.state]
        known = {
            "file": "made here: these very bytes are in the list of what was made",
            "ledger": "delivered here: these very bytes are in the ledger of use",
            "watermark": "likely made here: its watermark names a render",
            "looks": "likely made of a file from here: its frames look alike",
        }[self.how]
        return f"{_STATES[self.credentials.state]}; {known}"

    def _doubt(self) -> str:
        if self.is_sure:
            return ""
        return "likely " if self.how in ("watermark", "looks") else "as it says, "

    def _signed_when(self) -> str:
        at = self.credentials.signed_at
        whose = "a" if self.credentials.is_time_trusted else "an unknown"
        return f", {at} by {whose} time stamp authority" if at else ""


_STATES: Final = {
    "none": "no credentials",
    "valid": "whole since it was signed, by a key that is not trusted here",
    "trusted": "whole since it was signed, by a trusted key",
    "invalid": "credentials that do not hold",
}

_WENT_IN: Final = {
    "none": "without credentials when it went in",
    "valid": "whole when it went in",
    "trusted": "whole when it went in, by a trusted key",
    "invalid": "its credentials did not hold when it went in",
}
"""Of what a file is made of: as it was found then, when nobody asked whom to trust."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What came out about all files."""

    files: tuple[FileVerdict, ...]
    presets: tuple[PresetVerdict, ...] = ()
    ledger_fault: str = ""
    """Why the ledger of use tells nothing; empty where it holds."""

    @property
    def exit_code(self) -> int:
        """6 where a file, a preset or the ledger is not as it was; 4 for presets not to be used.

        2 where a file was named that is no picture and no movie. A key that is not trusted is no
        failure of a file.
        """
        faults = [one.tampered or one.is_cut_off for one in self.files]
        if any(faults) or any(one.tampered for one in self.presets) or self.ledger_fault:
            return IntegrityError.exit_code
        if any(one.is_revoked or one.withdrawn for one in self.presets):
            return PresetRevoked.exit_code
        return MediaError.exit_code if any(one.is_asked_for for one in self.files) else 0

    def describe(self) -> str:
        """Write all of it, and a last line that counts where there are several files."""
        parts = [one.describe() for one in self.files]
        parts += [one.describe() for one in self.presets]
        if self.ledger_fault:
            parts.append(f"ledger of use: {self.ledger_fault}")
        if len(self.files) > 1:
            tampered = sum(bool(one.tampered) and not one.is_cut_off for one in self.files)
            cut_off = sum(one.is_cut_off for one in self.files)
            trusted = sum(one.how == "credentials" and one.is_sure for one in self.files)
            counted = f"{len(self.files)} files: {trusted} trusted, {tampered} tampered with"
            parts.append(counted + (f", {cut_off} damaged or cut off" if cut_off else ""))
        return "\n".join(parts)

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        return {
            "files": [one.to_json() for one in self.files],
            "presets": [one.to_json() for one in self.presets],
            "ledger_fault": self.ledger_fault or None,
        }


def _facts_lines(facts: Facts, doubt: str) -> list[str]:
    lines = []
    for one in facts.shown:
        lines.append(f"face: {doubt}{one.name} (character {_short(one.character)})")
        preset = f"{doubt}{one.preset} ({_short(one.preset_digest)})" if one.preset else "none"
        lines.append(f"preset: {preset}")
        lines.append(f"consent: {doubt + _short(one.consent) if one.consent else 'none recorded'}")
    if not facts.shown:
        lines.append(f"face: {doubt}no character")
    made_by = f", by facekit {facts.version} {facts.backbone}" if facts.version else ""
    lines.append(f"render: {doubt}{facts.render_id}{made_by}")
    return lines


def _short(digest: str) -> str:
    return digest[:12] or "of unknown digest"
