"""Photos to verdicts: every file gets one, and the usable ones are split."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from facekit.curation.advice import advise, tell_people
from facekit.curation.allowing import read_allowed, with_findings
from facekit.curation.candidates import Candidate
from facekit.curation.checks import check_kind, check_picture, check_quality, same_person_limit
from facekit.curation.clips import expand_clips
from facekit.curation.closer_look import explain_no_face
from facekit.curation.comparing import compare_photos, other_people, stack_vectors
from facekit.curation.findings import Code, Role, Verdict
from facekit.curation.holdout import choose_holdout
from facekit.curation.inspection import Inspection, UsablePhoto
from facekit.curation.memory import Known, Memory
from facekit.curation.people import choose_person, doubt_chosen
from facekit.curation.second_look import turn_strangers
from facekit.curation.views import choose_views
from facekit.faces.protocols import FaceVendor
from facekit.faces.vendors import encoder_id
from facekit.identity.photo_set import PhotoSet
from facekit.identity.similarity import similarity_matrix
from facekit.media.scan import Source
from facekit.media.unpack import unpack_sources
from facekit.recipe import IdentitySection, PhotosSection
from facekit.types import NoProgress, Progress

__all__ = ["build_photo_set", "inspect_photos"]

_NUM_VIEWS = IdentitySection().max_photos


def inspect_photos(
    sources: Sequence[Source],
    rules: PhotosSection,
    faces: FaceVendor,
    progress: Progress | None = None,
    *,
    label: str = "checking photos",
    allow: Sequence[str] = (),
    num_views: int = _NUM_VIEWS,
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
        num_views: How many best views are chosen: ``identity.max_photos`` of the recipe.

    Raises:
        UsageError: What is to be overruled is no reason.
        MediaError: An archive is gone since it was listed.
        OutputError: The cache cannot be written.
    """
    bar, allowed = progress or NoProgress(), read_allowed(allow)
    ready = expand_clips(unpack_sources(sources, bar), rules, faces, bar)
    bar.start(len(ready), label)
    memory = Memory(faces, rules.min_detection_score, bar)
    looked_at = [_judge_alone(known, rules, allowed) for known in memory.look(ready, bar)]
    bar.finish()

    limit = same_person_limit(rules, faces)
    judged, similarity = compare_photos(looked_at, rules, memory, allowed)
    if turned := turn_strangers(judged, rules, limit, memory, bar):
        for index, known in turned.items():
            looked_at[index] = _judge_alone(known, rules, allowed)
        judged, similarity = compare_photos(looked_at, rules, memory, allowed)
    if rules.people == "choose" and any(known.candidate.people for known in judged):
        alone = [k for k in judged if k.vector is not None and not k.candidate.findings]
        vectors = stack_vectors(alone, faces.dim)
        several = [index for index, known in enumerate(looked_at) if known.candidate.people]
        bar.start(len(several), "telling several people apart")
        for index in several:
            chosen = choose_person(looked_at[index], vectors, limit, memory)
            looked_at[index] = _judge_alone(chosen, rules, allowed)
            bar.advance(1, Path(chosen.candidate.source.name).name)
        bar.finish()
        judged, similarity = compare_photos(looked_at, rules, memory, allowed)
        judged = [doubt_chosen(known) for known in judged]

    usable = [k for k in judged if k.vector is not None and not k.candidate.findings]
    held = _hold_out(usable, rules.holdout)
    traits = [k.candidate.traits for k in judged if k.candidate.traits is not None]
    wrong_kind = check_kind(traits, faces)
    of_set = () if wrong_kind is None else (wrong_kind,)
    verdicts = tuple(
        _verdict(known.candidate, held, similarity.get(index)) for index, known in enumerate(judged)
    )
    names = [known.candidate.source.name for known in usable]
    return Inspection(
        verdicts=verdicts,
        advice=(
            *advise(verdicts, rules.holdout),
            *tell_people(names, other_people(judged, limit)),
        ),
        min_usable=rules.min_usable,
        encoder=encoder_id(faces),
        findings=tuple(finding for finding in of_set if finding.code not in allowed),
        allowed=tuple(finding for finding in of_set if finding.code in allowed),
        views=_views([k for k in usable if k.candidate.source.name not in held], num_views),
        usable=tuple(
            UsablePhoto(
                candidate=known.candidate,
                embedding=known.vector,
                is_held_out=known.candidate.source.name in held,
            )
            for known in usable
            if known.vector is not None
        ),
        looked_at=tuple(judged),
        min_same_person=limit,
    )


def build_photo_set(
    sources: Sequence[Source],
    rules: PhotosSection,
    faces: FaceVendor,
    progress: Progress | None = None,
    *,
    num_views: int = _NUM_VIEWS,
) -> PhotoSet:
    """Check photos and give the usable ones, split into trained on and held out.

    Raises:
        PhotosRefused: Fewer than ``rules.min_usable`` photos are usable; the message gives the
            reason of each of the others.
        MediaError: As for `inspect_photos`.
        OutputError: As for `inspect_photos`.
    """
    return inspect_photos(sources, rules, faces, progress, num_views=num_views).require()


def _judge_alone(known: Known, rules: PhotosSection, allowed: frozenset[Code]) -> Known:
    """What one photo falls short of by itself."""
    candidate = known.candidate
    if candidate.hidden is not None:
        # The face was not found all the same, so that stays whatever is overruled.
        alone = replace(candidate, findings=())
        first = with_findings(alone, explain_no_face(candidate.hidden, rules), allowed)
        kept = (*first.findings, *candidate.findings)
        return replace(known, candidate=replace(first, findings=kept))
    if candidate.quality is None or candidate.traits is None:
        return known
    found = [*check_quality(candidate.quality, rules)]
    # Where the light is wrong, it is no filter that left few values.
    is_lit = not any(finding.code in (Code.TOO_DARK, Code.TOO_BRIGHT) for finding in found)
    seen = check_picture(candidate.traits, rules)
    found += [finding for finding in seen if is_lit or finding.code is not Code.FILTERED]
    return replace(known, candidate=with_findings(candidate, found, allowed))


def _views(trained: Sequence[Known], count: int) -> tuple[str, ...]:
    measured = [known for known in trained if known.candidate.quality is not None]
    qualities = [k.candidate.quality for k in measured if k.candidate.quality is not None]
    chosen = choose_views(qualities, stack_vectors(measured, 0), count)
    return tuple(measured[index].candidate.source.name for index in chosen)


def _hold_out(usable: Sequence[Known], wanted: int) -> frozenset[str]:
    if len(usable) < 2:
        return frozenset()
    candidates = [known.candidate for known in usable]
    between = similarity_matrix(stack_vectors(usable, 0))
    groups = [c.source.clip or c.source.name for c in candidates]
    chosen = choose_holdout(between, [c.hash_bits for c in candidates], wanted, groups)
    return frozenset(candidates[index].source.name for index in chosen)


def _verdict(candidate: Candidate, held: frozenset[str], similarity: float | None) -> Verdict:
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
        face=None if candidate.crop is None else candidate.crop.face,
        people=candidate.everybody,
        similarity=similarity,
    )
