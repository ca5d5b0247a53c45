"""Which photos are the same picture: a perceptual hash, then the embedding."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facekit.types import FloatArray, Image

__all__ = [
    "DUPLICATE_SIMILARITY",
    "MIRRORED_SIMILARITY",
    "find_duplicates",
    "hash_distance",
    "hash_distances",
    "picture_hash",
]

DUPLICATE_SIMILARITY = 0.9
"""Two photos are the same only if their faces are at least this similar as well."""

MIRRORED_SIMILARITY = 0.8
"""A face and its mirror image are less alike than two copies: at least 0.87 on 24 photographs with
a MobileFace net, 0.88 on 27 drawings with toon-a."""

_SIDE = 32
_KEPT = 8
_MIRRORED = np.uint64(sum(1 << bit for bit in range(0, 64, 2)))
"""The bits of odd waves along a line, whose signs change when a picture is mirrored."""


def picture_hash(image: Image) -> int:
    """Return 64 bits that change little when a picture is scaled, recompressed or brightened.

    Mirrored from left to right, a picture has the same bits but for those of odd waves along a
    line, which are turned over.

    Source: the DCT hash of the pHash library (Zauner 2010, section 3.2.1): the lowest frequencies
        of a 32x32 picture; their signs, where pHash compares them with their median, for a median
        changes when a picture is mirrored.
    """
    gray = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    rows, columns = _area_matrix(gray.shape[0]), _area_matrix(gray.shape[1])
    small = rows @ gray @ columns.T
    waves = _cosines()
    frequencies = (waves @ small @ waves.T).ravel()
    bits = frequencies > 0
    bits[0] = False  # the mean brightness says nothing about the picture
    return int("".join("1" if bit else "0" for bit in bits), 2)


def hash_distance(first: int, second: int) -> int:
    """Count the bits that differ, 0..64."""
    return (first ^ second).bit_count()


def hash_distances(hashes: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Count the bits that differ between any two of N hashes, shape (N, N)."""
    known = np.array(hashes, dtype=np.uint64)
    return np.asarray(np.bitwise_count(known[:, None] ^ known[None]), dtype=np.uint8)


def find_duplicates(
    hashes: Sequence[int],
    similarities: FloatArray,
    weights: Sequence[float],
    max_distance: int,
) -> dict[int, tuple[int, int]]:
    """Find the photos that repeat a better one, mirrored ones too.

    Args:
        hashes: One per photo.
        similarities: Shape (N, N), between the faces.
        weights: Of several copies the one with the greatest weight stays, or else the first.
        max_distance: Differing bits up to which two pictures are the same.

    Returns:
        Index of each repeated photo -> (index of the one that stays, differing bits).
    """
    order = sorted(range(len(hashes)), key=lambda index: (-weights[index], index))
    known = np.array(hashes, dtype=np.uint64)
    kept = np.empty(len(hashes), dtype=np.intp)
    num_kept = 0
    repeated: dict[int, tuple[int, int]] = {}
    for index in order:
        others = kept[:num_kept]
        between, alike = known[others] ^ known[index], similarities[index, others]
        bits, mirrored = np.bitwise_count(between), np.bitwise_count(between ^ _MIRRORED)
        copies = (bits <= max_distance) & (alike >= DUPLICATE_SIMILARITY)
        flipped = (mirrored <= max_distance) & (alike >= MIRRORED_SIMILARITY)
        same = np.flatnonzero(copies | flipped)
        if len(same):
            first = same[0]
            repeated[index] = (int(others[first]), int(min(bits[first], mirrored[first])))
        else:
            kept[num_kept] = index
            num_kept += 1
    return repeated


def _area_matrix(size: int) -> npt.NDArray[np.float32]:
    """The (32, size) matrix that averages equal parts of a line."""
    edges = np.linspace(0.0, size, _SIDE + 1)
    left = np.maximum(edges[:-1, None], np.arange(size)[None])
    right = np.minimum(edges[1:, None], np.arange(1, size + 1)[None])
    return np.asarray(np.maximum(right - left, 0.0) * (_SIDE / size), dtype=np.float32)


def _cosines() -> npt.NDArray[np.float32]:
    at = (np.arange(_SIDE) + 0.5) * np.pi / _SIDE
    return np.asarray(np.cos(np.arange(_KEPT)[:, None] * at[None]), dtype=np.float32)
