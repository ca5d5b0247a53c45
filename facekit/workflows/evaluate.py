"""Clips, a character and photos in; a report with figures, gates and pictures out."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from facekit.adapters.character import Character
from facekit.curation.checks import same_person_limit
from facekit.errors import GateFailed
from facekit.evaluation.gates import GateResult, build_gates, judge, tell_verdict, verdict
from facekit.evaluation.measure import check_report_encoder
from facekit.evaluation.reasons import NO_BASE, missing_reasons
from facekit.evaluation.report import ReportContent, write_report
from facekit.evaluation.scores import CharacterScores, Take
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import check_vendor, encoder_id, load_faces
from facekit.media.files import ensure_new, ensure_out_dir
from facekit.recipe import Recipe
from facekit.types import Progress
from facekit.workflows.characters import find_character
from facekit.workflows.device import AUTO, choose_device, device_text
from facekit.workflows.evaluate_settings import report_settings, share, train_encoder_of
from facekit.workflows.measuring import (
    build_reference,
    load_probe,
    make_takes,
    measure,
    read_photos,
    refuse_copies,
    refuse_strangers,
)
from facekit.workflows.photos import find_photos
from facekit.workflows.preset_files import load_any
from facekit.workflows.rights_doubts import doubts_about
from facekit.workflows.take_identity import write_identities
from facekit.workflows.takes import (
    BASE_DIR,
    REPORT_DIR,
    TRUTH_DIR,
    StoredTake,
    read_take,
    scan_takes,
)

__all__ = ["EvaluatePlan", "EvaluateResult", "plan_evaluate", "run_evaluate", "train_encoder_of"]

_MAKE_BASE = (
    "for prompt obedience, motion and locality shoot the same prompts and seeds again with"
    f" --strength 0 --out CLIPS/{BASE_DIR}"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluatePlan:
    """What will be measured, against what."""

    character: Character
    clips: tuple[Path, ...]
    names: tuple[str, ...]
    """What the report calls each clip: its place in the folder that was given."""
    base_clips: tuple[Path | None, ...]
    """The base model's, one per clip; None where it is missing."""
    truth_clips: tuple[Path | None, ...]
    """Drawn clips of the character, one per clip; None outside of the toon world."""
    enrolled: tuple[Path, ...]
    held_out: tuple[Path, ...]
    has_new_photos: bool
    """Whether some of those that judge are not the ones that training held out."""
    missing: tuple[str, ...]
    """Names of photos that the character file knows and that are not at hand."""
    recipe: Recipe
    device: torch.device
    """Of the report encoder."""
    out_dir: Path
    warnings: tuple[str, ...] = ()

    def describe(self) -> str:
        """Write clips, photos, encoders and gates."""
        base = share(self.base_clips) if any(self.base_clips) else f"none; {_MAKE_BASE}"
        folders = len({path.parent for path in self.clips})
        gates = ", ".join(str(gate) for gate in build_gates(self.recipe.gates.model_dump()))
        return "\n".join(
            [
                f"character: {self.character.name} ({self.character.source})",
                f"clips: {len(self.clips)}" + (f" in {folders} folders" if folders > 1 else ""),
                f"base clips: {base}",
                f"photos: {len(self.held_out)} unseen, {len(self.enrolled)} used in training"
                + (f", not at hand: {', '.join(self.missing)}" if self.missing else ""),
                f"report encoder: {self.recipe.encoder.report}"
                f" (trained with {train_encoder_of(self.character, self.recipe)})",
                f"device: {device_text(self.device)}",
                f"gates: {gates}",
                f"out: {self.out_dir}",
                *(f"warning: {told}" for told in self.warnings),
            ]
        )

    def to_json(self) -> Mapping[str, object]:
        """Return the same as plain data."""
        return {
            "character": self.character.name,
            "character_file": self.character.source,
            "clips": [str(path) for path in self.clips],
            "names": list(self.names),
            "base_clips": [str(path) if path else None for path in self.base_clips],
            "truth_clips": [str(path) if path else None for path in self.truth_clips],
            "enrolled_photos": [str(path) for path in self.enrolled],
            "held_out_photos": [str(path) for path in self.held_out],
            "missing_photos": list(self.missing),
            "report_encoder": self.recipe.encoder.report,
            "train_encoder": train_encoder_of(self.character, self.recipe),
            "device": str(self.device),
            "gates": self.recipe.gates.model_dump(mode="json"),
            "out": str(self.out_dir),
            "warnings": list(self.warnings),
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluateResult:
    """What was measured and where the report is."""

    report: Path
    scores: CharacterScores
    gates: tuple[GateResult, ...]

    @property
    def exit_code(self) -> int:
        """5 when a gate is missed, else 0, even if some gates could not be measured."""
        return GateFailed.exit_code if verdict(self.gates) == "fail" else 0

    def describe(self) -> str:
        """Write the gated figures, the verdict and the path of the report."""
        lines = [result.describe() for result in self.gates]
        lines += [f"verdict: {verdict(self.gates)} ({tell_verdict(self.gates)})"]
        if any(gate.value is None and gate.reason == NO_BASE for gate in self.gates):
            lines += [f"{NO_BASE}: {_MAKE_BASE}"]
        return "\n".join([*lines, f"report: {self.report}"])

    def to_json(self) -> Mapping[str, object]:
        """Return every figure, the gates and the paths."""
        return {
            "report": str(self.report),
            "figures": dict(self.scores.figures),
            "gates": [result.to_json() for result in self.gates],
            "verdict": verdict(self.gates),
        }


def plan_evaluate(
    clips: Sequence[Path | str],
    *,
    character: str,
    photos: Sequence[Path | str] = (),
    recipe: Recipe,
    out: Path | None = None,
    force: bool = False,
    device: str = AUTO,
) -> EvaluatePlan:
    """Find everything that is compared.

    Args:
        clips: Files, or folders with their subfolders. Clips of the same names in a folder `base`
            beside them are the base model's.
        character: A character's name, its folder or its file.
        photos: Photos that training never saw, or the folder that the character's own photos have
            moved to; those that training held out when none are given.
        recipe: Names the report encoder and the gates.
        out: Folder of the report; `report` in the folder that was given when None.
        force: Whether a report that is there may be replaced.
        device: Where the report encoder runs, as for `choose_device`.

    Raises:
        UsageError: No such character, encoder or device; photos missing; the encoder also trained.
        MediaError: A path does not exist, no clip is there, or a photo is not the one it was.
        OutputExists: A report is there already.
    """
    loaded = load_any(find_character(character))
    check_report_encoder(train_encoder_of(loaded, recipe), recipe.encoder.report)
    check_vendor(recipe.encoder.report)
    found = scan_takes(clips)
    at_hand = find_photos(loaded, photos)
    out_dir = out or found.root / REPORT_DIR
    for name in ("report.html", "report.json"):
        ensure_new(out_dir / name, force)
    return EvaluatePlan(
        character=loaded,
        clips=found.clips,
        names=found.names,
        base_clips=_beside(found.clips, BASE_DIR),
        truth_clips=_beside(found.clips, TRUTH_DIR),
        enrolled=at_hand.enrolled,
        held_out=at_hand.held_out,
        has_new_photos=at_hand.has_new,
        missing=at_hand.missing,
        recipe=recipe,
        device=choose_device(device),
        out_dir=out_dir,
        warnings=doubts_about(loaded),
    )


def _beside(clips: Sequence[Path], folder: str) -> tuple[Path | None, ...]:
    places = (path.parent / folder / path.name for path in clips)
    return tuple(place if place.is_file() else None for place in places)


def run_evaluate(
    plan: EvaluatePlan,
    progress: Progress,
    *,
    faces: FaceVendor | None = None,
    identify: bool = False,
) -> EvaluateResult:
    """Measure the clips and write the report; a missed gate does not raise.

    Args:
        plan: What to measure.
        progress: Counts the clips.
        faces: Detector and encoder; the recipe's report encoder when None.
        identify: Whether to write who is in each clip beside it: every face, frame by frame.

    Raises:
        UsageError: The report encoder also trained.
        FaceError: A photo without a face, of somebody else, or one that trained.
        MediaError: A clip cannot be read, or its base clip has another size or length.
        WeightsError: The report encoder's weights, or what reads prompts back, are missing.
        OutputError: The folder cannot be written, or the disk is full.
    """
    ensure_out_dir(plan.out_dir)
    vendor = (faces or load_faces(plan.recipe.encoder.report)).to(plan.device)
    header = plan.character.file.header
    probe = load_probe(header.backbone, vendor)
    trained_on = [photo.pixels_sha256 for photo in header.photos if photo.role == "train"]
    photos = read_photos(plan.enrolled, plan.held_out, trained_on=trained_on)
    reference = build_reference(photos, vendor)
    if plan.has_new_photos:  # those of training have been compared there
        refuse_copies(photos, reference, plan.recipe.photos.duplicate_distance)
        refuse_strangers(photos, reference, same_person_limit(plan.recipe.photos, vendor))
    progress.start(sum(map(bool, plan.clips + plan.base_clips + plan.truth_clips)), "measuring")
    named = zip(plan.clips, plan.names, strict=True)
    own = [_look(path, name, vendor, progress) for path, name in named]
    bases, truths = (
        [_look(path, str(path), vendor, progress)[1] if path else None for path in group]
        for group in (plan.base_clips, plan.truth_clips)
    )
    progress.finish()
    if identify:
        cast = {plan.character.name: reference.held_out_HD}
        write_identities([record for record, _ in own], cast, vendor)
    stored, takes = [record for record, _ in own], tuple(take for _, take in own)
    scores = measure(
        plan.character.name,
        takes,
        reference,
        train_encoder=train_encoder_of(plan.character, plan.recipe),
        report_encoder=encoder_id(vendor),
        base_takes=bases,
        truth_takes=truths,
        probe=probe,
        prompts=[str(take.record.get("resolved_prompt", take.shot.prompt)) for take in stored],
    )
    reasons = missing_reasons(
        scores,
        has_base=any(plan.base_clips),
        has_truth=any(plan.truth_clips),
        has_training_photos=bool(plan.enrolled),
    )
    gates = judge(scores.figures, build_gates(plan.recipe.gates.model_dump()), reasons)
    content = ReportContent(
        scores=scores,
        takes=takes,
        enrolled_photos=photos.enrolled,
        held_out_photos=photos.held_out,
        gates=gates,
        settings=report_settings(
            plan.character,
            plan.recipe,
            encoder_id(vendor),
            stored,
            base=f"{share(plan.base_clips)}; drawn clips: {share(plan.truth_clips)}",
            held_out=plan.held_out,
            missing=plan.missing,
        ),
        reasons=reasons,
        clips=plan.clips,
    )
    return EvaluateResult(report=write_report(content, plan.out_dir), scores=scores, gates=gates)


def _look(path: Path, name: str, faces: FaceVendor, progress: Progress) -> tuple[StoredTake, Take]:
    """Read a take, call it by its place (two folders may hold one name) and find its faces."""
    stored = read_take(path)
    shot = dataclasses.replace(stored.shot, name=name)
    (take,) = make_takes([shot], [stored.clip], faces)
    progress.advance(1, path.name)
    return stored, take
