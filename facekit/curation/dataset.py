"""Photos to a photo set: every file gets a verdict, and the usable ones are split."""

from collections.abc import Mapping, Sequence
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
from facekit.curation.clips import mine_clip
from facekit.curation.duplicates import find_duplicates
from facekit.curation.findings import Code, Finding, Role, Verdict
from facekit.curation.holdout import choose_holdout
from facekit.curation.memory import Known, Memory
from facekit.curation.second_look import turn_strangers
from facekit.errors import MediaError, PhotosRefused
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import encoder_id
from facekit.identity.photo_set import Photo, PhotoSet
from facekit.identity.similarity import similarity_matrix
from facekit.media.kinds import Kind
from facekit.media.reading import read_ahead
from facekit.media.scan import Source
from facekit.media.unpack import unpack_sources
from facekit.recipe import PhotosSection
from facekit.types import FloatArray, NoProgress, Progress

__all__ = ["Inspection", "build_photo_set", "inspect_photos"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Usable:
    """A photo that is taken, without its pixels."""

    candidate: Candidate
    embedding: FloatArray
    is_held_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found out about a set of photos."""

    verdicts: tuple[Verdict, ...]
    """One per photo, in the order given; a clip has one per frame that is used."""
    advice: tuple[Advice, ...]
    min_usable: int
    encoder: str
    """Who compared the faces."""
    usable: tuple[_Usable, ...]
    looked_at: tuple[Known, ...]
    """One per verdict, in the same order: the face, its crop and its embedding."""
    min_same_person: float
    """The similarity below which it is somebody else."""

    @property
    def accepted(self) -> bool:
        """Whether enough photos are usable."""
        return len(self.usable) >= max(self.min_usable, 1)

    @property
    def set_aside(self) -> tuple[str, ...]:
        """A line for each photo that is not used, with its reasons."""
        return tuple(f"{v.source}: {v.reasons}" for v in self.verdicts if not v.usable)

    @property
    def noted(self) -> tuple[str, ...]:
        """A line for each photo that is used and was not taken as it is."""
        return tuple(f"{v.source}: {v.remarks}" for v in self.verdicts if v.usable and v.notes)

    def with_captions(self, captions: Mapping[str, str], named: str) -> "Inspection":
        """Give photos without a text of their own another one.

        Args:
            captions: By the name of the source.
            named: What wrote them; stands for the name of the file in messages.
        """

        def captioned(candidate: Candidate) -> Candidate:
            text = captions.get(candidate.source.name)
            if candidate.sidecar is not None or not text:
                return candidate
            told = f"{named} of {candidate.source.name}"
            source = replace(candidate.source, caption_name=told)
            return replace(candidate, sidecar=text, captioned_by=named, source=source)

        return replace(
            self,
            usable=tuple(replace(u, candidate=captioned(u.candidate)) for u in self.usable),
            looked_at=tuple(replace(k, candidate=captioned(k.candidate)) for k in self.looked_at),
        )

    def require(self) -> PhotoSet:
        """Read the usable photos once more and give them.

        Raises:
            PhotosRefused: They are too few; the message gives the reason of each of the others.
            MediaError: A photo is no longer there.
        """
        if self.accepted:
            return _photo_set(self.usable, self.encoder)
        usable, total = len(self.usable), len(self.verdicts)
        head = f"{usable} usable of {total} photos, expected at least {self.min_usable}"
        tail = "; add sharp photos of one person, alone in the picture"
        raise PhotosRefused("\n  ".join([head, *self.set_aside]) + tail)


def inspect_photos(
    sources: Sequence[Source],
    rules: PhotosSection,
    faces: FaceVendor,
    progress: Progress | None = None,
    *,
    label: str = "checking photos",
) -> Inspection:
    """Give a verdict on every photo; a bad one never stops the others.

    Args:
        sources: What `scan_sources` gave; archives are unpacked into the cache, and clips give
            their best frames.
        rules: The thresholds.
        faces: Detector and encoder that training will use.
        progress: Counts the photos.
        label: What the progress is called.

    Raises:
        MediaError: An archive is gone since it was listed.
        OutputError: The cache cannot be written.
    """
    bar = progress or NoProgress()
    ready = _expand_clips(unpack_sources(sources, bar), rules, faces, bar)
    bar.start(len(ready), label)
    memory = Memory(faces, rules.min_detection_score)
    known = _look(ready, memory, bar)
    bar.finish()
    candidates = [
        c if c.quality is None else replace(c, findings=check_quality(c.quality, rules))
        for c in (one.candidate for one in known)
    ]

    measured = [c for c in candidates if c.crop is not None]
    vectors = _stack([one.vector for one in known if one.vector is not None], faces)
    limit = same_person_limit(rules, faces)
    judged, similarity = _compare(measured, vectors, rules.duplicate_distance, limit)
    if turned := turn_strangers(judged, vectors, rules, limit, memory):
        for index, (candidate, vector) in turned.items():
            measured[index], vectors[index] = candidate, vector
        judged, similarity = _compare(measured, vectors, rules.duplicate_distance, limit)
    by_source = {c.source.name: vector for c, vector in zip(judged, vectors, strict=True)}
    refined = {c.source.name: c for c in judged}
    candidates = [refined.get(c.source.name, c) for c in candidates]

    usable = [c for c in candidates if c.crop is not None and not c.findings]
    held = _hold_out(usable, by_source, rules.holdout)
    verdicts = tuple(_verdict(c, held, similarity) for c in candidates)
    return Inspection(
        verdicts=verdicts,
        advice=(
            *advise(verdicts, rules.holdout),
            *tell_people([c.source.name for c in usable], _others(candidates, by_source, limit)),
        ),
        min_usable=rules.min_usable,
        encoder=encoder_id(faces),
        usable=tuple(
            _Usable(
                candidate=c,
                embedding=by_source[c.source.name],
                is_held_out=c.source.name in held,
            )
            for c in usable
        ),
        looked_at=tuple(
            Known(candidate=c, vector=by_source.get(c.source.name)) for c in candidates
        ),
        min_same_person=limit,
    )


def build_photo_set(
    sources: Sequence[Source],
    rules: PhotosSection,
    faces: FaceVendor,
    progress: Progress | None = None,
) -> PhotoSet:
    """Check photos and give the usable ones, split into trained on and held out.

    Raises:
        PhotosRefused: Fewer than ``rules.min_usable`` photos are usable; the message gives the
            reason of each of the others.
        MediaError: As for `inspect_photos`.
        OutputError: As for `inspect_photos`.
    """
    return inspect_photos(sources, rules, faces, progress).require()


def _expand_clips(
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


def _look(sources: Sequence[Source], memory: Memory, bar: Progress) -> list[Known]:
    """Look at the photos that nothing is known of yet, and keep what is found."""
    recalled = [memory.recall(source) for source in sources]
    new = [source for source, known in zip(sources, recalled, strict=True) if known is None]
    if num_known := len(sources) - len(new):
        bar.advance(num_known, "known already")
    seen = examine(new, memory.faces, memory.min_score, bar)
    crops = [c.crop for c in seen if c.crop is not None]
    vectors = iter(memory.faces.encode(crops) if crops else ())
    fresh = []
    for candidate in seen:
        vector = None if candidate.crop is None else next(vectors)
        memory.keep(candidate, vector)
        fresh.append(Known(candidate=candidate, vector=vector))
    rest = iter(fresh)
    return [next(rest) if known is None else known for known in recalled]


def _stack(vectors: Sequence[FloatArray], faces: FaceVendor) -> FloatArray:
    return np.stack(vectors) if vectors else np.zeros((0, faces.dim), np.float32)


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
            name = Path(measured[good[original]].source.name).name
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
    return refined, {measured[index].source.name: float(value) for index, value in compared}


def _others(
    candidates: Sequence[Candidate], vectors: dict[str, FloatArray], min_same_person: float
) -> list[list[str]]:
    """The photos that show somebody else, person by person."""
    sources = [
        c.source.name
        for c in candidates
        if any(finding.code is Code.WRONG_PERSON for finding in c.findings)
    ]
    if not sources:
        return []
    groups = group_people(np.stack([vectors[source] for source in sources]), min_same_person)
    return [[sources[place] for place in group] for group in groups]


def _hold_out(
    usable: Sequence[Candidate], vectors: dict[str, FloatArray], wanted: int
) -> frozenset[str]:
    if len(usable) < 2:
        return frozenset()
    between = similarity_matrix(np.stack([vectors[c.source.name] for c in usable]))
    groups = [c.source.clip or c.source.name for c in usable]
    chosen = choose_holdout(between, [c.hash_bits for c in usable], wanted, groups)
    return frozenset(usable[index].source.name for index in chosen)


def _verdict(candidate: Candidate, held: frozenset[str], similarity: dict[str, float]) -> Verdict:
    name = candidate.source.name
    role = Role.HELD_OUT if name in held else Role.TRAIN
    if candidate.findings:
        role = Role.REFUSED
    return Verdict(
        source=name,
        role=role,
        findings=candidate.findings,
        notes=candidate.notes,
        clip=candidate.source.clip or None,
        quality=candidate.quality,
        similarity=similarity.get(name),
    )


def _photo_set(usable: Sequence[_Usable], encoder: str) -> PhotoSet:
    train: list[Photo] = []
    held_out: list[Photo] = []
    files = [item.candidate.file for item in usable]
    with read_ahead(files) as pictures:
        for item, file, picture in zip(usable, files, pictures, strict=True):
            if isinstance(picture, MediaError):
                raise picture
            candidate = item.candidate
            assert candidate.crop is not None  # it would not be usable
            photo = Photo(
                source=candidate.source.name,
                file=file,
                image=picture.image,
                face=candidate.crop.face,
                crop=candidate.crop,
                embedding=item.embedding,
                quality=_weight(candidate),
                sidecar=candidate.sidecar,
                sidecar_name=candidate.source.caption_name,
                turned_deg=candidate.turned_deg,
            )
            (held_out if item.is_held_out else train).append(photo)
    return PhotoSet(train=tuple(train), held_out=tuple(held_out), encoder=encoder)


def _weight(candidate: Candidate) -> float:
    return 1.0 if candidate.quality is None else candidate.quality.weight
