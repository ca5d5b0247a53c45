"""What training a character will do, decided before anything slow is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from facekit.curation.allowing import read_allowed
from facekit.curation.captioning import check_captioner
from facekit.curation.findings import Role
from facekit.faces.vendors import vendor_facts
from facekit.media.scan import Source, scan_sources, tell_sources
from facekit.recipe import Recipe, recipe_digest
from facekit.training.captions import Subject
from facekit.workflows.backbone import backbone_spec
from facekit.workflows.characters import CHARACTERS_DIR, RESULT_FILE
from facekit.workflows.cost import RunCost, estimate_run
from facekit.workflows.datasets import StoredDataset, open_dataset
from facekit.workflows.device import AUTO, choose_device, device_text
from facekit.workflows.masks import MasksUsed, plan_masks
from facekit.workflows.train_checks import (
    check_memory,
    check_tracked,
    check_training,
    check_words,
    knows_word,
)
from facekit.workflows.train_clips import clip_warnings, describe_clips
from facekit.workflows.train_folder import is_resumed
from facekit.workflows.train_rights import TrainRights, plan_rights
from facekit.workflows.train_warnings import plan_warnings

__all__ = ["TrainPlan", "plan_train"]

_LEVELS = {
    "L0": "L0, enrol only",
    "L1": "L1, tune the identity tokens",
    "L2": "L2, tune the identity tokens and a LoRA",
    "none": "a plain LoRA, no identity branch",
}
_NO_LORA = ("L0", "L1")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainPlan:
    """What will be trained, on what, and where it goes."""

    name: str
    sources: tuple[Source, ...]
    recipe: Recipe
    out_dir: Path
    """The character's own folder."""
    trigger: str | None
    """The words for the character; None lets the backbone's vocabulary decide."""
    noun: str
    """What anybody of its kind is called."""
    device: torch.device
    force: bool
    resumes: bool
    """Whether the folder holds a run of this recipe, whose photos and trigger may be others."""
    is_finished: bool
    """Whether that run is finished, so that the same one is given as it is."""
    named: bool
    """Whether the backbone knows the name of the character."""
    masks: MasksUsed
    """The face masks that the loss is to look at."""
    rights: TrainRights
    """Whose face it is, and who agreed."""
    allow: tuple[str, ...] = ()
    """Codes of reasons against photos that are overruled."""
    dataset: StoredDataset | None = None
    """Where the photos were checked already."""
    track: tuple[str, ...] = ()
    """Trackers that get the log, beside its own file."""
    parts: tuple[int, ...] = ()
    """Of several processes, how many of a step's samples each takes; empty for a single one."""
    shards: bool = False
    """Whether each process holds only a part of the backbone's weights."""
    warnings: tuple[str, ...] = ()
    """What is allowed and better known before the work starts."""
    cost: RunCost | None = None
    """What it takes, where that was asked for."""

    def describe(self) -> str:
        """The photos, the method, the effort and the folder."""
        recipe = self.recipe
        judged = recipe.validate
        often = f"every {judged.every} steps" if judged.every else "at the start and at the end"
        sampled = f"{len(judged.prompts)} prompts x {len(judged.seeds)} seeds"
        lines = [
            f"character: {self.name}",
            f"trigger: {self._called()}",
            f"found: {self._photos()}",
            *([f"clips: {clips}"] if (clips := describe_clips(recipe)) else []),
            f"backbone: {self._backbone()}",
            f"encoder: {vendor_facts(recipe.encoder.train).describe()}",
            *([f"rights: {rights}"] if (rights := self.rights.describe()) else []),
            f"face masks: {self.masks.describe()}",
            f"device: {device_text(self.device)}",
            *([f"processes: {self._processes()}"] if self.parts else []),
            f"method: {_LEVELS[recipe.identity.level]}{self._expert()}",
            f"effort: {self._effort()}",
            f"validation: {often}, {sampled} in {', '.join(judged.aspects)}",
            *([self.cost.describe()] if self.cost else []),
            f"seed: {recipe.train.seed}",
            f"recipe: {recipe_digest(recipe)[:12]}{self._described()}",
            f"out: {self.out_dir}{self._found()}",
            *([f"tracking: {', '.join(self.track)}"] if self.track else []),
            *([f"overruled: {', '.join(self.allow)}"] if self.allow else []),
            *(f"warning: {warning}" for warning in self.warnings),
        ]
        return "\n".join(lines)

    def to_json(self) -> Mapping[str, object]:
        """The same as plain data."""
        return {
            "name": self.name,
            "photos": [source.name for source in self.sources],
            "dataset": None if self.dataset is None else str(self.dataset.folder),
            "recipe": self.recipe.model_dump(mode="json"),
            "recipe_digest": recipe_digest(self.recipe),
            "trigger": self.trigger,
            "masks": self.masks.to_json(),
            "rights": self.rights.describe() or None,
            "device": str(self.device),
            "processes": len(self.parts) or 1,
            "samples_of_each": list(self.parts) or [self.recipe.train.batch_size],
            "shards": self.shards,
            "allow": list(self.allow),
            "track": list(self.track),
            "out": str(self.out_dir),
            "resumes": self.resumes,
            "is_finished": self.is_finished,
            "warnings": list(self.warnings),
            "cost": None if self.cost is None else self.cost.to_json(),
        }

    def _photos(self) -> str:
        if self.dataset is not None:
            roles = [photo.role for photo in self.dataset.manifest.photos]
            return (
                f"a dataset, checked already: {roles.count(Role.TRAIN)} photos to train on,"
                f" {roles.count(Role.HELD_OUT)} held out, {roles.count(Role.REFUSED)} refused"
            )
        photos = self.recipe.photos
        told = tell_sources(self.sources, photos.frames_per_clip)
        return f"{told}; up to {photos.holdout} of them held out"

    def _backbone(self) -> str:
        base = self.recipe.base
        if base.source:
            return f"{base.name} from {base.source}"
        return f"{base.name} (licence {backbone_spec(self.recipe).licence})"

    def _expert(self) -> str:
        if backbone_spec(self.recipe).num_experts == 1 or self.recipe.identity.level in _NO_LORA:
            return ""
        noise = {"low": "little", "high": "much"}[self.recipe.lora.expert]
        return f"; the LoRA for the network of {noise} noise alone (lora.expert)"

    def _processes(self) -> str:
        each = f"{' + '.join(map(str, self.parts))} samples of each step"
        held = "; each holds a part of the backbone's weights (FSDP2)" if self.shards else ""
        return f"{len(self.parts)}, {each}{held}"

    def _called(self) -> str:
        if self.trigger:
            return self.trigger
        named = Subject.from_name(self.name, noun=self.noun)
        if self.recipe.identity.level == "none" or self.named:
            return named.trigger
        return (
            f"{named.class_phrase}, for {self.recipe.base.name} does not know the name; describe"
            " the character with --trigger, or hair and glasses are left to chance"
        )

    def _described(self) -> str:
        said = self.recipe.description
        return f" ({said})" if said else ""

    def _found(self) -> str:
        if self.is_finished:
            return " (a finished character of this recipe, kept when all the rest is the same too)"
        return " (goes on where it stopped)" if self.resumes else ""

    def _effort(self) -> str:
        train = self.recipe.train
        if self.recipe.identity.level == "L0":
            return "no steps"
        budget = f", at most {train.minutes:g} minutes" if train.minutes is not None else ""
        return f"{train.steps} steps of {train.batch_size}{budget}"


