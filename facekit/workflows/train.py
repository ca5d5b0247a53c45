"""Photos in, a character out."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from facekit.adapters.character_file import CharacterFile, CharacterHeader, build_character
from facekit.adapters.character_header import PhotoRecord
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings
from facekit.backbones.spec import BackboneSpec
from facekit.curation.inspecting import inspect_photos
from facekit.curation.inspection import Inspection
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.generation.sample import SampleSettings, guidance_options
from facekit.identity.photo_set import PhotoSet
from facekit.media.files import ensure_out_dir, write_text
from facekit.recipe import Recipe, recipe_digest
from facekit.training.captions import Subject, drop_face_clauses
from facekit.training.settings import TrainSettings
from facekit.training.shortage import memory_stage
from facekit.training.train_character import TrainingResult, run_digest, train_character
from facekit.training.trainer import STATE_FILE
from facekit.types import Progress
from facekit.workflows.backbone import Backbone, load_backbone, load_base_adapter, unknown_words
from facekit.workflows.captions import add_captions
from facekit.workflows.characters import ADAPTER_FILE, RECIPE_FILE
from facekit.workflows.cost import advice_on_memory
from facekit.workflows.likeness import likeness_validation
from facekit.workflows.masks import MasksUsed, choose_masks, draw_masks
from facekit.workflows.others import other_faces
from facekit.workflows.photos import common_folder, record_photos
from facekit.workflows.train_folder import (
    SAMPLES_DIR,
    finished_outcome,
    make_room,
    sweep,
    write_result,
)
from facekit.workflows.train_outcome import TrainOutcome
from facekit.workflows.train_plan import TrainPlan, plan_train, recipe_text

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

    Args:
        plan: What `plan_train` made.
        progress: Told of every photo and every step.
        faces: Detector and encoder; the recipe's training encoder when absent.
        backbone: When it is loaded already; it stays on its device.

    Raises:
        PhotosRefused: Too few photos are usable; the message gives the reason of each.
        WeightsError: Weights are missing or damaged, or the checkpoint is of another run.
        TrainingError: Not finite, or nothing learned.
        OutOfMemory: The message names settings that need less, and how much they save.
        OutputError: The folder cannot be written, or the disk is full.
        KeyboardInterrupt: Asked to stop; the same call goes on from there.
    """
    with advice_on_memory(plan.recipe, plan.device, plan.out_dir / STATE_FILE):
        return _train(plan, progress, faces, backbone)


def _train(
    plan: TrainPlan, progress: Progress, faces: FaceVendor | None, backbone: Backbone | None
) -> TrainOutcome:
    recipe, out_dir = plan.recipe, plan.out_dir
    ensure_out_dir(out_dir)
    faces = faces or load_faces(recipe.encoder.train)
    checked = plan.dataset or _inspect(plan, faces, progress)
    photos = checked.require() if isinstance(checked, Inspection) else checked.photos(faces)
    records = record_photos(photos)
    masks = choose_masks(recipe, plan.dataset, faces)
    photos = replace(photos, masks=masks.made_by)
    with memory_stage("loading the backbone"):
        backbone = backbone or load_backbone(recipe, plan.device)
    spec, pipe = backbone.spec, backbone.pipe
    settings = TrainSettings.from_recipe(recipe)
    adapter = load_base_adapter(recipe, backbone, faces) if settings.has_identity else None
    lora = _lora_settings(recipe, spec) if settings.trains_lora else None
    subject = _subject(plan, backbone, settings)
    digest = run_digest(
        settings,
        photos,
        subject,
        backbone_digest=backbone.digest,
        adapter_digest=_adapter_digest(adapter),
        lora=lora,
        extra={"recipe": recipe_digest(recipe), "parts": backbone.parts_digest},
    )
    finished = finished_outcome(out_dir, digest)
    if finished is not None and not plan.force:
        return finished
    make_room(out_dir, digest, replace=plan.force, again=finished is not None)
    sweep(out_dir)
    write_text(out_dir / RECIPE_FILE, recipe_text(recipe))
    photos, missed = draw_masks(photos, masks, progress)
    near = faces.to(backbone.network.device)  # for the gradient of the identity loss
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
        validate=likeness_validation(
            recipe, photos, subject, pipe, spec, near, out_dir / SAMPLES_DIR
        ),
        guidance=guidance_options(SampleSettings.of(spec, recipe.sample)),
        progress=progress,
    )
    file = _character_file(
        plan,
        result,
        settings,
        photos,
        records,
        subject,
        backbone,
        faces,
        adapter,
        lora,
        digest,
        masks=masks.used,
        overruled=checked.overruled_codes,
    )
    file.save(out_dir / ADAPTER_FILE)
    outcome = TrainOutcome(
        name=plan.name,
        adapter=out_dir / ADAPTER_FILE,
        trigger=subject.trigger,
        likeness=result.best_score,
        likeness_at_start=result.start_score,
        best_step=result.best_step,
        steps=result.steps,
        train_seconds=round(result.elapsed_s, 3),
        throughput=result.throughput,
        overruled=checked.overruled,
        masks=masks.used,
        warnings=(
            *plan.warnings,
            *(f"set aside: {line}" for line in checked.set_aside),
            *(f"noted: {line}" for line in checked.noted),
            *missed,
            *_warnings(photos, result),
        ),
    )
    # Last, so that its presence says that all the rest is there.
    write_result(out_dir, digest, outcome, common_folder(photos))
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


def _adapter_digest(adapter: IdentityAdapter | None) -> str:
    """Sha256 (hex) of a base adapter's weights; empty without one."""
    if adapter is None:
        return ""
    total = hashlib.sha256(adapter.config.to_json().encode())
    for name, tensor in sorted(adapter.state_dict().items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def _character_file(
    plan: TrainPlan,
    result: TrainingResult,
    settings: TrainSettings,
    photos: PhotoSet,
    records: tuple[PhotoRecord, ...],
    subject: Subject,
    backbone: Backbone,
    faces: FaceVendor,
    adapter: IdentityAdapter | None,
    lora: LoraSettings | None,
    digest: str,
    *,
    masks: MasksUsed,
    overruled: tuple[str, ...],
) -> CharacterFile:
    """Fold what was learned. Nothing in it depends on when or how often the run was stopped."""
    training: Mapping[str, object] = {
        "steps": result.steps,
        "best_step": result.best_step,
        "likeness": result.best_score,
        "likeness_at_start": result.start_score,
        "recipe_digest": recipe_digest(plan.recipe),
        "captions": list(result.captions),
        "class_phrase": subject.class_phrase,
        "seed": settings.seed,
        "encoder_licence": faces.licence,
        "masks": masks.to_summary(),
    }
    if overruled:
        training = {**training, "overruled": list(overruled)}
    header = CharacterHeader(
        name=plan.name,
        level=settings.level,
        backbone=backbone.spec.name,
        backbone_digest=backbone.digest,
        encoder=faces.name,
        encoder_digest=faces.digest,
        trigger=subject.trigger,
        strength=settings.strength,
        sigma_window=settings.sigma_window,
        lora=lora,
        adapter_digest=_adapter_digest(adapter),
        run_digest=digest,
        photos=records,
        training=training,
    )
    return build_character(
        header,
        adapter=None if adapter is None else adapter.cpu(),  # it folds alike on every machine
        tokens_BKC=None if result.tokens_KC is None else result.tokens_KC[None],
        lora=result.lora,
        embeddings_PD=torch.from_numpy(np.stack([photo.embedding for photo in photos.train])),
    )


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
