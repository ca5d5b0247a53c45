"""How like its held-out photos a character is, while it is being trained.

The training encoder judges here: it chooses a checkpoint, and never reports.

Shapes: H held-out photos, N faces, D embedding.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facekit.backbones.spec import BackboneSpec
from facekit.errors import AlignmentError
from facekit.faces.align import align
from facekit.faces.protocols import FaceVendor
from facekit.generation.sample import SampleSettings, sample
from facekit.identity.photo_set import PhotoSet
from facekit.media.images import write_image
from facekit.recipe import Recipe
from facekit.training.captions import Subject
from facekit.training.trainer import Validation
from facekit.types import Clip, FaceCrop, FloatArray, Image, Shot
from facekit.workflows.credentials import signed_output
from facekit.workflows.origin import facts_of

__all__ = ["held_out_likeness", "likeness_validation", "validation_shots"]


def validation_shots(recipe: Recipe, subject: Subject, spec: BackboneSpec) -> tuple[Shot, ...]:
    """The fixed shots that every checkpoint of a run is judged by: prompts x seeds.

    They take turns at the recipe's aspects, since what is best on square shots may fall apart on
    wide and tall ones.
    """
    asked = recipe.validate
    shots: list[Shot] = []
    for number, prompt in enumerate(asked.prompts):
        for seed in asked.seeds:
            height, width = spec.sizes[asked.aspects[len(shots) % len(asked.aspects)]]
            shots.append(
                Shot(
                    name=f"{number:02d}-s{seed}",
                    prompt=prompt.replace("{character}", subject.trigger),
                    seed=seed,
                    num_frames=asked.num_frames,
                    height=height,
                    width=width,
                    kind="validation",
                )
            )
    return tuple(shots)


def likeness_validation(
    recipe: Recipe,
    photos: PhotoSet,
    subject: Subject,
    pipe: Any,
    spec: BackboneSpec,
    faces: FaceVendor,
    samples_dir: Path | None,
    record: Mapping[str, object] | None = None,
) -> Callable[[int], Validation]:
    """Make the function that judges the weights that are in the pipeline.

    Args:
        recipe: Prompts, seeds and how to sample.
        photos: The held-out ones are compared with; the trained ones only where none is held out.
        subject: What prompts call the character.
        pipe: Samples; the trainer has put the character on it.
        spec: Its backbone.
        faces: The training encoder.
        samples_dir: Gets one picture per validation, all shots side by side; None keeps none.
        record: Who is in the pictures, as `facts_of` takes it; None leaves them without
            credentials.
    """
    compared = photos.held_out or photos.train
    goal_HD = np.stack([photo.embedding for photo in compared])
    shots = validation_shots(recipe, subject, spec)
    settings = SampleSettings.of(spec, recipe.sample)

    def judge(step: int) -> Validation:
        clips = list(sample(pipe, shots, spec, settings))
        picture = None if samples_dir is None else samples_dir / f"step-{step:06d}.png"
        if picture is not None:
            facts = None if record is None else facts_of(record)
            with signed_output(picture, facts) as place:
                write_image(place, _side_by_side(clips))
        # Clips may be sampled in half precision; whoever judges them computes in full.
        with torch.autocast(spec.family.network(pipe).device.type, enabled=False):
            score, coverage = held_out_likeness(clips, goal_HD, faces)
        return Validation(score=score, details={"coverage": coverage}, picture=picture)

    return judge


def held_out_likeness(
    clips: Sequence[Clip], goal_HD: FloatArray, faces: FaceVendor
) -> tuple[float, float]:
    """Mean similarity of every frame with every photo; a frame without a face counts 0.

    Returns:
        The likeness, and the share of frames with a face.
    """
    frames = [frame for clip in clips for frame in clip.frames]
    crops = _largest_faces(frames, faces)
    if not crops:
        return 0.0, 0.0
    similarity_NH = faces.encode(crops) @ goal_HD.T
    return float(similarity_NH.mean(axis=1).sum() / len(frames)), len(crops) / len(frames)


def _largest_faces(frames: Sequence[Image], faces: FaceVendor) -> list[FaceCrop]:
    crops = []
    for frame, found in zip(frames, faces.detect(frames), strict=True):
        if not found:
            continue
        try:
            crop = align(frame, found[0], size_px=faces.crop_size_px, margin=faces.crop_margin)
        except AlignmentError:
            continue
        crops.append(crop)
    return crops


def _side_by_side(clips: Sequence[Clip]) -> Image:
    """The middle frame of every clip in one row, lower ones centred on white."""
    frames = [clip.frames[clip.num_frames // 2] for clip in clips]
    tallest = max(frame.shape[0] for frame in frames)
    row = []
    for frame in frames:
        above, odd = divmod(tallest - frame.shape[0], 2)
        padding = ((above, above + odd), (0, 0), (0, 0))
        row.append(np.pad(frame, padding, constant_values=255))
    return np.concatenate(row, axis=1)
