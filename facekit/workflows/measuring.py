"""Takes and photos in, scores and a report out: what eval, demo and the benchmark share."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from facekit.backbones.wan import TOON
from facekit.curation.duplicates import DUPLICATE_SIMILARITY, hash_distance, picture_hash
from facekit.errors import FaceError
from facekit.evaluation.measure import check_report_encoder, measure_character
from facekit.evaluation.metrics import centroid
from facekit.evaluation.scores import CharacterScores, Probe, Reference, Take
from facekit.evaluation.tracks import ScoringRules, track_clips
from facekit.faces.protocols import FaceVendor
from facekit.generation.shots import expected_attributes
from facekit.identity.gallery import build_gallery
from facekit.media.images import pixel_digest, read_image
from facekit.toon.probe import load_probe as load_toon_probe
from facekit.types import Clip, Image, Shot

__all__ = [
    "ADHERENCE_ATTRIBUTES",
    "Photos",
    "build_reference",
    "load_probe",
    "make_takes",
    "measure",
    "read_photos",
    "refuse_copies",
    "refuse_strangers",
]

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


def read_photos(
    enrolled: Sequence[Path], held_out: Sequence[Path], *, trained_on: Collection[str] = ()
) -> Photos:
    """Read the photos of a character.

    Args:
        enrolled: Photos that trained, as far as they are still there.
        held_out: Photos that judge.
        trained_on: Pixel digests of all photos that trained, those that are gone as well.

    Raises:
        MediaError: One cannot be read.
        FaceError: A photo is on both sides, under whatever name, so it would judge what it trained.
    """
    photos = Photos(
        enrolled=tuple(read_image(path) for path in enrolled),
        held_out=tuple(read_image(path) for path in held_out),
        enrolled_sources=tuple(str(path) for path in enrolled),
        held_out_sources=tuple(str(path) for path in held_out),
    )
    names = {path.resolve() for path in enrolled}
    seen = {*trained_on, *map(pixel_digest, photos.enrolled)}
    both = [
        str(path)
        for path, image in zip(held_out, photos.held_out, strict=True)
        if path.resolve() in names or pixel_digest(image) in seen
    ]
    if both:
        raise FaceError(
            f"{', '.join(both)}: used in training, so it cannot judge the result, expected photos"
            " that training never saw; name others with --photos"
        )
    return photos


def refuse_copies(photos: Photos, reference: Reference, max_distance: int) -> None:
    """Make sure that no photo that judges is a training photo scaled, recompressed or brightened.

    The rule is that of duplicates among photos: few bits of the picture hashes differ, and the
    faces are alike.

    Args:
        photos: The pictures.
        reference: Their embeddings, in the same order.
        max_distance: Differing bits up to which two pictures are the same.

    Raises:
        FaceError: One is; all of them are listed.
    """
    trained = [picture_hash(image) for image in photos.enrolled]
    between_HE = reference.held_out_HD @ reference.enrolled_ED.T
    copies = []
    for row, image in enumerate(photos.held_out):
        own = picture_hash(image)
        for column, other in enumerate(trained):
            bits = hash_distance(own, other)
            if bits <= max_distance and between_HE[row, column] >= DUPLICATE_SIMILARITY:
                pair = photos.held_out_sources[row], photos.enrolled_sources[column]
                copies.append(f"{pair[0]} is {pair[1]} ({bits} of 64 bits of their hashes differ)")
    if copies:
        raise FaceError(
            f"{', '.join(copies)}: used in training, so it cannot judge the result, expected"
            f" photos that differ from those in more than {max_distance} bits; name others with"
            " --photos, or lower photos.duplicate_distance"
        )


def refuse_strangers(photos: Photos, reference: Reference, min_similarity: float) -> None:
    """Make sure that the photos that judge show the person that was trained.

    Somebody else's would lower the ceiling together with the likeness, and their ratio could pass.

    Args:
        photos: The pictures.
        reference: Their embeddings, in the same order; without training photos nothing is compared.
        min_similarity: To the mean of the training photos; below it, it is somebody else.

    Raises:
        FaceError: One does not; all of them are listed.
    """
    middle_D = centroid(reference.enrolled_ED)
    if middle_D is None:
        return
    strangers = [
        f"{source} ({cosine:.2f})"
        for source, cosine in zip(
            photos.held_out_sources, reference.held_out_HD @ middle_D, strict=True
        )
        if cosine < min_similarity
    ]
    if strangers:
        raise FaceError(
            f"{', '.join(strangers)}: shows somebody else than the training photos, expected a"
            f" similarity of at least {min_similarity:.2f} to them; name photos of the character"
            " with --photos, or lower photos.min_same_person"
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
    base_takes: Sequence[Take | None] | None = None,
    truth_takes: Sequence[Take | None] | None = None,
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
        base_takes: The base model's, same order and seeds; None where one is missing.
        truth_takes: Drawn clips of the character itself, same order; None where one is missing.
        probe: Reads what a clip shows.
        prompts: What the backbone read, one per take; the shots' own prompts when None.

    Raises:
        UsageError: Both encoders are one, or there is nothing to measure.
        MediaError: A base clip has another size or length than its shot.
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

    Raises:
        WeightsError: The toon world's is not there, or it is damaged.
    """
    if backbone != TOON.name:
        return None
    reader = load_toon_probe(faces)

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
