"""Photos to a photo set: every file gets a verdict, and the usable ones are split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facekit.curation.advice import Advice, advise, tell_people
from facekit.curation.candidates import Candidate, examine
from facekit.curation.checks import (
    check_quality,
    compare_people,
    group_people,
    same_person_limit,
)
from facekit.curation.duplicates import find_duplicates
from facekit.curation.findings import Code, Finding, Role, Verdict
from facekit.curation.holdout import choose_holdout
from facekit.errors import PhotosRefused
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import encoder_id
from facekit.identity.photo_set import Photo, PhotoSet
from facekit.identity.similarity import similarity_matrix
from facekit.recipe import PhotosSection
from facekit.types import FloatArray, NoProgress, Progress

__all__ = ["Inspection", "build_photo_set", "inspect_photos"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found out about a set of photos."""

    verdicts: tuple[Verdict, ...]
    """One per file, in the order given."""
    advice: tuple[Advice, ...]
    photo_set: PhotoSet | None
    """None where too few photos are usable."""
    min_usable: int

    @property
    def set_aside(self) -> tuple[str, ...]:
        """A line for each photo that is not used, with its reasons."""
        return tuple(f"{v.source}: {v.reasons}" for v in self.verdicts if not v.usable)

    def require(self) -> PhotoSet:
        """Give the usable photos.

        Raises:
            PhotosRefused: They are too few; the message gives the reason of each of the others.
        """
        if self.photo_set is not None:
            return self.photo_set
        usable, total = len(self.verdicts) - len(self.set_aside), len(self.verdicts)
        head = f"{usable} usable of {total} photos, expected at least {self.min_usable}"
        tail = "; add sharp photos of one person, alone in the picture"
        raise PhotosRefused("\n  ".join([head, *self.set_aside]) + tail)


def inspect_photos(
    paths: Sequence[Path],
    rules: PhotosSection,
    faces: FaceVendor,
    progress: Progress | None = None,
    *,
    label: str = "checking photos",
) -> Inspection:
    """Give a verdict on every photo; a bad one never stops the others.

    Args:
        paths: The files, as `scan_photos` lists them.
        rules: The thresholds.
        faces: Detector and encoder that training will use.
        progress: Counts the photos.
        label: What the progress is called.
    """
    bar = progress or NoProgress()
    bar.start(len(paths), label)
    candidates = []
    for path in paths:
        candidate = examine(path, faces, rules.min_detection_score)
        if candidate.quality is not None:
            candidate = replace(candidate, findings=check_quality(candidate.quality, rules))
        candidates.append(candidate)
        bar.advance(1, path.name)
    bar.finish()

    measured = [c for c in candidates if c.crop is not None]
    vectors = _embed(measured, faces)
    by_source = {c.source: vector for c, vector in zip(measured, vectors, strict=True)}
    limit = same_person_limit(rules, faces)
    measured, similarity = _compare(measured, vectors, rules.duplicate_distance, limit)
    refined = {c.source: c for c in measured}
    candidates = [refined.get(c.source, c) for c in candidates]

    usable = [c for c in candidates if c.crop is not None and not c.findings]
    held = _hold_out(usable, by_source, rules.holdout)
    verdicts = tuple(_verdict(c, held, similarity) for c in candidates)
    enough = len(usable) >= max(rules.min_usable, 1)
    return Inspection(
        verdicts=verdicts,
        advice=(
            *advise(verdicts, rules.holdout),
            *tell_people([c.source for c in usable], _others(candidates, by_source, limit)),
        ),
        photo_set=_photo_set(usable, held, by_source, encoder_id(faces)) if enough else None,
        min_usable=rules.min_usable,
    )


def build_photo_set(
    paths: Sequence[Path],
    rules: PhotosSection,
    faces: FaceVendor,
    progress: Progress | None = None,
) -> PhotoSet:
    """Check photos and give the usable ones, split into trained on and held out.

    Raises:
        PhotosRefused: Fewer than ``rules.min_usable`` photos are usable; the message gives the
            reason of each of the others.
    """
    return inspect_photos(paths, rules, faces, progress).require()


