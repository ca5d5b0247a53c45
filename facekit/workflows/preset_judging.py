"""Judging without photos: what templates keep of them, measured by the reporting encoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from facekit.adapters.character import Character
from facekit.adapters.judging_faces import JudgingFaces
from facekit.errors import FacekitError, RenderError
from facekit.evaluation.measure import check_report_encoder
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces, vendor_facts
from facekit.presets.bundle import open_bundle
from facekit.weights import known_digest
from facekit.workflows.characters import evaluation_recipe
from facekit.workflows.evaluate_settings import train_encoder_of
from facekit.workflows.measuring import build_reference, read_photos
from facekit.workflows.photos import FoundPhotos, find_photos
from facekit.workflows.preset_files import enclosing_bundle

__all__ = ["JudgingPlan", "check_measured_by", "kept_judging", "measure_judging", "plan_judging"]

_OTHERWISE = "name photos with --photos NAME=FOLDER"
_PACK = "--templates clear or --seal-for"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgingPlan:
    """What the templates of a preset are to judge by."""

    encoder: str
    """The reporting one."""
    photos: FoundPhotos | None
    kept: JudgingFaces | None
    """From the templates that the character came with, where its photos are not at hand."""
    lacks: str
    """Why there is nothing to judge by, in words; empty where there is something."""

    @property
    def counts(self) -> tuple[int, int]:
        """Photos that judge, and those that trained."""
        if self.photos is not None:
            return len(self.photos.held_out), len(self.photos.enrolled)
        return (len(self.kept.held_out_HD), len(self.kept.enrolled_ED)) if self.kept else (0, 0)

    def describe(self) -> str:
        """A line for a plan."""
        if self.lacks:
            return f"warning: the templates cannot judge in place of photos: {self.lacks}"
        held_out, enrolled = self.counts
        return (
            f"judging without photos: by {self.encoder}, {held_out} photos that training held out"
            f" and {enrolled} that trained, as embeddings"
        )

    def to_json(self) -> Mapping[str, object]:
        """The same as data."""
        held_out, enrolled = self.counts
        return {
            "encoder": self.encoder,
            "held_out": held_out,
            "enrolled": enrolled,
            "lacks": self.lacks or None,
        }


def plan_judging(character: Character) -> JudgingPlan:
    """Find what takes of a character are judged by: its photos, else what it came with.

    Args:
        character: Whose templates are packed.

    Raises:
        RecipeError: The recipe beside it is damaged.
    """
    recipe = evaluation_recipe(character.source)
    encoder = recipe.encoder.report
    kept, photos, lacks = character.judging, None, ""
    try:
        check_report_encoder(train_encoder_of(character, recipe), encoder)
        facts = vendor_facts(encoder)
        photos = find_photos(character)
        if not facts.is_installed or facts.missing_weights:
            photos, lacks = None, f"{encoder} is not installed; facekit doctor tells what it needs"
    except FacekitError as error:
        lacks = str(error).partition(", expected")[0]
    if photos is None and kept is not None:
        return JudgingPlan(encoder=kept.encoder, photos=None, kept=kept, lacks="")
    return JudgingPlan(encoder=encoder, photos=photos, kept=None, lacks=lacks)


def measure_judging(plan: JudgingPlan, faces: FaceVendor | None = None) -> JudgingFaces | None:
    """Embed the photos; on the CPU, so that it is the same wherever it is done.

    Args:
        plan: From `plan_judging`.
        faces: The reporting encoder, when it is loaded already.

    Returns:
        None where there are none.

    Raises:
        FaceError: A photo without a face.
        WeightsError: The encoder's weights are damaged.
    """
    found = plan.photos
    if found is None:
        return plan.kept
    vendor = (faces or load_faces(plan.encoder)).to(torch.device("cpu"))
    reference = build_reference(read_photos(found.enrolled, found.held_out), vendor)
    return JudgingFaces(
        encoder=vendor.name,
        encoder_digest=vendor.digest,
        held_out_HD=reference.held_out_HD,
        enrolled_ED=reference.enrolled_ED,
        held_out_sha256=tuple(map(known_digest, found.held_out)),
        enrolled_sha256=tuple(map(known_digest, found.enrolled)),
    )


def kept_judging(character: Character, encoder: str) -> tuple[JudgingFaces | None, str]:
    """What the templates of a character can judge by, without its photos.

    Args:
        character: As `load_any` gave it.
        encoder: Name of the one that judges.

    Returns:
        None where they cannot; and why, with what to do about it. Both empty for a character that
        is not of a preset.
    """
    inside = enclosing_bundle(Path(character.source))
    if inside is None:
        return None, ""
    known = character.judging
    if known is None:
        files = open_bundle(inside).manifest.files
        return None, _why_none(character, any(file.role == "templates" for file in files))
    if known.encoder != encoder:
        judges = f"and {encoder} judges"
    elif known.encoder_digest != (own := _digest_of(encoder)) and own:
        judges = f"and {encoder}@{own[:12]} judges"
    else:
        return known, ""
    return None, f"its templates were measured by {known.id}, {judges}; {_OTHERWISE}"


def _why_none(character: Character, has_templates: bool) -> str:
    is_open = bool(character.file.header.photos) or character.file.embeddings_PD is not None
    if not has_templates:
        why = f"its preset has no templates; have it packed with {_PACK}"
    elif is_open:
        why = "its templates keep nothing of the photos for it; have it packed where those are"
    else:
        why = "its templates are sealed for others; have it packed with --seal-for and your key"
    return f"{why}, or {_OTHERWISE}"


def _digest_of(encoder: str) -> str:
    """Of the weights that are here; empty where they cannot be loaded, which is told later."""
    try:
        return load_faces(encoder).digest
    except FacekitError:
        return ""


def check_measured_by(name: str, known: JudgingFaces, encoder: str) -> None:
    """Make sure that templates and photos are seen by the same encoder.

    Args:
        name: Of the character.
        known: From its templates.
        encoder: Name and digest of the one that judges.

    Raises:
        RenderError: It is another one.
    """
    if known.id != encoder:
        raise RenderError(
            f"{name}: its templates were measured by {known.id}, expected {encoder}, which judges"
            f" now; install those weights, or {_OTHERWISE}"
        )
