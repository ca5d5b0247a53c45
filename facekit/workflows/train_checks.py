"""What can be known to fail before photos are looked at and weights are loaded."""

import re
from collections.abc import Iterator, Sequence

import torch

from facekit.backbones.held import check_held
from facekit.backbones.hub import fetch_commands
from facekit.backbones.wan import TOON
from facekit.errors import UsageError
from facekit.faces.vendors import check_vendor
from facekit.generation.sample import SampleSettings
from facekit.recipe import Recipe
from facekit.training.adamw import check_optimizer
from facekit.training.offload import check_offloaded
from facekit.training.trackers import check_trackers
from facekit.workflows.backbone import (
    TINY,
    backbone_spec,
    base_adapter_path,
    load_tokenizer,
    unknown_words,
)
from facekit.workflows.train_clips import clip_misfits

__all__ = [
    "check_memory",
    "check_tracked",
    "check_training",
    "check_words",
    "is_refused",
    "knows_word",
    "misfits",
]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def check_words(name: str, trigger: str | None) -> None:
    """Refuse a name that cannot be a folder and an `@name`, and a trigger without a word.

    Raises:
        UsageError: Either.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"name is {name!r}, expected one of a-z and then a-z, 0-9, - or _, at most 64, capitals"
            " too; choose another --as"
        )
    if trigger is not None and not trigger.strip():
        raise UsageError(
            f"trigger is {trigger!r}, expected words such as 'a person with red hair'; say some"
            " after --trigger, or leave it away"
        )


def check_tracked(names: Sequence[str], recipe: Recipe) -> tuple[str, ...]:
    """Refuse trackers that are not there, and any at a level that has nothing to log.

    Raises:
        UsageError: An unknown one, or the level L0.
        PackageMissing: One that is not installed.
    """
    tracked = check_trackers(names)
    if tracked and recipe.identity.level == "L0":
        raise UsageError(
            f"--track {','.join(tracked)} at the level L0, which has no steps and no log, expected"
            " another level; leave --track away, or choose --level L2"
        )
    return tracked


def knows_word(recipe: Recipe, name: str) -> bool:
    """Whether the backbone has a word for a name; asked only where it decides the trigger."""
    return recipe.identity.level != "none" and not unknown_words(load_tokenizer(recipe), name)


def check_training(recipe: Recipe) -> None:
    """Refuse a recipe that no training run could finish.

    Args:
        recipe: Well formed by itself; looked at together with its backbone.

    Raises:
        UsageError: Sizes, frame counts, guidance or losses that are not for this backbone, all at
            once; or an encoder that is not there.
        PackageMissing: Its optimizer needs a package that is not installed.
        WeightsMissing: Its base adapter is not there, or `base.source` holds no pipeline.
    """
    check_vendor(recipe.encoder.train)
    check_optimizer(recipe.train.optimizer)
    spec = backbone_spec(recipe)
    SampleSettings.of(spec, recipe.sample)
    mistakes = list(misfits(recipe))
    if mistakes:
        raise UsageError("\n".join(mistakes))
    if recipe.identity.level != "none" and recipe.base.name != TINY:
        base_adapter_path(recipe)
    if recipe.base.source:
        load_tokenizer(recipe)


def check_memory(recipe: Recipe, device: torch.device) -> None:
    """Refuse what the device or the backbone cannot do to save memory.

    Args:
        recipe: That `check_training` has passed.
        device: Where the backbone computes.

    Raises:
        PackageMissing: The extra ``quant`` is not installed, and asked for.
        UsageError: The device cannot hold weights so, more blocks are to wait than there are, or
            quantised ones.
        WeightsError: The backbone's config cannot be read.
    """
    _check_waiting(recipe)
    check_held(recipe.memory.base_weights, device)


def is_refused(recipe: Recipe) -> bool:
    """Whether the backbone cannot do what a recipe says, on any device."""
    try:
        _check_waiting(recipe)
    except UsageError:
        return True
    return any(misfits(recipe))


def misfits(recipe: Recipe) -> Iterator[str]:
    """What the backbone cannot do, each with its key and a next step."""
    spec = backbone_spec(recipe)
    counts = {
        "train": recipe.train.num_frames,
        "validate": recipe.validate.num_frames,
        "sample": recipe.sample.num_frames,
    }
    for section, num_frames in counts.items():
        try:
            spec.check_frames(num_frames)
        except UsageError as error:
            yield f"{section}.{error}"
    yield from clip_misfits(recipe, spec)
    aspects = {
        "validate.aspects": recipe.validate.aspects,
        "sample.aspect": (recipe.sample.aspect,),
    }
    for key, asked in aspects.items():
        if unknown := set(asked) - set(spec.sizes):
            yield (
                f"{key} holds {', '.join(sorted(unknown))}, expected some of"
                f" {', '.join(spec.sizes)} for {spec.name}; change it"
            )
    if recipe.identity.level == "none" and recipe.sample.identity_guidance is not None:
        yield (
            f"sample.identity_guidance is {recipe.sample.identity_guidance:g} and identity.level"
            " none, which has no identity branch to guide, expected no guidance of it; leave it"
            " away"
        )
    if recipe.lora.expert == "high" and spec.num_experts == 1:
        yield (
            f"lora.expert is high, expected low for {spec.name}, which has one network for all"
            " noise levels; leave it away"
        )
    if recipe.loss.contrastive > 0 and spec.name != TOON.name:
        yield (
            f"loss.contrastive is {recipe.loss.contrastive:g}, expected 0 for {spec.name}, which"
            " comes without a bank of other faces; set loss.contrastive to 0"
        )


def _check_waiting(recipe: Recipe) -> None:
    """Refuse blocks that cannot wait, where the backbone's shape is on this machine.

    Raises:
        UsageError: More blocks are to wait than there are, or quantised ones.
        WeightsError: The backbone's config cannot be read.
    """
    memory = recipe.memory
    if not memory.offloaded_blocks:
        return
    if memory.base_weights in ("int8", "nf4"):
        raise UsageError(
            f"memory.offloaded_blocks is {memory.offloaded_blocks} and memory.base_weights"
            f" {memory.base_weights}, whose blocks do not wait, expected float32, bfloat16 or"
            " float8; change one of them"
        )
    spec = backbone_spec(recipe)
    if recipe.base.name == TINY:
        check_offloaded(memory.offloaded_blocks, spec.family.network(spec.tiny()))
    elif recipe.base.source or not fetch_commands(spec):
        check_offloaded(memory.offloaded_blocks, spec.outline(recipe.base.source))
