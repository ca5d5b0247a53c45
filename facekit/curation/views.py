"""The photos that make the identity tokens: good ones that each add a view."""

from collections.abc import Sequence

import numpy as np

from facekit.faces.quality import FaceQuality
from facekit.identity.similarity import similarity_matrix
from facekit.types import FloatArray

__all__ = ["choose_views"]

_FULL_TURN_DEG = 30.0
"""Heads turned apart by this much are wholly other views."""
_FULL_LIGHT = 0.25
_FULL_NEARNESS = 2.0
_FULL_FACE = 0.15
"""Embeddings less alike by this much are."""
_PARTS = (0.4, 0.2, 0.15, 0.25)
"""How much pose, light, distance and embedding count in how new a view is."""


def choose_views(
    qualities: Sequence[FaceQuality], vectors: FloatArray, count: int
) -> tuple[int, ...]:
    """Choose photos one after the other: the best, then always the one that adds most.

    What a photo adds is its weight times how much it differs from the nearest one chosen before.

    Args:
        qualities: One per photo of one person.
        vectors: Unit embeddings, shape (N, dim).
        count: How many.

    Returns:
        Indices in the order chosen, all of them where there are no more than `count`. A smaller
        `count` gives the first ones of a larger.
    """
    if not qualities:
        return ()
    weights = np.array([quality.weight for quality in qualities])
    chosen = [int(np.argmax(weights))]
    nearest = _apart(qualities, vectors, chosen[0])
    while len(chosen) < min(count, len(qualities)):
        gain = weights * nearest
        gain[chosen] = -1.0
        chosen.append(int(np.argmax(gain)))
        nearest = np.minimum(nearest, _apart(qualities, vectors, chosen[-1]))
    return tuple(chosen)


def _apart(qualities: Sequence[FaceQuality], vectors: FloatArray, one: int) -> np.ndarray:
    """How different each view is from one of them, 0..1, shape (N,)."""
    pose = np.array([[quality.yaw_deg, quality.pitch_deg] for quality in qualities])
    light = np.array([quality.brightness for quality in qualities])
    near = np.log(np.maximum([quality.face_fraction for quality in qualities], 1e-3))
    alike = similarity_matrix(vectors, vectors[one : one + 1])[:, 0]
    differences = (
        np.linalg.norm(pose - pose[one], axis=1) / _FULL_TURN_DEG,
        np.abs(light - light[one]) / _FULL_LIGHT,
        np.abs(near - near[one]) / np.log(_FULL_NEARNESS),
        (1.0 - alike) / _FULL_FACE,
    )
    parts = zip(_PARTS, differences, strict=True)
    total: np.ndarray = sum(part * np.minimum(value, 1.0) for part, value in parts)
    return total
