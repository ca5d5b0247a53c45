"""Shots with their cast: regions laid or found, everybody attached, and sampled."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from facekit.adapters.character import Character, CharacterAttachment, attach_characters
from facekit.adapters.conditioning import Strength, is_zero
from facekit.backbones.spec import BackboneSpec
from facekit.faces.protocols import FaceDetector
from facekit.generation.finding import find_regions
from facekit.generation.regional_prompts import regional_prompt
from facekit.generation.regions import Region, make_masks
from facekit.generation.sample import SampleSettings, guidance_options, plan_batches, sample
from facekit.types import Clip, Progress, Shot
from facekit.workflows.casting import ShotCast

__all__ = ["regional_prompts", "sample_cast"]


def regional_prompts(shot: Shot, characters: Sequence[Character]) -> tuple[str, ...]:
    """What the region of each character reads in a shot, whose prompt has `@name`.

    One alone needs none: nobody else is called by a name.
    """
    if len(characters) < 2:
        return ()
    return tuple(
        regional_prompt(shot.prompt, who.name, who.trigger or who.name) for who in characters
    )


def _tell_regions(attachment: CharacterAttachment, shots: Sequence[Shot]) -> None:
    """Let each of several characters read its own words, where the backbone can."""
    told = (regional_prompts(shot, attachment.characters) for shot in shots)
    words = list(zip(*told, strict=True))
    if words and attachment.takes_regional_prompts:
        attachment.set_regional_prompts(words)


@contextmanager
def _attached(
    pipe: Any,
    cast: ShotCast,
    strength: Strength,
    settings: SampleSettings,
    masks: Mapping[str, torch.Tensor] | None,
) -> Iterator[CharacterAttachment]:
    attachment = attach_characters(
        pipe,
        cast.characters,
        strength,
        masks_LHW=None if masks is None else [masks.get(who.name) for who in cast.characters],
        **guidance_options(settings),
    )
    try:
        yield attachment
    finally:
        attachment.detach()


def sample_cast(
    pipe: Any,
    shots: Sequence[Shot],
    prompts: Sequence[str],
    cast: ShotCast | None,
    spec: BackboneSpec,
    settings: SampleSettings,
    *,
    strength: Strength = 1.0,
    faces: FaceDetector | None = None,
    progress: Progress | None = None,
    label: str = "shots",
) -> Iterator[tuple[Clip, Mapping[str, Region]]]:
    """Sample shots that share one cast.

    Args:
        pipe: With nobody attached; so it is afterwards.
        shots: Of one size and length, with `@name` in their prompts.
        prompts: What the backbone reads, one per shot.
        cast: Who is in them and where; None for the bare backbone.
        spec: The backbone.
        settings: How they are sampled.
        strength: Of all characters.
        faces: Finds faces where regions are looked for.
        progress: Told of every step.
        label: What the progress is called.

    Yields:
        Clip and regions, in the order of the shots.

    Raises:
        NoFaceFound: A first pass shows fewer figures than characters.
        UsageError: Regions that cover one another.
    """
    asked = [
        dataclasses.replace(shot, prompt=prompt)
        for shot, prompt in zip(shots, prompts, strict=True)
    ]
    if cast is None:
        clips = sample(pipe, asked, spec, settings, progress=progress, label=label)
        yield from ((clip, {}) for clip in clips)
        return
    if not cast.is_auto or is_zero(strength):
        masks = make_masks(cast.regions, shots[0], spec) if cast.regions else None
        with _attached(pipe, cast, strength, settings, masks) as attachment:
            for batch in plan_batches(asked) if cast.regions else [range(len(asked))]:
                if cast.regions:
                    _tell_regions(attachment, [shots[index] for index in batch])
                here = [asked[index] for index in batch]
                clips = sample(pipe, here, spec, settings, progress=progress, label=label)
                yield from ((clip, cast.regions) for clip in clips)
        return
    assert faces is not None, "regions are looked for with a face model"
    names = [who.name for who in cast.characters]
    for shot, whole in zip(shots, asked, strict=True):
        found = find_regions(
            pipe, shot, whole.prompt, names, spec, settings, faces, progress=progress
        )
        masks = make_masks(found, shot, spec, check=False)
        with _attached(pipe, cast, strength, settings, masks) as attachment:
            _tell_regions(attachment, [shot])
            (clip,) = sample(pipe, [whole], spec, settings, progress=progress, label=label)
        yield clip, found
