"""Photos in, a character out."""

from collections.abc import Sequence

from facekit.adapters.identity_adapter import IdentityAdapter
from facekit.adapters.lora import LoraSettings
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import load_faces
from facekit.generation.sample import SampleSettings, guidance_options
from facekit.identity.photo_set import PhotoSet
from facekit.training.captions import drop_face_clauses
from facekit.training.settings import TrainSettings, lora_settings
from facekit.training.shortage import memory_stage
from facekit.training.trackers import Tracker, open_trackers
from facekit.training.train_character import TrainingResult, train_character
from facekit.training.trainer import STATE_FILE
from facekit.types import NoProgress, Progress
from facekit.workflows.backbone import Backbone, load_base_adapter
from facekit.workflows.characters import ADAPTER_FILE
from facekit.workflows.likeness import likeness_validation
from facekit.workflows.memory_advice import advice_on_memory
from facekit.workflows.others import other_faces
from facekit.workflows.photos import common_folder
from facekit.workflows.processes import load_alike, running, share_out
from facekit.workflows.train_begin import Begun, Looked, begin_run, look_at_photos
from facekit.workflows.train_file import base_digest, character_file
from facekit.workflows.train_folder import (
    SAMPLES_DIR,
    write_result,
)
from facekit.workflows.train_outcome import TrainOutcome
from facekit.workflows.train_plan import TrainPlan, plan_train
from facekit.workflows.train_rights import check_still, note_training

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
        OutOfMemory: The message names settings that need less, and how much they save.
        OutputError: The folder cannot be written, or the disk is full.
        ProcessLost: Another process of the run has ended.
        ConsentRefused: The person has taken it back meanwhile.
        KeyboardInterrupt: Asked to stop; the same call goes on from there.
    """
    with advice_on_memory(plan.recipe, plan.device, plan.out_dir / STATE_FILE):
        return _train(plan, progress, faces, backbone)


def _train(
    plan: TrainPlan, progress: Progress, faces: FaceVendor | None, backbone: Backbone | None
) -> TrainOutcome:
    recipe, out_dir = plan.recipe, plan.out_dir
    processes = running()
    progress = progress if processes.is_first else NoProgress()
    faces = faces or load_faces(recipe.encoder.train)
    looked: list[Looked] = []  # in the first process alone
    processes.same(lambda: looked.append(look_at_photos(plan, faces, progress)))
    with memory_stage("loading the backbone"):
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
    lora = lora_settings(recipe, spec)
    begun = processes.same(
        lambda: begin_run(
            plan, looked[0], settings, backbone, adapter, lora, parts_digest, progress
        )
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
        validate=likeness_validation(
            recipe,
            photos,
            subject,
            pipe,
            spec,
            near,
            samples_dir,
            _sample_record(plan, looked, digest),
        ),
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


def _sample_record(plan: TrainPlan, looked: Sequence[Looked], digest: str) -> dict[str, object]:
    """What is said of the pictures of validations."""
    told = looked[0].rights.subject if looked else None
    return {
        "character": plan.name,
        "backbone": plan.recipe.base.name,
        "fingerprint": digest,
        "consent": told and told.consent,
    }


def _finish(
    plan: TrainPlan,
    looked: Looked,
    begun: Begun,
    result: TrainingResult,
    settings: TrainSettings,
    backbone: Backbone,
    faces: FaceVendor,
    adapter: IdentityAdapter | None,
    lora: LoraSettings | None,
    ended: tuple[str, ...],
) -> TrainOutcome:
    """Write the character and how the run ended."""
    check_still(looked.rights, plan.recipe, plan.out_dir)
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
        told=looked.rights.subject,
    )
    adapter_path = plan.out_dir / ADAPTER_FILE
    file.save(adapter_path)
    note_training(looked.rights, plan.name, adapter_path)
    outcome = TrainOutcome(
        name=plan.name,
        adapter=adapter_path,
        trigger=begun.subject.trigger,
        likeness=result.best_score,
        likeness_at_start=result.start_score,
        best_step=result.best_step,
        steps=result.steps,
        train_seconds=round(result.elapsed_s, 3),
        throughput=result.throughput,
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
