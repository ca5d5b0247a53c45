"""Cosine similarity between unit vectors: 1 is the same direction, 0 is unrelated."""

import numpy as np
import numpy.typing as npt

from facekit.types import FloatArray

__all__ = ["leave_one_out", "similarity_matrix", "weighted_mean"]

_LEAST_NORM = 1e-8
_BLOCK = 1024


def similarity_matrix(
    rows: npt.NDArray[np.floating], columns: npt.NDArray[np.floating] | None = None
) -> FloatArray:
    """Compare every row vector with every column vector.

    Args:
        rows: Shape (N, dim).
        columns: Shape (M, dim); without it the rows are compared with each other.

    Returns:
        Shape (N, M), -1..1.

    Raises:
        ValueError: The shapes do not fit, or a vector is zero.
    """
    left = _unit(rows)
    right = left if columns is None else _unit(columns)
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"vectors have lengths {left.shape[1]} and {right.shape[1]}")
    if max(len(left), len(right)) > _BLOCK:
        return _in_blocks(left, right, is_symmetric=columns is None)
    product = left @ right.T
    if columns is None:
        product = (product + product.T) / 2  # exactly symmetric, whatever the BLAS does
    return np.clip(product, -1.0, 1.0).astype(np.float32)


def _in_blocks(
    left: npt.NDArray[np.float64], right: npt.NDArray[np.float64], *, is_symmetric: bool
) -> FloatArray:
    """The same for many vectors, with no copy of the whole in double precision."""
    result = np.empty((len(left), len(right)), np.float32)
    for top in range(0, len(left), _BLOCK):
        rows = slice(top, top + _BLOCK)
        first = top if is_symmetric else 0
        for start in range(first, len(right), _BLOCK):
            columns = slice(start, start + _BLOCK)
            product = left[rows] @ right[columns].T
            if is_symmetric and start == top:
                product = (product + product.T) / 2
            result[rows, columns] = np.clip(product, -1.0, 1.0)
            if is_symmetric:
                result[columns, rows] = result[rows, columns].T
    return result


def weighted_mean(
    vectors: npt.NDArray[np.floating], weights: npt.NDArray[np.floating] | None = None
) -> FloatArray:
    """Return the mean direction of unit vectors (N, dim), as a unit vector (dim,).

    Raises:
        ValueError: No vectors, weights that are negative or all zero, or vectors that cancel out.
    """
    unit = _unit(vectors)
    if len(unit) == 0:
        raise ValueError("no vectors, expected at least one")
    share = np.ones(len(unit)) if weights is None else np.asarray(weights, dtype=np.float64)
    if share.shape != (len(unit),) or np.any(share < 0) or not share.sum() > 0:
        raise ValueError(f"weights {share.tolist()} do not fit {len(unit)} vectors")
    return np.asarray(_unit((share / share.sum())[None] @ unit)[0], dtype=np.float32)


def leave_one_out(vectors: npt.NDArray[np.floating]) -> FloatArray:
    """Return the similarity of each vector to the mean of all others, shape (N,).

    A single vector has no others and gets 1.
    """
    unit = _unit(vectors)
    if len(unit) < 2:
        return np.ones(len(unit), dtype=np.float32)
    others = unit.sum(axis=0, keepdims=True) - unit
    norms = np.maximum(np.linalg.norm(others, axis=1), _LEAST_NORM)
    similarity = (unit * others).sum(axis=1) / norms
    return np.asarray(np.clip(similarity, -1.0, 1.0), dtype=np.float32)


def _unit(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    values = np.asarray(vectors, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"vectors have shape {values.shape}, expected (N, dim)")
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    if np.any(norms < _LEAST_NORM) or not np.all(np.isfinite(norms)):
        raise ValueError("a vector is zero or not finite, expected unit vectors")
    return np.asarray(values / norms, dtype=np.float64)
