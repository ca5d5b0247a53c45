"""The photos of a set against each other: copies, other people, hidden faces, heads far up."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from facekit.curation.allowing import with_findings
from facekit.curation.candidates import Candidate
from facekit.curation.checks import (
    check_pitch,
    compare_people,
    covered_limit,
    group_people,
    same_person_limit,
)
from facekit.curation.covered import (
    ALIKE_COVERED,
    SURELY_ALIKE,
    find_covered,
    judge_covering,
)
from facekit.curation.duplicates import find_duplicates
from facekit.curation.findings import Code, Finding
from facekit.curation.memory import Known, Memory
from facekit.identity.similarity import similarity_matrix
from facekit.recipe import PhotosSection
from facekit.types import FloatArray

__all__ = ["compare_photos", "other_people", "stack_vectors", "weight_of"]


def compare_photos(
    looked_at: Sequence[Known],
    rules: PhotosSection,
    memory: Memory,
    allowed: frozenset[Code] = frozenset(),
) -> tuple[list[Known], dict[int, float]]:
    """Compare the photos that are good by themselves.

    Args:
        looked_at: All photos, judged by themselves.
        rules: The thresholds.
        memory: Embeds covered faces, each once.
        allowed: What is overruled.

    Returns:
        The same photos with what was found, and the similarity of each one that was compared to
        the mean of the others, by its index.
    """
    good = [i for i, k in enumerate(looked_at) if k.vector is not None and not k.candidate.findings]
    copies = _copies(looked_at, good, rules.duplicate_distance)
    found: dict[int, tuple[Finding, ...]] = {index: (finding,) for index, finding in copies.items()}
    single = [index for index in good if index not in found]
    vectors = stack_vectors([looked_at[index] for index in single], memory.faces.dim)
    similarity, strangers = compare_people(vectors, same_person_limit(rules, memory.faces))
    found |= _unlike(looked_at, vectors, single, strangers, rules, memory)
    usual = [index for index in single if index not in found]
    pitches = [_pitch_deg(looked_at[index].candidate) for index in usual]
    tilted = check_pitch(pitches, rules)
    found |= {index: (finding,) for index, finding in zip(usual, tilted, strict=True) if finding}
    refined = [
        replace(k, candidate=with_findings(k.candidate, found[index], allowed))
        if index in found
        else k
        for index, k in enumerate(looked_at)
    ]
    compared = zip(single, similarity, strict=True) if len(single) > 1 else ()
    return refined, {index: float(value) for index, value in compared}


def stack_vectors(looked_at: Sequence[Known], dim: int) -> FloatArray:
    """The embeddings of photos that have one, shape (N, dim)."""
    vectors = [known.vector for known in looked_at if known.vector is not None]
    return np.stack(vectors) if vectors else np.zeros((0, dim), np.float32)


def other_people(looked_at: Sequence[Known], min_same_person: float) -> list[list[str]]:
    """Give the photos that show somebody else, person by person."""
    strangers = [
        known
        for known in looked_at
        if any(finding.code is Code.WRONG_PERSON for finding in known.candidate.findings)
    ]
    vectors = [known.vector for known in strangers if known.vector is not None]
    if not vectors:
        return []
    names = [known.candidate.source.name for known in strangers]
    groups = group_people(np.stack(vectors), min_same_person)
    return [[names[place] for place in group] for group in groups]


def weight_of(candidate: Candidate) -> float:
    """How much a photo counts in means."""
    return 1.0 if candidate.quality is None else candidate.quality.weight


def _copies(
    looked_at: Sequence[Known], good: Sequence[int], duplicate_distance: int
) -> dict[int, Finding]:
    if len(good) < 2:
        return {}
    measured = [looked_at[index].candidate for index in good]
    between = similarity_matrix(stack_vectors([looked_at[index] for index in good], 0))
    hashes = [c.hash_bits for c in measured]
    # Weights are the same from 48 px on; of copies the one with more pixels stays.
    weights = [weight_of(c) * (c.quality.face_px if c.quality else 0.0) for c in measured]
    repeated = find_duplicates(hashes, between, weights, duplicate_distance)
    return {
        good[copy]: Finding(
            code=Code.DUPLICATE,
            value=float(bits),
            limit=float(duplicate_distance),
            sentence=f"the same picture as {Path(measured[original].source.name).name}:"
            f" {bits} of 64 bits of their hashes differ, up to {duplicate_distance} mean a copy;"
            " leave it out",
        )
        for copy, (original, bits) in repeated.items()
    }


def _unlike(
    looked_at: Sequence[Known],
    vectors: FloatArray,
    single: Sequence[int],
    strangers: Sequence[Finding | None],
    rules: PhotosSection,
    memory: Memory,
) -> dict[int, tuple[Finding, ...]]:
    """Somebody else, or a hidden face; both where that cannot be told."""
    crops = [crop for index in single if (crop := looked_at[index].candidate.crop) is not None]
    is_same = [finding is None for finding in strangers]
    limit = covered_limit(rules, memory.faces)
    coverings = find_covered(crops, vectors, is_same, memory.faces, memory.look_covered)
    found: dict[int, tuple[Finding, ...]] = {}
    for place, (index, stranger) in enumerate(zip(single, strangers, strict=True)):
        covering = coverings.get(place)
        reasons: tuple[Finding, ...] = () if stranger is None else (stranger,)
        if covering is not None and covering.gain > limit:
            hidden = judge_covering(covering, limit)
            if stranger is None or covering.covered >= SURELY_ALIKE:
                reasons = (hidden,)
            elif covering.covered >= ALIKE_COVERED:
                reasons = (hidden, stranger)
        if reasons:
            found[index] = reasons
    return found


def _pitch_deg(candidate: Candidate) -> float:
    assert candidate.quality is not None  # only measured faces are compared
    return candidate.quality.pitch_deg
