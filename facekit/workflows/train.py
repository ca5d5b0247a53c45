"""Photos in, a character out."""

from dataclasses import dataclass, replace

from facekit.adapters.character_header import PhotoRecord
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings
from facekit.backbones.spec import BackboneSpec
from facekit.curation.inspecting import inspect_photos
from facekit.curation.inspection import Inspection
from facekit.faces.protocols import FaceParser, FaceVendor
from facekit.faces.vendors import load_faces
from facekit.generation.sample import SampleSettings, guidance_options
from facekit.identity.photo_set import PhotoSet
from facekit.media.files import ensure_out_dir, write_text
from facekit.recipe import Recipe, recipe_digest
from facekit.training.captions import Subject, drop_face_clauses
from facekit.training.settings import TrainSettings
from facekit.training.trackers import Tracker, open_trackers
from facekit.training.train_character import TrainingResult, run_digest, train_character
from facekit.types import NoProgress, Progress
from facekit.workflows.backbone import Backbone, load_base_adapter, unknown_words
from facekit.workflows.captions import add_captions
from facekit.workflows.characters import ADAPTER_FILE, RECIPE_FILE
from facekit.workflows.datasets import StoredDataset
from facekit.workflows.likeness import likeness_validation
from facekit.workflows.masks import MaskPlan, choose_masks, draw_masks
from facekit.workflows.others import other_faces
from facekit.workflows.photos import common_folder, record_photos
from facekit.workflows.processes import load_alike, running, share_out
from facekit.workflows.train_clips import add_excerpts, excerpt_parser
from facekit.workflows.train_file import base_digest, character_file
from facekit.workflows.train_folder import (
    SAMPLES_DIR,
    finished_outcome,
    make_room,
    recipe_text,
    sweep,
    write_result,
)
from facekit.workflows.train_outcome import TrainOutcome
from facekit.workflows.train_plan import TrainPlan, plan_train

__all__ = ["TrainOutcome", "TrainPlan", "plan_train", "run_train"]