def _embed(measured: Sequence[Candidate], faces: FaceVendor) -> FloatArray:
    crops = [c.crop for c in measured if c.crop is not None]
    return faces.encode(crops) if crops else np.zeros((0, faces.dim), np.float32)


def _compare(
    measured: Sequence[Candidate],
    vectors: FloatArray,
    duplicate_distance: int,
    min_same_person: float,
) -> tuple[list[Candidate], dict[str, float]]:
    """Look for copies and for other people among the photos that are good by themselves."""
    good = [index for index, c in enumerate(measured) if not c.findings]
    found: dict[int, Finding] = {}
    if len(good) > 1:
        between = similarity_matrix(vectors[good])
        weights = [_weight(measured[index]) for index in good]
        hashes = [measured[index].hash_bits for index in good]
        repeated = find_duplicates(hashes, between, weights, duplicate_distance)
        for copy, (original, bits) in repeated.items():
            name = Path(measured[good[original]].source).name
            found[good[copy]] = Finding(
                code=Code.DUPLICATE,
                value=float(bits),
                limit=float(duplicate_distance),
                sentence=f"the same picture as {name}: {bits} of 64 bits of their"
                f" hashes differ, up to {duplicate_distance} mean a copy; leave it out",
            )
    single = [index for index in good if index not in found]
    similarity, findings = compare_people(vectors[single], min_same_person)
    found |= {i: finding for i, finding in zip(single, findings, strict=True) if finding}
    refined = [
        replace(c, findings=(found[index],)) if index in found else c
        for index, c in enumerate(measured)
    ]
    compared = zip(single, similarity, strict=True) if len(single) > 1 else ()
    return refined, {measured[index].source: float(value) for index, value in compared}


def _others(
    candidates: Sequence[Candidate], vectors: dict[str, FloatArray], min_same_person: float
) -> list[list[str]]:
    """The photos that show somebody else, person by person."""
    sources = [c.source for c in candidates if any(f.code is Code.WRONG_PERSON for f in c.findings)]
    if not sources:
        return []
    groups = group_people(np.stack([vectors[source] for source in sources]), min_same_person)
    return [[sources[place] for place in group] for group in groups]


def _hold_out(
    usable: Sequence[Candidate], vectors: dict[str, FloatArray], wanted: int
) -> frozenset[str]:
    if len(usable) < 2:
        return frozenset()
    between = similarity_matrix(np.stack([vectors[c.source] for c in usable]))
    chosen = choose_holdout(between, [c.hash_bits for c in usable], wanted)
    return frozenset(usable[index].source for index in chosen)


def _verdict(candidate: Candidate, held: frozenset[str], similarity: dict[str, float]) -> Verdict:
    role = Role.HELD_OUT if candidate.source in held else Role.TRAIN
    if candidate.findings:
        role = Role.REFUSED
    return Verdict(
        source=candidate.source,
        role=role,
        findings=candidate.findings,
        quality=candidate.quality,
        similarity=similarity.get(candidate.source),
    )


def _photo_set(
    usable: Sequence[Candidate],
    held: frozenset[str],
    vectors: dict[str, FloatArray],
    encoder: str,
) -> PhotoSet:
    train: list[Photo] = []
    held_out: list[Photo] = []
    for candidate in usable:
        if candidate.image is None or candidate.crop is None:
            continue
        photo = Photo(
            source=candidate.source,
            image=candidate.image,
            face=candidate.crop.face,
            crop=candidate.crop,
            embedding=vectors[candidate.source],
            quality=_weight(candidate),
            sidecar=candidate.sidecar,
        )
        (held_out if candidate.source in held else train).append(photo)
    return PhotoSet(train=tuple(train), held_out=tuple(held_out), encoder=encoder)


def _weight(candidate: Candidate) -> float:
    return 1.0 if candidate.quality is None else candidate.quality.weight
