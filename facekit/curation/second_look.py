"""Photos that seem to show somebody else may only lie on their side: the others decide.

A detector that knows upright faces alone may see one in a picture that lies on its side, sure
enough and in the wrong place. Such a face is like nobody.
"""

from collections.abc import Sequence

import numpy as np

from facekit.curation.candidates import Candidate
from facekit.curation.checks import check_quality
from facekit.curation.findings import Code
from facekit.curation.memory import Memory
from facekit.errors import MediaError
from facekit.identity.similarity import similarity_matrix
from facekit.recipe import PhotosSection
from facekit.types import FloatArray

__all__ = ["CLEARLY_MORE_ALIKE", "turn_strangers"]

CLEARLY_MORE_ALIKE = 0.2
"""Turned, a face must be more like the others by this than it was."""


def turn_strangers(
    judged: Sequence[Candidate],
    vectors: FloatArray,
    rules: PhotosSection,
    min_same_person: float,
    memory: Memory,
) -> dict[int, tuple[Candidate, FloatArray]]:
    """Look at those who seem to be somebody else again, turned.

    Args:
        judged: Candidates with one face each, and with what was found when they were compared.
        vectors: Their embeddings, shape (N, dim).
        rules: The thresholds of a photo by itself.
        min_same_person: Below it, it is somebody else.
        memory: Looks at a photo turned, once.

    Returns:
        Index of each one that turned out to be the same person -> the turned candidate, without
        findings, and its embedding, shape (dim,).
    """
    known = vectors[[index for index, c in enumerate(judged) if not c.findings]]
    if len(known) < 2:
        return {}
    mean = known.mean(axis=0, keepdims=True)
    mean = np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)
    turned = {}
    for index, candidate in enumerate(judged):
        if any(finding.code is Code.WRONG_PERSON for finding in candidate.findings):
            least = float(similarity_matrix(vectors[index : index + 1], mean)[0, 0])
            least = max(min_same_person, least + CLEARLY_MORE_ALIKE)
            if (found := _best_turn(candidate, mean, least, rules, memory)) is not None:
                turned[index] = found
    return turned


def _best_turn(
    candidate: Candidate, mean: FloatArray, least: float, rules: PhotosSection, memory: Memory
) -> tuple[Candidate, FloatArray] | None:
    """The turn that is most like the mean; None where none is like it enough."""
    best: tuple[Candidate, FloatArray] | None = None
    for degrees in (0, 90, 180, 270):
        if degrees == candidate.turned_deg:
            continue
        try:
            known = memory.look_turned(candidate.source, degrees)
        except MediaError:
            return None  # it could be read before, so what was found then stands
        other, vector = known.candidate, known.vector
        if vector is None or other.quality is None or check_quality(other.quality, rules):
            continue
        likeness = float(similarity_matrix(vector[None], mean)[0, 0])
        if likeness >= least:
            best, least = (other, vector), likeness
    return best
