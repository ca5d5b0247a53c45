"""Photos that seem to show somebody else may only lie on their side: the others decide.

A detector that knows upright faces alone may see one in a picture that lies on its side, sure
enough and in the wrong place. Such a face is like nobody.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facekit.curation.candidates import Candidate
from facekit.curation.checks import check_quality
from facekit.curation.findings import Code
from facekit.curation.memory import Known, Memory
from facekit.errors import MediaError
from facekit.identity.similarity import similarity_matrix
from facekit.recipe import PhotosSection
from facekit.types import FloatArray, Progress

__all__ = ["CLEARLY_MORE_ALIKE", "turn_strangers"]

CLEARLY_MORE_ALIKE = 0.2
"""Turned, a face must be more like the others by this than it was."""

_UNLIKE = (Code.WRONG_PERSON, Code.OCCLUDED)


def turn_strangers(
    judged: Sequence[Known],
    rules: PhotosSection,
    min_same_person: float,
    memory: Memory,
    progress: Progress,
) -> dict[int, Known]:
    """Look at those who seem to be somebody else, or to be hidden, again, turned.

    Args:
        judged: Photos, with what was found when they were compared.
        rules: The thresholds of a photo by itself.
        min_same_person: Below it, it is somebody else.
        memory: Looks at a photo turned, once.
        progress: Counts them, where there are any.

    Returns:
        Index of each one that turned out to be the same person -> the turned photo, without
        findings.
    """
    known = [k.vector for k in judged if k.vector is not None and not k.candidate.findings]
    if len(known) < 2:
        return {}
    mean = np.stack(known).mean(axis=0, keepdims=True)
    mean = np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)
    unlike = [index for index, one in enumerate(judged) if _is_unlike(one)]
    if not unlike:
        return {}
    progress.start(len(unlike), "looking at unlike faces again, turned")
    turned = {}
    for index in unlike:
        candidate, vector = judged[index].candidate, judged[index].vector
        if vector is not None:
            least = float(similarity_matrix(vector[None], mean)[0, 0])
            least = max(min_same_person, least + CLEARLY_MORE_ALIKE)
            if (found := _best_turn(candidate, mean, least, rules, memory)) is not None:
                turned[index] = found
        progress.advance(1, Path(candidate.source.name).name)
    progress.finish()
    return turned


def _is_unlike(known: Known) -> bool:
    codes = (finding.code for finding in known.candidate.findings)
    return known.vector is not None and any(code in _UNLIKE for code in codes)


def _best_turn(
    candidate: Candidate, mean: FloatArray, least: float, rules: PhotosSection, memory: Memory
) -> Known | None:
    """The turn that is most like the mean; None where none is like it enough."""
    best: Known | None = None
    for degrees in (0, 90, 180, 270):
        if degrees == candidate.turned_deg:
            continue
        try:
            known = memory.look_turned(candidate.source, degrees)
        except MediaError:
            return None  # it could be read before, so what was found then stands
        quality = known.candidate.quality
        if known.vector is None or quality is None or check_quality(quality, rules):
            continue
        likeness = float(similarity_matrix(known.vector[None], mean)[0, 0])
        if likeness >= least:
            best, least = known, likeness
    return best
