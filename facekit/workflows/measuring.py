"""Takes and photos in, scores and a report out: what eval, demo and the benchmark share."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from facekit.backbones.wan import TOON
from facekit.errors import FaceError, WeightsMissing
from facekit.evaluation.measure import check_report_encoder, measure_character
from facekit.evaluation.scores import CharacterScores, Probe, Reference, Take
from facekit.evaluation.tracks import ScoringRules, track_clips
from facekit.faces.protocols import FaceVendor
from facekit.generation.shots import expected_attributes
from facekit.identity.gallery import build_gallery
from facekit.media.images import read_image
from facekit.toon.probe import load_probe as load_toon_probe
from facekit.types import Clip, Image, Shot

__all__ = ["Photos", "build_reference", "load_probe", "make_takes", "measure", "read_photos"]

ADHERENCE_ATTRIBUTES = (
    "place",
    "shot_size",
    "mood",
    "light",
    "hair_style",
    "hair_color",
    "glasses",
)
"""What a prompt may ask for that is compared with the base model."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photos:
    """The pictures that clips are compared with."""

    enrolled: tuple[Image, ...]
    held_out: tuple[Image, ...]
    enrolled_sources: tuple[str, ...]
    held_out_sources: tuple[str, ...]


def read_photos(enrolled: Sequence[Path], held_out: Sequence[Path]) -> Photos:
    """Read the photos of a character.

    Raises:
        MediaError: One cannot be read.
        FaceError: A photo is on both sides, so it would judge what it trained.
    """
    both = {path.resolve() for path in enrolled} & {path.resolve() for path in held_out}
    if both:
        listed = ", ".join(sorted(str(path) for path in both))
        raise FaceError(
            f"{listed}: used in training, so it cannot judge the result, expected photos that"
            " training never saw; name others with --photos"
        )
    return Photos(
        enrolled=tuple(read_image(path) for path in enrolled),
        held_out=tuple(read_image(path) for path in held_out),
        enrolled_sources=tuple(str(path) for path in enrolled),
        held_out_sources=tuple(str(path) for path in held_out),
    )


def build_reference(photos: Photos, faces: FaceVendor) -> Reference:
    """Embed the photos with the report encoder, the largest face of each.

    Raises:
        FaceError: A photo without a face, or too few photos.
    """

    def embed(images: Sequence[Image], sources: Sequence[str]) -> np.ndarray:
        if not images:
            return np.zeros((0, faces.dim), np.float32)
        return build_gallery(images, sources, faces, among=True).vectors

    return Reference(
        enrolled_ED=embed(photos.enrolled, photos.enrolled_sources),
        held_out_HD=embed(photos.held_out, photos.held_out_sources),
    )


def make_takes(
    shots: Sequence[Shot],
    clips: Sequence[Clip],
    faces: FaceVendor,
    rules: ScoringRules | None = None,
) -> tuple[Take, ...]:
    """Find the faces of clips; shots and clips in the same order."""
    tracks = track_clips(clips, faces, rules)
    return tuple(
        Take(shot=shot, clip=clip, track=track)
        for shot, clip, track in zip(shots, clips, tracks, strict=True)
    )


def measure(
    name: str,
    takes: Sequence[Take],
    reference: Reference,
    *,
    train_encoder: str,
    report_encoder: str,
    base_takes: Sequence[Take] | None = None,
    truth_takes: Sequence[Take] | None = None,
    probe: Probe | None = None,
    prompts: Sequence[str] | None = None,
) -> CharacterScores:
    """Measure a character, after making sure that the encoder that trained does not judge.

    Args:
        name: The character.
        takes: With faces found by the report encoder's vendor.
        reference: Photos embedded by the same.
        train_encoder: Name or `name@digest`.
        report_encoder: Name or `name@digest`.
        base_takes: The base model's, same order and seeds.
        truth_takes: Drawn clips of the character itself.
        probe: Reads what a clip shows.
        prompts: What the backbone read, one per take; the shots' own prompts when None.

    Raises:
        UsageError: Both encoders are one, or there is nothing to measure.
    """
    check_report_encoder(train_encoder, report_encoder)
    texts = prompts if prompts is not None else [take.shot.prompt for take in takes]
    return measure_character(
        name,
        takes,
        reference,
        base_takes=base_takes,
        truth_takes=truth_takes,
        probe=probe,
        expected=[_asked(text) for text in texts],
    )


def _asked(prompt: str) -> Mapping[str, str]:
    found = expected_attributes(prompt)
    return {name: found[name] for name in ADHERENCE_ATTRIBUTES if name in found}


def load_probe(backbone: str, faces: FaceVendor) -> Probe | None:
    """Load what reads prompts back from clips of a backbone; None where nobody can.

    Only the toon world has one: its pictures are known well enough to be read.

    Args:
        backbone: Name of the backbone that made the clips.
        faces: Finds the heads; the report vendor.
    """
    if backbone != TOON.name:
        return None
    try:
        reader = load_toon_probe(faces)
    except WeightsMissing:
        return None

    def probe(clip: Clip, expected: Mapping[str, str]) -> Mapping[str, bool]:
        seen = _most_frequent(reader.read(list(clip.frames)))
        return {name: seen[name] == value for name, value in expected.items() if name in seen}

    return probe


def _most_frequent(readings: Sequence[Mapping[str, str | None]]) -> dict[str, str | None]:
    """Join what was read from the frames of a clip: the value that most frames show, if any."""
    joined: dict[str, str | None] = {}
    for name in readings[0]:
        values = [value for reading in readings if (value := reading[name]) is not None]
        joined[name] = max(dict.fromkeys(values), key=values.count) if values else None
    return joined