def run_train(
    plan: TrainPlan,
    progress: Progress,
    *,
    faces: FaceVendor | None = None,
    backbone: Backbone | None = None,
) -> TrainOutcome:
    """Train, or go on where an earlier call stopped; a finished character is given as it is.

    The folder receives ``adapter.safetensors``, ``recipe.toml`` (resolved), ``metrics.jsonl``,
    ``samples/`` (one picture per validation), ``result.json``, and the state to go on from.

    Of several processes, joined by `plan_together`, each calls it; the first looks at photos and
    writes, and all get the same outcome.

    Args:
        plan: What `plan_train` made.
        progress: Told of every photo and every step.
        faces: Detector and encoder; the recipe's training encoder when absent.
        backbone: When it is loaded already; it stays on its device.

    Raises:
        PhotosRefused: Too few photos are usable; the message gives the reason of each.
        WeightsError: Weights are missing or damaged, or the checkpoint is of another run.
        TrainingError: Not finite, or nothing learned.
        OutputError: The folder cannot be written, or the disk is full.
        ProcessLost: Another process of the run has ended.
        KeyboardInterrupt: Asked to stop; the same call goes on from there.
    """
    recipe, out_dir = plan.recipe, plan.out_dir
    processes = running()
    progress = progress if processes.is_first else NoProgress()
    faces = faces or load_faces(recipe.encoder.train)
    looked: list[_Looked] = []  # in the first process alone
    processes.same(lambda: looked.append(_looked_at(plan, faces, progress)))
    backbone = load_alike(recipe, plan.device, processes, backbone)
    device = plan.device if processes.shards else backbone.device
    parts_digest = backbone.parts_digest
    spec, pipe = backbone.spec, backbone.pipe
    settings = TrainSettings.from_recipe(recipe)
    adapter = load_base_adapter(recipe, backbone, faces) if settings.has_identity else None
    adapter = adapter.to(device) if adapter else None
    if processes.count > 1:
        processes.require_same(f"weights of {faces.name}", faces.digest)
        processes.require_same("the base identity adapter", base_digest(adapter))
    share_out(backbone, plan.device, processes)
    lora = _lora_settings(recipe, spec) if settings.trains_lora else None
    begun = processes.same(
        lambda: _begin(plan, looked[0], settings, backbone, adapter, lora, parts_digest, progress)
    )
    if begun.finished is not None:
        return begun.finished
    photos, subject, digest = begun.photos, begun.subject, begun.digest
    near = faces.to(device)  # for the gradient of the identity loss
    samples_dir = out_dir / SAMPLES_DIR if processes.is_first else None
    config = recipe.model_dump(mode="json")
    trackers: list[Tracker] = []  # in the first process alone
    processes.same(
        lambda: trackers.extend(open_trackers(plan.track, out_dir, run=plan.name, config=config))
    )
    result = train_character(
        settings,
        photos,
        subject,
        pipe,
        spec,
        near,
        out_dir,
        digest=digest,
        adapter=adapter,
        lora=lora,
        others_ND=other_faces(backbone, faces) if settings.weights.contrastive > 0 else None,
        validate=likeness_validation(recipe, photos, subject, pipe, spec, near, samples_dir),
        guidance=guidance_options(SampleSettings.of(spec, recipe.sample)),
        parser=looked[0].parser if looked else None,
        progress=progress,
        trackers=trackers,
        processes=processes,
        device=device,
    )
    ended = tuple(warning for tracker in trackers for warning in tracker.warnings)
    return processes.same(
        lambda: _finish(
            plan, looked[0], begun, result, settings, backbone, faces, adapter, lora, ended
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Looked:
    """What was found in the photos."""

    checked: Inspection | StoredDataset
    photos: PhotoSet
    records: tuple[PhotoRecord, ...]
    masks: MaskPlan
    parser: FaceParser | None
    """Draws the face masks of excerpts."""
    noted: tuple[str, ...]
    """What is to be known of clips."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Begun:
    """What every process is told before the first step."""

    photos: PhotoSet
    subject: Subject
    digest: str
    missed: tuple[str, ...] = ()
    """A line for each photo whose face a parser has missed."""
    finished: TrainOutcome | None = None
    """Of an earlier call that left nothing to do."""


def _looked_at(plan: TrainPlan, faces: FaceVendor, progress: Progress) -> _Looked:
    ensure_out_dir(plan.out_dir)
    checked = plan.dataset or _inspect(plan, faces, progress)
    photos = checked.require() if isinstance(checked, Inspection) else checked.photos(faces)
    records = record_photos(photos)
    photos, left_out = add_excerpts(
        plan.recipe, photos, plan.sources, plan.dataset, faces, progress
    )
    masks = choose_masks(plan.recipe, plan.dataset, faces)
    photos = replace(photos, masks=masks.made_by)
    parser, of_excerpts = excerpt_parser(photos, masks.used, faces)
    return _Looked(
        checked=checked,
        photos=photos,
        records=records,
        masks=masks,
        parser=parser,
        noted=(*left_out, *of_excerpts),
    )


def _begin(
    plan: TrainPlan,
    looked: _Looked,
    settings: TrainSettings,
    backbone: Backbone,
    adapter: IdentityAdapter | None,
    lora: LoraSettings | None,
    parts_digest: str,
    progress: Progress,
) -> _Begun:
    """Make the folder ready, or find that everything is done."""
    recipe, out_dir = plan.recipe, plan.out_dir
    subject = _subject(plan, backbone, settings)
    drawn_by = looked.parser.digest if looked.parser else ""
    of_excerpts = {"excerpt_masks": drawn_by} if looked.photos.excerpts else {}
    digest = run_digest(
        settings,
        looked.photos,
        subject,
        backbone_digest=backbone.digest,
        adapter_digest=base_digest(adapter),
        lora=lora,
        extra={"recipe": recipe_digest(recipe), "parts": parts_digest, **of_excerpts},
    )
    finished = finished_outcome(out_dir, digest)
    if finished is not None and not plan.force:
        return _Begun(photos=looked.photos, subject=subject, digest=digest, finished=finished)
    make_room(out_dir, digest, replace=plan.force, again=finished is not None)
    sweep(out_dir)
    write_text(out_dir / RECIPE_FILE, recipe_text(recipe))
    photos, missed = draw_masks(looked.photos, looked.masks, progress)
    return _Begun(photos=photos, subject=subject, digest=digest, missed=missed)


def _finish(
    plan: TrainPlan,
    looked: _Looked,
    begun: _Begun,
    result: TrainingResult,
    settings: TrainSettings,
    backbone: Backbone,
    faces: FaceVendor,
    adapter: IdentityAdapter | None,
    lora: LoraSettings | None,
    ended: tuple[str, ...],
) -> TrainOutcome:
    """Write the character and how the run ended."""
    checked, masks, photos = looked.checked, looked.masks, begun.photos
    file = character_file(
        plan,
        result,
        settings,
        photos,
        looked.records,
        begun.subject,
        backbone,
        faces,
        adapter,
        lora,
        begun.digest,
        masks=masks.used,
        overruled=checked.overruled_codes,
    )
    adapter_path = plan.out_dir / ADAPTER_FILE
    file.save(adapter_path)
    outcome = TrainOutcome(
        name=plan.name,
        adapter=adapter_path,
        trigger=begun.subject.trigger,
        likeness=result.best_score,
        likeness_at_start=result.start_score,
        best_step=result.best_step,
        steps=result.steps,
        train_seconds=round(result.elapsed_s, 3),
        overruled=checked.overruled,
        masks=masks.used,
        warnings=tuple(
            dict.fromkeys(
                (
                    *plan.warnings,
                    *(f"set aside: {line}" for line in checked.set_aside),
                    *(f"noted: {line}" for line in checked.noted),
                    *looked.noted,
                    *begun.missed,
                    *ended,
                    *_warnings(photos, result),
                )
            )
        ),
    )
    # Last, so that its presence says that all the rest is there.
    write_result(plan.out_dir, begun.digest, outcome, common_folder(photos))
    return outcome


def _inspect(plan: TrainPlan, faces: FaceVendor, progress: Progress) -> Inspection:
    """Look at photos that were not checked before, as `facekit check` does."""
    inspection = inspect_photos(
        plan.sources,
        plan.recipe.photos,
        faces,
        progress,
        label="choosing photos to train on",
        allow=plan.allow,
        num_views=plan.recipe.identity.max_photos,
    )
    return add_captions(inspection, plan.recipe.captions, progress)


def _lora_settings(recipe: Recipe, spec: BackboneSpec) -> LoraSettings:
    return LoraSettings(
        rank=recipe.lora.rank,
        alpha=recipe.lora.alpha,
        targets=recipe.lora.targets or spec.lora_targets,
        expert=recipe.lora.expert,
    )


def _subject(plan: TrainPlan, backbone: Backbone, settings: TrainSettings) -> Subject:
    """How captions and prompts call the character.

    A name that the tokenizer does not know would only put noise into the prompt, so where the
    identity branch says who it is, anybody's name will do. A plain LoRA has nothing but the name.
    """
    named = Subject.from_name(plan.name, trigger=plan.trigger, noun=plan.noun)
    is_known = not unknown_words(backbone.pipe.tokenizer, plan.name)
    if plan.trigger or not settings.has_identity or is_known:
        return named
    return Subject(trigger=named.class_phrase, class_phrase=named.class_phrase)


def _warnings(photos: PhotoSet, result: TrainingResult) -> tuple[str, ...]:
    found = []
    start, best = result.start_score, result.best_score
    if result.steps and start is not None and best is not None and best <= start:
        found.append(
            f"training brought no likeness: no checkpoint passed the {start:.3f} of step 0"
            + (", so the character is as it was enrolled" if result.best_step == 0 else "")
            + "; train for more steps, add photos, or lower identity.lr and lora.lr"
        )
    for photo in photos.train:
        words = drop_face_clauses(photo.sidecar)[1] if photo.sidecar else ()
        if words:
            found.append(
                f"{photo.sidecar_name}: speaks of the face"
                f" ({', '.join(words)}); clauses about it were left out of the caption, since they"
                " would bind the likeness to the words"
            )
    if not photos.held_out:
        found.append("no photo is held out, so the checkpoint was chosen on photos it trained on")
    return tuple(found)
