"""What a training run finds before its first step: photos, masks, and whether it is done."""

from dataclasses import dataclass, replace

from facekit.adapters.character_header import PhotoRecord
from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings
from facekit.curation.inspecting import inspect_photos
from facekit.curation.inspection import Inspection
from facekit.faces.protocols import FaceParser, FaceVendor
from facekit.identity.photo_set import PhotoSet
from facekit.media.files import ensure_out_dir, write_text
from facekit.recipe import recipe_digest
from facekit.training.captions import Subject
from facekit.training.run_digest import run_digest
from facekit.training.settings import TrainSettings
from facekit.types import Progress
from facekit.workflows.backbone import Backbone, unknown_words
from facekit.workflows.captions import add_captions
from facekit.workflows.characters import RECIPE_FILE
from facekit.workflows.datasets import StoredDataset
from facekit.workflows.masks import MaskPlan, choose_masks, draw_masks
from facekit.workflows.photos import record_photos
from facekit.workflows.train_clips import add_excerpts, excerpt_parser
from facekit.workflows.train_file import base_digest
from facekit.workflows.train_folder import (
    finished_outcome,
    make_room,
    recipe_text,
    sweep,
)
from facekit.workflows.train_outcome import TrainOutcome
from facekit.workflows.train_plan import TrainPlan
from facekit.workflows.train_rights import TrainRights, settle_rights

__all__ = ["Begun", "Looked", "begin_run", "look_at_photos"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looked:
    """What was found in the photos."""

    checked: Inspection | StoredDataset
    photos: PhotoSet
    records: tuple[PhotoRecord, ...]
    masks: MaskPlan
    parser: FaceParser | None
    """Draws the face masks of excerpts."""
    noted: tuple[str, ...]
    """What is to be known of clips."""
    rights: TrainRights
    """Whose face it is; a self-attestation is recorded by now."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Begun:
    """What every process is told before the first step."""

    photos: PhotoSet
    subject: Subject
    digest: str
    missed: tuple[str, ...] = ()
    """A line for each photo whose face a parser has missed."""
    finished: TrainOutcome | None = None
    """Of an earlier call that left nothing to do."""


def look_at_photos(plan: TrainPlan, faces: FaceVendor, progress: Progress) -> Looked:
    """Choose the photos, the excerpts and who draws their masks; raises as `run_train`."""
    ensure_out_dir(plan.out_dir)
    rights = settle_rights(plan.rights)
    checked = plan.dataset or _inspect(plan, faces, progress)
    photos = checked.require() if isinstance(checked, Inspection) else checked.photos(faces)
    records = record_photos(photos)
    photos, left_out = add_excerpts(
        plan.recipe, photos, plan.sources, plan.dataset, faces, progress
    )
    masks = choose_masks(plan.recipe, plan.dataset, faces)
    photos = replace(photos, masks=masks.made_by)
    parser, of_excerpts = excerpt_parser(photos, masks.used, faces)
    return Looked(
        checked=checked,
        photos=photos,
        records=records,
        masks=masks,
        parser=parser,
        noted=(*left_out, *of_excerpts),
        rights=rights,
    )


def begin_run(
    plan: TrainPlan,
    looked: Looked,
    settings: TrainSettings,
    backbone: Backbone,
    adapter: IdentityAdapter | None,
    lora: LoraSettings | None,
    parts_digest: str,
    progress: Progress,
) -> Begun:
    """Make the folder ready, or find that everything is done."""
    recipe, out_dir = plan.recipe, plan.out_dir
    subject = _subject(plan, backbone, settings)
    drawn_by = looked.parser.digest if looked.parser else ""
    of_excerpts = {"excerpt_masks": drawn_by} if looked.photos.excerpts else {}
    told = looked.rights.subject
    whose = {"subject": f"{told.type} {told.ref}"} if told else {}
    digest = run_digest(
        settings,
        looked.photos,
        subject,
        backbone_digest=backbone.digest,
        adapter_digest=base_digest(adapter),
        lora=lora,
        extra={"recipe": recipe_digest(recipe), "parts": parts_digest, **of_excerpts, **whose},
    )
    finished = finished_outcome(out_dir, digest)
    if finished is not None and not plan.force:
        return Begun(photos=looked.photos, subject=subject, digest=digest, finished=finished)
    make_room(out_dir, digest, replace=plan.force, again=finished is not None)
    sweep(out_dir)
    write_text(out_dir / RECIPE_FILE, recipe_text(recipe))
    photos, missed = draw_masks(looked.photos, looked.masks, progress)
    return Begun(photos=photos, subject=subject, digest=digest, missed=missed)


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