def plan_train(
    photos: Sequence[Path | str],
    *,
    name: str,
    recipe: Recipe,
    out: Path | None = None,
    force: bool = False,
    trigger: str | None = None,
    noun: str = "person",
    device: str = AUTO,
    allow: Sequence[str] = (),
    track: Sequence[str] = (),
    consent: str | None = None,
    drawn: bool = False,
    is_subject: bool = False,
    estimate: bool = False,
    card_gb: float | None = None,
) -> TrainPlan:
    """Decide everything before anything is loaded that takes time.

    Args:
        photos: Files, folders, patterns or zip archives; or one dataset, which is not looked at
            again.
        name: What the character is called; its folder gets this name.
        recipe: How to train.
        out: Holds a folder per character; `characters` when None.
        force: Whether another run in that folder may be replaced.
        trigger: The words that stand for the character in captions and prompts, such as "a person
            with red hair"; kept in the character file.
        noun: What anybody of its kind is called.
        device: Where the backbone runs, as for `choose_device`.
        allow: Codes of reasons against photos that are overruled, like "blurred".
        track: Trackers that get the log beside its own file: "tensorboard", "wandb".
        consent: The record of consent of the person: a name, a digest or a file.
        drawn: Nobody is depicted; needed only where backbone and encoder know more than drawings.
        is_subject: Whoever trains is the person, of age, and agrees; it is recorded as the run
            begins.
        estimate: Whether to tell what the run takes, which itself takes seconds.
        card_gb: Memory of a graphics card that is planned for, where this machine has none.

    Raises:
        UsageError: A name that cannot be a folder and an `@name`, a trigger without a word, an
            unknown backbone, encoder, device or tracker, or what the backbone or the device cannot
            do.
        ConsentRefused: Photographs without a consent of the person, or one that does not allow it.
        PackageMissing: The optimizer, the weights or a tracker need a package that is not
            installed.
        WeightsError: The base identity adapter is not there; or `base.source` or a trigger is
            given, and the backbone's tokenizer is missing or damaged.
        MediaError: A path does not exist, there is no photo and no clip at all, or the dataset is
            damaged.
        PhotosRefused: The photos of the dataset will not do.
        OutputExists: The folder holds something else.
        CheckpointMismatch: The folder holds a run of another recipe, or the dataset was checked by
            other rules.
    """
    check_words(name, trigger)
    check_training(recipe)
    read_allowed(allow)
    out_dir = Path(out or CHARACTERS_DIR) / name
    where = choose_device(device)
    check_memory(recipe, where)
    tracked = check_tracked(track, recipe)
    check_captioner(recipe.captions.model)
    dataset = open_dataset(photos, recipe, allow)
    found = scan_sources(photos) if dataset is None else dataset.sources
    resumes = is_resumed(out_dir, recipe, force=force)
    rights = plan_rights(
        name,
        recipe,
        [source.path for source in found],
        consent=consent,
        drawn=drawn,
        is_subject=is_subject,
    )
    cost = None
    if estimate:
        cost = estimate_run(recipe, where, num_photos=len(found), card_gb=card_gb)
    return TrainPlan(
        name=name,
        sources=found,
        recipe=recipe,
        out_dir=out_dir,
        trigger=trigger,
        noun=noun,
        device=where,
        force=force,
        resumes=resumes,
        is_finished=resumes and not force and (out_dir / RESULT_FILE).is_file(),
        named=not trigger and knows_word(recipe, name),
        masks=plan_masks(recipe, dataset),
        rights=rights,
        allow=tuple(allow),
        track=tracked,
        dataset=dataset,
        warnings=(
            *plan_warnings(trigger, recipe),
            *clip_warnings(recipe, found, dataset),
            *(cost.warnings() if cost else ()),
        ),
        cost=cost,
    )
