"""A preset that is about to be packed, and one that was."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from facekit.adapters.character import Character
from facekit.backbones.spec import BackboneSpec
from facekit.presets.manifest import Manifest
from facekit.recipe import Recipe
from facekit.signing.keys import SigningKey
from facekit.types import Shot
from facekit.workflows.device import device_text
from facekit.workflows.doctor_findings import Finding
from facekit.workflows.preset_content import Told
from facekit.workflows.preset_judging import JudgingPlan

__all__ = ["PackPlan", "Packed"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PackPlan:
    """A preset that can be packed."""

    character: Character
    spec: BackboneSpec
    recipe: Recipe
    told: Told
    licences: tuple[Finding, ...]
    judging: JudgingPlan | None
    """What its templates judge by; None without templates."""
    shots: tuple[Shot, ...]
    """Drawn for pictures and parity; none where none were asked for."""
    key: SigningKey
    device: torch.device
    out: Path
    is_folder: bool

    def describe(self) -> str:
        """A line per fact."""
        told = self.told
        lines = [
            f"preset: {told.id}@{told.version}",
            f"character: {self.character.name} ({self.character.source})",
            f"subject: {told.subject.type}"
            + (f", consent of {told.subject.ref or 'unnamed'}" if told.consent else ""),
            f"terms: {told.rights.license}",
            *(f"licence: {one.name}: {one.detail}" for one in self.licences),
            f"templates: {_templates_text(told)}",
            *([] if self.judging is None else [self.judging.describe()]),
            f"pictures: {len(self.shots)} shots on {device_text(self.device)}, parity from the"
            " first"
            if self.shots
            else "pictures: none, and so no parity",
            f"report: {told.report or 'none'}",
            f"signed by: {self.key.public.name} ({self.key.public.keyid[:12]})",
            f"out: {self.out}",
        ]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        told = self.told
        return {
            "id": told.id,
            "version": told.version,
            "character": self.character.name,
            "character_file": self.character.source,
            "subject": told.subject.model_dump(mode="json"),
            "rights": told.rights.model_dump(mode="json"),
            "licences": {one.name: one.detail for one in self.licences},
            "templates": told.templates,
            "judging": None if self.judging is None else self.judging.to_json(),
            "pictures": len(self.shots),
            "report": None if told.report is None else str(told.report),
            "keyid": self.key.public.keyid,
            "out": str(self.out),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A preset on disk."""

    path: Path
    digest: str
    manifest: Manifest

    def describe(self) -> str:
        """Where it is, what it is called for good, and what in it is biometric."""
        size = sum(file.size for file in self.manifest.files)
        paths = [file.path for file in self.manifest.biometric_files]
        return "\n".join(
            [
                f"packed: {self.manifest.label}, {len(self.manifest.files)} files, {size} bytes",
                f"digest: {self.digest}",
                f"biometric: {', '.join(paths) or 'nothing'}",
                f"written: {self.path}",
                f"next: facekit preset verify {self.path}",
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {
            "path": str(self.path),
            "digest": self.digest,
            "id": self.manifest.id,
            "version": self.manifest.version,
            "files": [file.model_dump(mode="json") for file in self.manifest.files],
            "biometric": [file.path for file in self.manifest.biometric_files],
        }


def _templates_text(told: Told) -> str:
    if told.templates == "sealed":
        return f"sealed for {', '.join(key.name or key.keyid[:12] for key in told.seal_for)}"
    return {
        "none": "none (whoever has only this preset shoots without gates: every shot of a render"
        " needs a look)",
        "clear": "in the clear, for everybody who has this preset",
    }[told.templates]
