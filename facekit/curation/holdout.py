"""Which photos are kept back, to measure the result on pictures that training never saw."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from facekit.curation.duplicates import hash_distances
from facekit.types import FloatArray

__all__ = ["LEAST_TRAINED", "choose_holdout"]

LEAST_TRAINED = 3
"""Rather hold fewer photos back than train on fewer than this."""

_MOST_SUBSETS = 5000


def choose_holdout(
    similarities: FloatArray, hashes: Sequence[int], num_held_out: int, groups: Sequence[str] = ()
) -> tuple[int, ...]:
    """Choose the photos that differ most from all that remain; the same photos give the same.

    Photos of one group go together, to either side: frames of one clip are neighbours, and a
    neighbour of what was trained judges nothing. Where all photos are of one group, there is no
    other way than to divide it. Rather than too many, fewer photos than wanted are held out; more
    only where every group is larger.

    Args:
        similarities: Shape (N, N), between the faces.
        hashes: One picture hash per photo.
        num_held_out: How many to choose; fewer where too few would remain.
        groups: What each photo belongs to; empty where each stands for itself.

    Returns:
        Indices, rising.
    """
    count = len(hashes)
    most = count - LEAST_TRAINED
    wanted = max(0, min(num_held_out, most))
    if wanted == 0:
        return ()
    likeness = np.asarray(similarities + (1.0 - hash_distances(hashes) / 64.0), dtype=np.float32)
    units = _units(groups or [str(index) for index in range(count)])
    for size in range(wanted, 0, -1):
        if held := _best_of_size(likeness, units, size):
            return held
    larger = sorted(len(unit) for unit in units if wanted < len(unit) <= most)
    return _best_of_size(likeness, units, larger[0]) if larger else ()


def _units(groups: Sequence[str]) -> list[tuple[int, ...]]:
    """The photos of each group, groups in order of their first photo."""
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    if len(members) == 1:
        return [(index,) for index in range(len(groups))]
    return [tuple(indices) for indices in members.values()]


def _best_of_size(
    likeness: FloatArray, units: Sequence[tuple[int, ...]], size: int
) -> tuple[int, ...]:
    """The best choice of whole units with this many photos in all; empty where there is none."""
    small = [unit for unit in units if len(unit) <= size]
    if not small:
        return ()
    sizes = [len(unit) for unit in small]
    numbers = range(math.ceil(size / max(sizes)), min(len(small), size // min(sizes)) + 1)
    num_subsets = sum(math.comb(len(small), number) for number in numbers)
    if num_subsets <= _MOST_SUBSETS:
        chosen = (
            tuple(sorted(itertools.chain(*subset)))
            for number in numbers
            for subset in itertools.combinations(small, number)
            if sum(map(len, subset)) == size
        )
        return min(chosen, key=lambda held: (_cost(likeness, held), held), default=())
    held: tuple[int, ...] = ()
    while len(held) < size:
        options = [
            tuple(sorted((*held, *unit)))
            for unit in small
            if unit[0] not in held and len(held) + len(unit) <= size
        ]
        if not options:
            return ()
        held = min(options, key=lambda option: (_cost(likeness, option), option))
    return held


def _cost(likeness: FloatArray, held: tuple[int, ...]) -> float:
    """How like the held-out photos are to the nearest trained ones, in all."""
    rows = list(held)
    rest = np.delete(likeness[rows], rows, axis=1)
    return round(float(rest.max(axis=1).sum()), 6)
