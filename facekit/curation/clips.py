"""Clips as photos: the few frames of each that show a face well and differ from each other."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np

from facekit.curation.checks import check_quality
from facekit.curation.duplicates import DUPLICATE_SIMILARITY, hash_distance, picture_hash
from facekit.curation.findings import Code
from facekit.curation.one_face import only_face
from facekit.errors import AlignmentError, MediaError
from facekit.faces.align import ARCFACE_SIDE_PX, align, similarity_transform, transform_points
from facekit.faces.protocols import FaceVendor
from facekit.faces.quality import FaceQuality, measure_quality
from facekit.identity.similarity import similarity_matrix
from facekit.media.cache import cache_dir, cached_write
from facekit.media.frames import Frame, frame_name, sample_frames
from facekit.media.kinds import Kind
from facekit.media.known_files import content_digest
from facekit.media.scan import Source
from facekit.media.unpack import frame_file
from facekit.recipe import PhotosSection
from facekit.types import Face, FaceCrop, FloatArray, Progress

__all__ = ["ALIKE_EMBEDDING", "ALIKE_LANDMARKS", "choose_frames", "expand_clips", "mine_clip"]

ALIKE_LANDMARKS = 0.03
"""Two heads this near to each other, root mean square over five aligned landmarks in eye distances,
are held and look the same; 0.03 is some 8 degrees of yaw, or a mouth that opens."""

ALIKE_EMBEDDING = 0.05
"""And two faces whose similarity is this near to 1."""

_RULES_OF_MINING = 2
"""Raised when the same clip gives other frames, so that what is remembered of it is forgotten."""

_ABOUT_SETS = frozenset(
    {"frames_per_clip", "holdout", "max_border", "max_covered_gain", "max_pitch_deg"}
    | {"max_posterised", "min_same_person", "min_usable", "people"}
)
"""Rules that no frame is chosen by, so that another one does not decode the clip again; how many
frames are wanted is asked by itself."""

_BATCH = 8
_EYE_DISTANCE = 35.24 / ARCFACE_SIDE_PX


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shot:
    """A usable frame, without its pixels."""

    at_ms: int
    crop: FaceCrop
    quality: FaceQuality
    hash_bits: int
    remarks: tuple[str, ...]

    @property
    def form(self) -> FloatArray:
        """The aligned landmarks in eye distances, shape (10,): how the head is held, and mouth."""
        marks = self.crop.face.landmarks_px
        aligned = transform_points(marks, similarity_transform(marks, ARCFACE_SIDE_PX))
        return np.asarray(aligned.ravel() / (ARCFACE_SIDE_PX * _EYE_DISTANCE), dtype=np.float32)


def mine_clip(
    clip: Source, rules: PhotosSection, faces: FaceVendor, num_frames: int
) -> tuple[Source, ...]:
    """Choose frames of a clip; the same clip gives the same ones, and is looked through once.

    Args:
        clip: A source of the kind `CLIP` with a file of its own.
        rules: What a frame must show, as a photo must.
        faces: Detector and encoder.
        num_frames: How many to keep at most.

    Returns:
        The frames, in order of time, each a photo in the cache; or the clip, refused with the
        reason.

    Raises:
        OutputError: The cache cannot be written.
    """
    digest = content_digest(clip.path)
    by = rules.model_dump(mode="json", exclude=set(_ABOUT_SETS))
    asked = json.dumps([_RULES_OF_MINING, faces.name, faces.digest, num_frames, by])
    name = f"chosen-{sha256(asked.encode()).hexdigest()[:16]}.json"
    place = cache_dir() / "frames" / digest / name
    try:
        if not place.is_file():
            chosen, problems = _look_through(clip, rules, faces, num_frames)
            with cached_write(place) as temporary:
                told = [[shot.at_ms, list(shot.remarks)] for shot in chosen]
                temporary.write_text(json.dumps({"frames": told, "problems": problems}))
        known = json.loads(place.read_text())
        if not known["frames"]:
            return (_unusable(clip, known["problems"]),)
        return tuple(
            Source(
                name=frame_name(clip.name, at_ms),
                path=frame_file(clip.path, at_ms, digest=digest),
                kind=Kind.PHOTO,
                caption=clip.caption,
                caption_name=clip.caption_name,
                clip=clip.name,
                remarks=tuple(remarks),
            )
            for at_ms, remarks in known["frames"]
        )
    except MediaError as error:
        refusal = str(error).removeprefix(f"{clip.path}: ")
        return (replace(clip, refusal=refusal),)


def expand_clips(
    sources: Sequence[Source], rules: PhotosSection, faces: FaceVendor, bar: Progress
) -> list[Source]:
    """Put the chosen frames of each clip in its place."""
    num_frames = rules.frames_per_clip
    num_clips = sum(source.kind is Kind.CLIP for source in sources)
    if num_clips:
        bar.start(num_clips, "Looking through clips")
    ready: list[Source] = []
    for source in sources:
        if source.kind is not Kind.CLIP:
            ready.append(source)
            continue
        ready += mine_clip(source, rules, faces, num_frames)
        bar.advance(1, Path(source.name).name)
    if num_clips:
        bar.finish()
    return ready


def choose_frames(
    forms: FloatArray,
    vectors: FloatArray,
    hashes: Sequence[int],
    sharpness: Sequence[float],
    weights: Sequence[float],
    num_frames: int,
    duplicate_distance: int,
) -> tuple[int, ...]:
    """Choose frames that spread over poses and expressions, the sharpest of those that are alike.

    Of frames that are alike, by landmarks and embedding or as pictures, only the sharpest can be
    chosen. Of those, the best one comes first, and then always the one farthest from all before.

    Args:
        forms: Aligned landmarks in eye distances, shape (N, 10).
        vectors: Unit embeddings, shape (N, dim).
        hashes: Of the pictures.
        sharpness: Of the faces.
        weights: How good each frame is; the best one comes first.
        num_frames: How many at most.
        duplicate_distance: Differing bits up to which two pictures are the same.

    Returns:
        Indices, rising.
    """
    likeness = similarity_matrix(vectors)
    gaps = forms[:, None] - forms[None]
    form = np.sqrt((gaps**2).sum(-1) / 5.0) / ALIKE_LANDMARKS
    apart = np.hypot(form, np.maximum(1.0 - likeness, 0.0) / ALIKE_EMBEDDING)
    kept: list[int] = []
    for index in sorted(range(len(hashes)), key=lambda i: (-sharpness[i], i)):
        if not any(
            apart[index, other] < 1.0
            or (
                hash_distance(hashes[index], hashes[other]) <= duplicate_distance
                and likeness[index, other] >= DUPLICATE_SIMILARITY
            )
            for other in kept
        ):
            kept.append(index)
    if not kept:
        return ()
    chosen = [max(kept, key=lambda index: (weights[index], -index))]
    while len(chosen) < min(num_frames, len(kept)):
        rest = [index for index in kept if index not in chosen]
        chosen.append(max(rest, key=lambda index: (float(apart[index, chosen].min()), -index)))
    return tuple(sorted(chosen))


def _look_through(
    clip: Source, rules: PhotosSection, faces: FaceVendor, num_frames: int
) -> tuple[list[_Shot], dict[str, int]]:
    """Find the frames worth keeping, and count what is wrong with the others."""
    shots: list[_Shot] = []
    problems: Counter[str] = Counter()
    for batch in _batches(sample_frames(clip.path)):
        found = faces.detect([frame.image for frame in batch])
        for frame, candidates in zip(batch, found, strict=True):
            shot = _usable(frame, candidates, rules, faces)
            if isinstance(shot, _Shot):
                shots.append(shot)
            else:
                problems[shot.value] += 1
    if not shots:
        return [], dict(problems.most_common())
    indices = choose_frames(
        np.stack([shot.form for shot in shots]),
        faces.encode([shot.crop for shot in shots]),
        [shot.hash_bits for shot in shots],
        [shot.quality.sharpness for shot in shots],
        [shot.quality.weight for shot in shots],
        num_frames,
        rules.duplicate_distance,
    )
    return [shots[index] for index in indices], dict(problems.most_common())


def _batches(frames: Iterator[Frame]) -> Iterator[list[Frame]]:
    while batch := list(islice(frames, _BATCH)):
        yield batch


def _usable(
    frame: Frame, found: Sequence[Face], rules: PhotosSection, faces: FaceVendor
) -> _Shot | Code:
    """Measure a frame as a photo is measured; the code of what is wrong with it otherwise."""
    face, finding = only_face(found, rules.min_detection_score)
    if face is None:
        return Code.NO_FACE if finding is None else finding.code
    try:
        size_px, margin = faces.crop_size_px, faces.crop_margin
        crop = align(frame.image, face, size_px=size_px, margin=margin)
        quality = measure_quality(frame.image, face)
    except AlignmentError:
        return Code.NOT_ALIGNED
    if findings := check_quality(quality, rules):
        return findings[0].code
    return _Shot(
        at_ms=frame.at_ms,
        crop=crop,
        quality=quality,
        hash_bits=picture_hash(frame.image),
        remarks=frame.remarks,
    )


def _unusable(clip: Source, problems: dict[str, int]) -> Source:
    """Refuse a clip with what is wrong with its frames, the most frequent first."""
    total = sum(problems.values())
    counts = ", ".join(f"{code.replace('_', ' ')}: {count}" for code, count in problems.items())
    refusal = (
        f"none of the {total} frames that were looked at shows one usable face ({counts}); use a"
        " clip of one person, near, in focus and upright"
    )
    return replace(clip, refusal=refusal)
