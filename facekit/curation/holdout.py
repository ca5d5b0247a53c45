"""Which photos are kept back, to measure the result on pictures that training never saw."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from facekit.curation.duplicates import hash_distance
from facekit.types import FloatArray

__all__ = ["LEAST_TRAINED", "choose_holdout"]

LEAST_TRAINED = 3
"""Rather hold fewer photos back than train on fewer than this."""

_MOST_SUBSETS = 5000


def choose_holdout(
    similarities: FloatArray, hashes: Sequence[int], num_held_out: int
) -> tuple[int, ...]:
    """Choose the photos that differ most from all that remain; the same photos give the same.

    Args:
        similarities: Shape (N, N), between the faces.
        hashes: One picture hash per photo.
        num_held_out: How many to choose; fewer where too few would remain.

    Returns:
        Indices, rising.
    """
    count = len(hashes)
    wanted = max(0, min(num_held_out, count - LEAST_TRAINED))
    if wanted == 0:
        return ()
    bits = np.array([[hash_distance(a, b) for b in hashes] for a in hashes])
    likeness = np.asarray(similarities + (1.0 - bits / 64.0), dtype=np.float32)
    if math.comb(count, wanted) <= _MOST_SUBSETS:
        subsets = itertools.combinations(range(count), wanted)
        return min(subsets, key=lambda held: (_cost(likeness, held), held))
    chosen: tuple[int, ...] = ()
    for _ in range(wanted):
        options = [tuple(sorted((*chosen, i))) for i in range(count) if i not in chosen]
        chosen = min(options, key=lambda held: (_cost(likeness, held), held))
    return chosen


def _cost(likeness: FloatArray, held: tuple[int, ...]) -> float:
    """How like the held-out photos are to the nearest trained ones, in all."""
    rows = list(held)
    rest = np.delete(likeness[rows], rows, axis=1)
    return round(float(rest.max(axis=1).sum()), 6)
