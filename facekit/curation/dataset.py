"""Photos to a photo set: every file gets a verdict, and the usable ones are split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facekit.curation.advice import Advice, advise, tell_people
from facekit.curation.allowing import read_allowed, with_findings
from facekit.curation.candidates import Candidate, examine
from facekit.curation.checks import check_kind, check_picture, check_quality, same_person_limit
from facekit.curation.clips import expand_clips
from facekit.curation.comparing import compare_candidates, other_people, weight_of
from facekit.curation.findings import Code, Finding, Role, Verdict
from facekit.curation.holdout import choose_holdout
from facekit.curation.people import choose_person
from facekit.curation.second_look import turn_strangers
from facekit.curation.views import BEST_VIEWS, choose_views
from facekit.errors import MediaError, PhotosRefused
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import encoder_id
from facekit.identity.photo_set import Photo, PhotoSet
from facekit.identity.similarity import similarity_matrix
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
    findings: tuple[Finding, ...] = ()
    """What refuses the set as a whole."""
    views: tuple[str, ...] = ()
    """The photos to train on that show most between them, the best first; at most `BEST_VIEWS`."""
    allowed: tuple[Finding, ...] = ()
    """What would have refused the set, and was overruled."""

    @property
    def accepted(self) -> bool:
        """Whether enough photos are usable, and nothing refuses the set."""
        return len(self.usable) >= max(self.min_usable, 1) and not self.findings

    @property
    def overruled(self) -> tuple[str, ...]:
        """A line for each finding that was overruled, of the set and of photos."""
        of_photos = (f"{v.source}: {v.overruled}" for v in self.verdicts if v.allowed)
        return (*(finding.sentence for finding in self.allowed), *of_photos)

    @property
    def overruled_codes(self) -> tuple[str, ...]:
        """The codes of all findings that were overruled, each once."""
        findings = [*self.allowed, *(f for v in self.verdicts for f in v.allowed)]
        return tuple(sorted({finding.code.value for finding in findings}))

    @property
    def set_aside(self) -> tuple[str, ...]:
        """A line for each photo that is not used, with its reasons."""
        return tuple(f"{v.source}: {v.reasons}" for v in self.verdicts if not v.usable)

    @property
    def noted(self) -> tuple[str, ...]:
        """A line for each photo that is used and was not taken as it is."""
        return tuple(f"{v.source}: {v.remarks}" for v in self.verdicts if v.usable and v.notes)

    def require(self) -> PhotoSet:
        """Read the usable photos once more and give them.

        Raises:
            PhotosRefused: They are too few, and the message gives the reason of each of the
                others; or something refuses the set.
            MediaError: A photo is no longer there.
        """
        if self.accepted:
            return _photo_set(self.usable, self.encoder)
        if self.findings:
            raise PhotosRefused("; ".join(finding.sentence for finding in self.findings))
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
    allow: Sequence[str] = (),
) -> Inspection:
    """Give a verdict on every photo; a bad one never stops the others.

    Args:
        sources: What `scan_sources` gave; archives are unpacked into the cache, and clips give
            their best frames.
        rules: The thresholds.
        faces: Detector and encoder that training will use.
        progress: Counts the photos.
        label: What the progress is called.
        allow: Codes of reasons that are overruled; what they would have refused stays on record.

    Raises:
        UsageError: What is to be overruled is no reason.
        MediaError: An archive is gone since it was listed.
        OutputError: The cache cannot be written.
    """
    bar, allowed = progress or NoProgress(), read_allowed(allow)
    ready = expand_clips(unpack_sources(sources, bar), rules, faces, bar)
    bar.start(len(ready), label)
    candidates = [
        _judge_alone(c, rules, allowed)
        for c in examine(ready, faces, rules.min_detection_score, bar)
    ]
    bar.finish()

    measured = [c for c in candidates if c.crop is not None]
    vectors = _embed(measured, faces)
    limit = same_person_limit(rules, faces)
    judged, similarity = compare_candidates(measured, vectors, rules, faces, allowed)
    turned = turn_strangers(judged, vectors, rules, limit, faces)
    for index, (candidate, vector) in turned.items():
        measured[index], vectors[index] = candidate, vector
    if turned:
        judged, similarity = compare_candidates(measured, vectors, rules, faces, allowed)
    known = vectors[[index for index, c in enumerate(judged) if not c.findings]]
    refined: dict[str, Candidate] = {}
    for several in (c for c in candidates if c.people and rules.people == "choose"):
        alone, vector_of_one = choose_person(several, known, limit, faces)
        refined[alone.source.name] = alone
        if vector_of_one is not None:
            measured.append(_judge_alone(alone, rules, allowed))
            vectors = np.concatenate([vectors, vector_of_one[None]])
    if len(measured) > len(judged):
        judged, similarity = compare_candidates(measured, vectors, rules, faces, allowed)
    by_source = {c.source.name: vector for c, vector in zip(judged, vectors, strict=True)}
    refined |= {c.source.name: c for c in judged}
    candidates = [refined.get(c.source.name, c) for c in candidates]

    usable = [c for c in candidates if c.crop is not None and not c.findings]
    held = _hold_out(usable, by_source, rules.holdout)
    verdicts = tuple(_verdict(c, held, similarity) for c in candidates)
    wrong_kind = check_kind([c.traits for c in candidates if c.traits is not None], faces.name)
    of_set = () if wrong_kind is None else (wrong_kind,)
    return Inspection(
        verdicts=verdicts,
        advice=(
            *advise(verdicts, rules.holdout),
            *tell_people(
                [c.source.name for c in usable], other_people(candidates, by_source, limit)
            ),
        ),
        min_usable=rules.min_usable,
        encoder=encoder_id(faces),
        findings=tuple(finding for finding in of_set if finding.code not in allowed),
        allowed=tuple(finding for finding in of_set if finding.code in allowed),
        views=_views([c for c in usable if c.source.name not in held], by_source),
        usable=tuple(
            _Usable(
                candidate=c,
                embedding=by_source[c.source.name],
                is_held_out=c.source.name in held,
            )
            for c in usable
        ),
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


def _judge_alone(candidate: Candidate, rules: PhotosSection, allowed: frozenset[Code]) -> Candidate:
    """What one photo falls short of by itself."""
    if candidate.quality is None or candidate.traits is None:
        return candidate
    found = [*check_quality(candidate.quality, rules)]
    # Where the light is wrong, it is no filter that left few values.
    is_lit = not any(finding.code in (Code.TOO_DARK, Code.TOO_BRIGHT) for finding in found)
    seen = check_picture(candidate.traits, rules)
    found += [finding for finding in seen if is_lit or finding.code is not Code.FILTERED]
    return with_findings(candidate, found, allowed)


def _embed(measured: Sequence[Candidate], faces: FaceVendor) -> FloatArray:
    crops = [c.crop for c in measured if c.crop is not None]
    return faces.encode(crops) if crops else np.zeros((0, faces.dim), np.float32)


def _views(trained: Sequence[Candidate], vectors: dict[str, FloatArray]) -> tuple[str, ...]:
    if not trained:
        return ()
    qualities = [c.quality for c in trained if c.quality is not None]
    embedded = np.stack([vectors[c.source.name] for c in trained])
    chosen = choose_views(qualities, embedded, BEST_VIEWS)
    return tuple(trained[index].source.name for index in chosen)


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
        allowed=candidate.allowed,
        traits=candidate.traits,
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
                quality=weight_of(candidate),
                sidecar=candidate.sidecar,
                sidecar_name=candidate.source.caption_name,
                turned_deg=candidate.turned_deg,
                cut_xyxy_px=candidate.cut_xyxy_px,
            )
            (held_out if item.is_held_out else train).append(photo)
    return PhotoSet(train=tuple(train), held_out=tuple(held_out), encoder=encoder)
