"""The file of a character that was just trained."""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch

from facekit.adapters.character_file import CharacterFile, CharacterHeader, build_character
from facekit.adapters.character_header import PhotoRecord, SubjectRecord
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings
from facekit.faces.protocols import FaceVendor
from facekit.identity.photo_set import PhotoSet
from facekit.recipe import recipe_digest
from facekit.training.captions import Subject
from facekit.training.settings import TrainSettings
from facekit.training.train_character import TrainingResult
from facekit.workflows.backbone import Backbone
from facekit.workflows.masks import MasksUsed
from facekit.workflows.train_plan import TrainPlan

__all__ = ["base_digest", "character_file"]


def character_file(
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
    told: SubjectRecord | None,
) -> CharacterFile:
    """Fold what was learned. Nothing in it depends on when or how often the run was stopped.

    `subject` is what captions call the character, `told` whose face it is.
    """
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
    if photos.excerpts:
        training = {**training, "num_excerpts": len(photos.excerpts)}
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
        adapter_digest=base_digest(adapter),
        run_digest=digest,
        photos=records,
        subject=told,
        training=training,
    )
    return build_character(
        header,
        adapter=None if adapter is None else adapter.cpu(),  # it folds alike on every machine
        tokens_BKC=None if result.tokens_KC is None else result.tokens_KC[None],
        lora=result.lora,
        embeddings_PD=torch.from_numpy(np.stack([photo.embedding for photo in photos.train])),
    )


def base_digest(adapter: IdentityAdapter | None) -> str:
    """Sha256 (hex) of a base adapter's weights; empty without one."""
    if adapter is None:
        return ""
    total = hashlib.sha256(adapter.config.to_json().encode())
    for name, tensor in sorted(adapter.state_dict().items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()
