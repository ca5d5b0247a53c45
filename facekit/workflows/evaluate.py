"""Clips, a character and photos in; a report with figures, gates and pictures out."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from facekit.adapters.character import Character
from facekit.adapters.judging_faces import JudgingFaces
from facekit.curation.checks import same_person_limit
from facekit.errors import UsageError
from facekit.evaluation.gates import build_gates, judge
from facekit.evaluation.measure import check_report_encoder
from facekit.evaluation.reasons import missing_reasons
from facekit.evaluation.report import ReportContent, write_report
from facekit.evaluation.scores import Reference, Take
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import check_vendor, encoder_id, load_faces
from facekit.media.files import ensure_new, ensure_out_dir
from facekit.recipe import Recipe
from facekit.types import Progress
from facekit.workflows.characters import find_character
from facekit.workflows.device import AUTO, choose_device
from facekit.workflows.evaluate_plan import EvaluatePlan, EvaluateResult, share_text
from facekit.workflows.evaluate_settings import report_settings, train_encoder_of
from facekit.workflows.measuring import (
    Photos,
    build_reference,
    load_probe,
    make_takes,
    measure,
    read_photos,
    refuse_copies,
    refuse_strangers,
)
from facekit.workflows.photos import FoundPhotos, find_photos
from facekit.workflows.preset_files import load_any
from facekit.workflows.preset_judging import check_measured_by, kept_judging
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
            moved to; those that training held out when none are given, or what the templates of
            a preset keep of them.
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
    at_hand, kept = _find_photos(loaded, photos, recipe.encoder.report)
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
        kept=kept,
        recipe=recipe,
        device=choose_device(device),
        out_dir=out_dir,
        warnings=doubts_about(loaded),
    )


def _find_photos(
    character: Character, given: Sequence[Path | str], encoder: str
) -> tuple[FoundPhotos, JudgingFaces | None]:
    try:
        return find_photos(character, given), None
    except UsageError as error:
        kept, why = (None, "") if given else kept_judging(character, encoder)
        if kept is None and not why:
            raise
        if kept is None:
            step = why.replace("NAME=FOLDER", "FOLDER")  # there is one character alone
            raise UsageError(
                f"{character.source}: no photos to judge by, expected some, or templates; {step}"
            ) from error
        return FoundPhotos(enrolled=(), held_out=(), has_new=False), kept


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
        RenderError: Templates were measured with other weights of the report encoder.
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
    reference = _reference(plan, photos, vendor)
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
        has_training_photos=bool(len(reference.enrolled_ED)),
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
            base=f"{share_text(plan.base_clips)}; drawn clips: {share_text(plan.truth_clips)}",
            held_out=_held_out_text(plan),
            missing=plan.missing,
        ),
        reasons=reasons,
        clips=plan.clips,
    )
    return EvaluateResult(report=write_report(content, plan.out_dir), scores=scores, gates=gates)


def _reference(plan: EvaluatePlan, photos: Photos, faces: FaceVendor) -> Reference:
    kept = plan.kept
    if kept is None:
        return build_reference(photos, faces)
    check_measured_by(plan.character.name, kept, encoder_id(faces))
    return Reference(held_out_HD=kept.held_out_HD, enrolled_ED=kept.enrolled_ED)


def _held_out_text(plan: EvaluatePlan) -> str:
    if plan.kept is not None:
        return f"{len(plan.kept.held_out_HD)}, by the templates of the preset"
    return ", ".join(str(path) for path in plan.held_out)


def _look(path: Path, name: str, faces: FaceVendor, progress: Progress) -> tuple[StoredTake, Take]:
    """Read a take, call it by its place (two folders may hold one name) and find its faces."""
    stored = read_take(path)
    shot = dataclasses.replace(stored.shot, name=name)
    (take,) = make_takes([shot], [stored.clip], faces)
    progress.advance(1, path.name)
    return stored, take
