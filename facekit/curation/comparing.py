"""The photos of a set against each other: copies, other people, hidden faces, heads far up."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facekit.curation.allowing import with_findings
from facekit.curation.candidates import Candidate
from facekit.curation.checks import check_pitch, compare_people, group_people, same_person_limit
from facekit.curation.covered import ALIKE_COVERED, find_covered, judge_covering
from facekit.curation.duplicates import find_duplicates
from facekit.curation.findings import Code, Finding
from facekit.faces.protocols import IdentityEncoder
from facekit.identity.similarity import similarity_matrix
from facekit.recipe import PhotosSection
from facekit.types import FloatArray

__all__ = ["compare_candidates", "other_people", "weight_of"]


def compare_candidates(
    measured: Sequence[Candidate],
    vectors: FloatArray,
    rules: PhotosSection,
    faces: IdentityEncoder,
    allowed: frozenset[Code] = frozenset(),
) -> tuple[list[Candidate], dict[str, float]]:
    """Compare the photos that are good by themselves.

    Args:
        measured: With one face each.
        vectors: Their embeddings, shape (N, dim).
        rules: The thresholds.
        faces: Embeds covered faces.
        allowed: What is overruled.

    Returns:
        The same candidates with what was found, and the similarity of each one that was compared
        to the mean of the others, by its name.
    """
    good = [index for index, c in enumerate(measured) if not c.findings]
    found = _copies(measured, vectors, good, rules.duplicate_distance)
    single = [index for index in good if index not in found]
    similarity, strangers = compare_people(vectors[single], same_person_limit(rules, faces))
    found |= _unlike(measured, vectors, single, strangers, rules, faces)
    usual = [index for index in single if index not in found]
    pitches = [_pitch_deg(measured[index]) for index in usual]
    tilted = check_pitch(pitches, rules)
    found |= {index: finding for index, finding in zip(usual, tilted, strict=True) if finding}
    refined = [
        with_findings(c, (found[index],), allowed) if index in found else c
        for index, c in enumerate(measured)
    ]
    compared = zip(single, similarity, strict=True) if len(single) > 1 else ()
    return refined, {measured[index].source.name: float(value) for index, value in compared}


def other_people(
    candidates: Sequence[Candidate], vectors: dict[str, FloatArray], min_same_person: float
) -> list[list[str]]:
    """Give the photos that show somebody else, person by person."""
    sources = [
        c.source.name
        for c in candidates
        if any(finding.code is Code.WRONG_PERSON for finding in c.findings)
    ]
    if not sources:
        return []
    groups = group_people(np.stack([vectors[source] for source in sources]), min_same_person)
    return [[sources[place] for place in group] for group in groups]


def weight_of(candidate: Candidate) -> float:
    """How much a photo counts in means."""
    return 1.0 if candidate.quality is None else candidate.quality.weight


def _copies(
    measured: Sequence[Candidate],
    vectors: FloatArray,
    good: Sequence[int],
    duplicate_distance: int,
) -> dict[int, Finding]:
    if len(good) < 2:
        return {}
    hashes = [measured[index].hash_bits for index in good]
    weights = [weight_of(measured[index]) for index in good]
    between = similarity_matrix(vectors[list(good)])
    repeated = find_duplicates(hashes, between, weights, duplicate_distance)
    return {
        good[copy]: Finding(
            code=Code.DUPLICATE,
            value=float(bits),
            limit=float(duplicate_distance),
            sentence=f"the same picture as {Path(measured[good[original]].source.name).name}:"
            f" {bits} of 64 bits of their hashes differ, up to {duplicate_distance} mean a copy;"
            " leave it out",
        )
        for copy, (original, bits) in repeated.items()
    }


def _unlike(
    measured: Sequence[Candidate],
    vectors: FloatArray,
    single: Sequence[int],
    strangers: Sequence[Finding | None],
    rules: PhotosSection,
    faces: IdentityEncoder,
) -> dict[int, Finding]:
    """Somebody else, or a hidden face."""
    crops = [crop for index in single if (crop := measured[index].crop) is not None]
    is_same = [finding is None for finding in strangers]
    coverings = find_covered(crops, vectors[list(single)], is_same, faces)
    found = {}
    for place, (index, stranger) in enumerate(zip(single, strangers, strict=True)):
        covering = coverings.get(place)
        is_hidden = covering is not None and covering.gain > rules.max_covered_gain
        if (
            covering is not None
            and is_hidden
            and (stranger is None or covering.covered >= ALIKE_COVERED)
        ):
            found[index] = judge_covering(covering, rules.max_covered_gain)
        elif stranger is not None:
            found[index] = stranger
    return found


def _pitch_deg(candidate: Candidate) -> float:
    assert candidate.quality is not None  # only measured faces are compared
    return candidate.quality.pitch_deg
