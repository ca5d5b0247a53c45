"""What else is known of what is verified: lines of the ledger of use, and presets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from facekit.errors import FacekitError, LedgerDamaged, SignatureRefused
from facekit.presets.bundle import Bundle, open_bundle
from facekit.provenance.facts import Facts, Shown
from facekit.rights.ledger import LedgerLine
from facekit.workflows.preset_memory import ever_revoked
from facekit.workflows.rights_place import find_rights
from facekit.workflows.rights_preset import taken_back
from facekit.workflows.trust import trusted_keys

__all__ = [
    "PresetVerdict",
    "facts_of_line",
    "find_line",
    "judge_preset",
    "ledger_words",
    "use_lines",
]

_UNASKED: Final[Mapping[object, str]] = {
    "nobody depicted": "nobody is depicted",
    "not told": "nobody has said whose face it is",
}
"""Why a character needed no consent, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetVerdict:
    """What came out about one preset."""

    path: Path
    bundle: Bundle | None
    """None where it is not as it was packed."""
    signers: tuple[str, ...] = ()
    """Those who are trusted; nobody where it is unsigned or signed by a stranger."""
    unsigned: str = ""
    """Why no signature counts."""
    tampered: str = ""
    """What shows that it is not what was packed; empty where nothing does."""
    is_revoked: bool = False
    """Whether this machine has seen it withdrawn."""
    withdrawn: str = ""
    """How the consent of the person was taken back; empty where it was not, as far as is known."""

    def describe(self) -> str:
        """Write it in a few lines."""
        if self.bundle is None:
            return f"{self.path}: TAMPERED: {self.tampered}"
        told = self.bundle.manifest
        by = f"by {', '.join(self.signers)}, whom you trust" if self.signers else "not trusted here"
        consent = (told.subject.consent_digest or "")[:12] or "none"
        lines = [
            f"{self.path}: {'REVOKED; ' if self.is_revoked else ''}whole since it was packed, {by}",
            f"  preset: {told.label} ({self.bundle.digest[:12]})",
            f"  face: {told.adapter.name}, {told.subject.type}, consent: {consent}",
        ]
        if self.withdrawn:
            lines.append(f"  CONSENT TAKEN BACK: {self.withdrawn}")
        if self.unsigned:
            lines.append(f"  cannot be known: who packed it: {self.unsigned}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        told = None if self.bundle is None else self.bundle.manifest
        return {
            "path": str(self.path),
            "preset": None if told is None else told.label,
            "digest": None if self.bundle is None else self.bundle.digest,
            "subject": None if told is None else told.subject.model_dump(mode="json"),
            "signed_by": list(self.signers),
            "unsigned": self.unsigned,
            "tampered": self.tampered,
            "revoked": self.is_revoked,
            "withdrawn": self.withdrawn,
        }


def judge_preset(path: Path) -> PresetVerdict:
    """Look whether a preset is as it was packed, and by whom; raises nothing for damage."""
    try:
        bundle = open_bundle(path)
    except FacekitError as error:
        return PresetVerdict(path=path, bundle=None, tampered=_cause(error, path))
    is_revoked = ever_revoked(bundle.digest)
    withdrawn = taken_back(bundle)
    try:
        signers = bundle.packed_by(trusted_keys()).signers
    except SignatureRefused as error:
        why = _cause(error, path)
        return PresetVerdict(
            path=path, bundle=bundle, unsigned=why, is_revoked=is_revoked, withdrawn=withdrawn
        )
    names = tuple(f"{key.name} ({key.keyid[:12]})" for key in signers)
    return PresetVerdict(
        path=path, bundle=bundle, signers=names, is_revoked=is_revoked, withdrawn=withdrawn
    )


def use_lines() -> tuple[tuple[LedgerLine, ...], str]:
    """The lines of the ledger that tell of delivered clips, or why it tells nothing."""
    try:
        lines = find_rights().ledger.lines()
    except LedgerDamaged as error:
        return (), str(error).rpartition(";")[0]
    return tuple(line for line in lines if line.kind == "use"), ""


def find_line(lines: Sequence[LedgerLine], sha256: str, render_id: str) -> LedgerLine | None:
    """The line of a file with this content, or else the last one of the render."""
    same = [line for line in lines if line.content.get("sha256") == sha256]
    of_render = [line for line in lines if render_id and line.content.get("render_id") == render_id]
    return next(iter((*same[::-1], *of_render[::-1])), None)


def facts_of_line(line: LedgerLine) -> Facts:
    """What a line says of the file that it notes."""
    people = line.content.get("people") or ()
    return Facts(
        render_id=str(line.content.get("render_id") or ""),
        version="",
        shown=tuple(
            Shown(
                name=str(one.get("character") or ""),
                character=str(one.get("character_sha256") or ""),
                preset_digest=str(one.get("preset") or ""),
                consent=str(one.get("consent") or ""),
            )
            for one in people
        ),
        fingerprint=str(line.content.get("job") or ""),
    )


def ledger_words(line: LedgerLine, sha256: str) -> list[str]:
    """Write a line of the ledger in words.

    Args:
        line: It.
        sha256: Of the file that is asked about.
    """
    told = line.content
    what = "this file" if told.get("sha256") == sha256 else f"{Path(str(told.get('file'))).name}"
    use = told.get("use") or "unnamed use"
    project = told.get("project") or "no project"
    found = [f"ledger: line {line.number}, {what} delivered {line.at}, {use}, {project}"]
    for one in told.get("people") or ():
        consent = one.get("consent")
        right = (
            f"by consent {consent[:12]}"
            if consent
            else _UNASKED.get(one.get("right"), f"by {one.get('right')}")
        )
        found.append(f"ledger: {one.get('character')}, {one.get('seconds')} s, {right}")
    return found


def _cause(error: FacekitError, path: Path) -> str:
    return str(error).rpartition(";")[0].removeprefix(f"{path}: ")
