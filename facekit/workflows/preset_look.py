"""Look at presets: what one says, whether it holds, and whether it looks the same here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from facekit.errors import KeyRefused, PresetError, SignatureRefused, UsageError
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.presets.bundle import Bundle, open_bundle
from facekit.presets.names import PACK_SIGNATURE
from facekit.signing.dsse import Envelope
from facekit.signing.home import key_home
from facekit.types import Progress
from facekit.workflows.backbone import load_backbone
from facekit.workflows.characters import shooting_recipe
from facekit.workflows.device import AUTO, choose_device
from facekit.workflows.doctor_findings import Finding
from facekit.workflows.licences import refuse_licences
from facekit.workflows.preset_content import PARITY, PARITY_FRAMES
from facekit.workflows.preset_drawing import Parity, compare_parity, draw_shots, read_parity
from facekit.workflows.preset_files import load_any, open_preset, open_templates
from facekit.workflows.preset_memory import ever_revoked
from facekit.workflows.preset_named import preset_place
from facekit.workflows.preset_terms import part_licences
from facekit.workflows.rights_preset import refuse_taken_back
from facekit.workflows.trust import trusted_keys

__all__ = [
    "PresetFacts",
    "Verified",
    "VerifyPlan",
    "inspect_preset",
    "plan_verify_preset",
    "run_verify_preset",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetFacts:
    """What a preset says, and who signed it."""

    bundle: Bundle
    signature: str
    """In words."""
    templates: str
    """Whether what tells a person is in here, in words."""
    is_revoked: bool
    """Whether this machine has seen it withdrawn."""

    def describe(self) -> str:
        """A line per fact."""
        told = self.bundle.manifest
        numbers = told.eval.summary
        encoder = told.encoder
        likeness = "not measured"
        if numbers.likeness_ratio is not None:
            likeness = f"{numbers.likeness_ratio:.0%} of the photos' own, gates {numbers.gates}"
        lines = [
            f"preset: {told.label} ({told.title})",
            f"digest: {self.bundle.digest}",
            f"signature: {self.signature}",
            *(["revoked: yes, it is refused wherever it is named"] if self.is_revoked else []),
            f"subject: {told.subject.type}"
            + (f", consent {told.subject.consent}" if told.subject.consent else ""),
            f"terms: {told.rights.license}"
            + ("" if told.rights.redistribute else ", not to be given to others"),
            f"base: {told.base.name} ({told.base.license})",
            f"encoder: {encoder.name} ({encoder.license})" if encoder else "encoder: none",
            f"adapter: level {told.adapter.level}, {told.adapter.sites} sites, LoRA rank"
            f" {told.adapter.rank}, {told.adapter.dtype}",
            f"called by: {told.adapter.trigger or told.adapter.name}",
            f"likeness: {likeness}",
            f"templates: {self.templates}",
            f"follows: {told.lineage.supersedes or 'nothing'}",
        ]
        width = max(len(file.path) for file in told.files)
        for file in told.files:
            mark = "  biometric" if file.biometric else ""
            lines.append(f"  {file.path:<{width}}  {file.size:>10}  {file.sha256[:12]}{mark}")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The whole manifest, with digest and signature."""
        return {
            "digest": self.bundle.digest,
            "signature": self.signature,
            "templates": self.templates,
            "revoked": self.is_revoked,
            "manifest": self.bundle.manifest.model_dump(mode="json", by_alias=True),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VerifyPlan:
    """A preset whose files and signature hold; parity is still to be drawn."""

    bundle: Bundle
    signers: tuple[str, ...]
    licences: tuple[Finding, ...]
    device: torch.device | None
    """Where the seeded shot is drawn; None where it is not."""

    def describe(self) -> str:
        """What is looked at."""
        more = "" if self.device is None else f", drawing the seeded shot on {self.device}"
        return f"verifying: {self.bundle.source}{more}"

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        return {"preset": str(self.bundle.source), "parity": self.device is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A preset that is whole and signed, and how it looks here where that was asked."""

    bundle: Bundle
    signers: tuple[str, ...]
    licences: tuple[Finding, ...]
    parity: Parity | None

    @property
    def exit_code(self) -> int:
        """7 where it looks otherwise here, else 0."""
        is_other = self.parity is not None and self.parity.verdict == "different"
        return PresetError.exit_code if is_other else 0

    def describe(self) -> str:
        """What holds."""
        told = self.bundle.manifest
        lines = [
            f"preset: {told.label}",
            f"digest: {self.bundle.digest}",
            f"files: {len(told.files)}, all as packed, no others",
            f"signed by: {', '.join(self.signers)}",
            *(f"licence: {one.name}: {one.detail}" for one in self.licences),
        ]
        if self.parity is not None:
            lines.append(self.parity.describe())
        lines.append("fine" if self.exit_code == 0 else "it looks otherwise here; do not use it")
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        parity = self.parity
        return {
            "id": self.bundle.manifest.id,
            "version": self.bundle.manifest.version,
            "digest": self.bundle.digest,
            "files": len(self.bundle.manifest.files),
            "signed_by": list(self.signers),
            "licences": {one.name: one.detail for one in self.licences},
            "parity": None
            if parity is None
            else {
                "verdict": parity.verdict,
                "likeness": parity.likeness,
                "pixel_error": parity.pixel_error,
                "same_stack": parity.same_stack,
            },
        }


def inspect_preset(path: Path | str) -> PresetFacts:
    """Say what a preset is; its files are verified, and who signed it is told, not demanded.

    Raises:
        BundleDamaged: A file is missing, added or changed.
        PresetError: A later version of facekit wrote it.
    """
    bundle = open_bundle(preset_place(path))
    paths = {file.path for file in bundle.manifest.files if file.role == "templates"}
    templates, judges = "none", ""
    if paths:
        try:
            opened = open_templates(bundle, key_home())
            can = "sealed, and not for any key of yours"
            if opened is not None:
                can, judges = "you can open them", f", {opened.describe()}"
        except KeyRefused:
            can = "sealed for a key of yours that is locked; set FACEKIT_PASSPHRASE"
        templates = f"{', '.join(sorted(paths))} ({can}){judges}"
    return PresetFacts(
        bundle=bundle,
        signature=_signature(bundle),
        templates=templates,
        is_revoked=ever_revoked(bundle.digest),
    )


def plan_verify_preset(
    path: Path | str, *, parity: bool = False, commercial: bool = False, device: str = AUTO
) -> VerifyPlan:
    """Verify files and signature; what was asked for beside is looked at later.

    Args:
        path: The preset, or its name as `preset pull` takes it.
        parity: Draw its seeded shot and compare.
        commercial: Refuse what does not allow commercial use.
        device: Where it is drawn.

    Raises:
        BundleDamaged: A file is missing, added or changed.
        SignatureRefused: Nobody trusted has signed it.
        PresetError: A later version of facekit wrote it.
        RightsRefused: A licence does not allow commercial use, and that is asked for.
        ConsentRefused: The consent of the person was taken back.
        UsageError: It has no seeded shot to compare with.
    """
    bundle = open_preset(preset_place(path))
    refuse_taken_back(bundle)
    statement = bundle.packed_by(trusted_keys())
    told = bundle.manifest
    findings = part_licences(
        {"base": told.base, "encoder": told.encoder},
        told.rights,
        commercial=commercial,
        instead=dict.fromkeys(("base", "encoder", "adapter"), "take a preset whose parts allow it"),
    )
    refuse_licences(str(path), findings)
    if parity and bundle.manifest.eval.parity is None:
        raise UsageError(
            f"{path}: packed without pictures, expected a seeded shot to compare with; leave"
            " --parity away, or pack it again"
        )
    return VerifyPlan(
        bundle=bundle,
        signers=tuple(f"{key.name} ({key.keyid[:12]})" for key in statement.signers),
        licences=findings,
        device=choose_device(device) if parity else None,
    )


def run_verify_preset(
    plan: VerifyPlan, progress: Progress, *, pipe: Any = None, faces: FaceVendor | None = None
) -> Verified:
    """Load the character from the preset and, where asked, draw its seeded shot.

    Args:
        plan: What to verify.
        progress: Told of every denoising step.
        pipe: The backbone's pipeline, when it is loaded already.
        faces: The encoder that compares, when it is loaded already.

    Raises:
        AdapterError: The character file in it is not one.
        WeightsError: The backbone is not here.
        AdapterMismatch: The backbone here has other weights than the one it was trained on.
    """
    character = load_any(plan.bundle.source, templates=plan.device is not None)
    parity = None
    if plan.device is not None:
        name = f"{plan.bundle.source}: {PARITY}"
        shot, record, there = read_parity(
            plan.bundle.read(PARITY), plan.bundle.read(PARITY_FRAMES), name
        )
        recipe, _ = shooting_recipe(character, _settings(record))
        loaded = pipe if pipe is not None else load_backbone(recipe, plan.device).pipe
        drawn = draw_shots(character, [shot], recipe, plan.device, progress, pipe=loaded)
        vendor = faces or load_faces(character.file.header.encoder or recipe.encoder.train)
        parity = compare_parity(there, record, drawn[0].clip, vendor.to(plan.device), plan.device)
    return Verified(bundle=plan.bundle, signers=plan.signers, licences=plan.licences, parity=parity)


def _settings(record: Mapping[str, Any]) -> list[str]:
    """Sample as it was sampled there, whatever the recipe says."""
    sampling = record["sampling"]
    keys = ("num_inference_steps", "guidance_scale", "fps", "identity_guidance")
    return [f"sample.{key}={sampling[key]}" for key in keys if sampling.get(key) is not None]


def _signature(bundle: Bundle) -> str:
    content = bundle.signatures.get(PACK_SIGNATURE)
    if content is None:
        return "none"
    try:
        statement = bundle.packed_by(trusted_keys())
    except SignatureRefused as error:
        try:
            said = ", ".join(one.keyid[:12] for one in Envelope.read(content).signatures)
        except SignatureRefused:
            said = "nobody"
        reason = str(error).rpartition(": ")[2].partition(";")[0]
        named = "" if "it names" in reason else f" (it names {said})"
        return f"not good: {reason}{named}"
    return "by " + ", ".join(f"{key.name} ({key.keyid[:12]})" for key in statement.signers)
