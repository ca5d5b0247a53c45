"""What may be done to factors without changing delta W, and how far two of them are apart."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from facekit.adapters.formats.factors import Factors, LokrFactors, LoraFactors

__all__ = [
    "add_factors",
    "approximate",
    "fold_alpha",
    "join_rows",
    "relative_error",
    "split_rows",
]


def fold_alpha(factors: LoraFactors) -> LoraFactors:
    """Multiply alpha / rank into ``up`` in float32, so that alpha becomes the rank.

    The dtype is kept where that is exact, as with a power of two; else ``up`` becomes float32.
    """
    if factors.scale == 1:
        return factors
    scaled = factors.up.double() * factors.scale
    single = scaled.float()
    kept = single.to(factors.up.dtype)
    up = kept if torch.equal(kept.double(), scaled) else single
    return replace(factors, up=up, alpha=float(factors.rank))


def split_rows(factors: LoraFactors, rows: Sequence[int]) -> tuple[LoraFactors | None, ...]:
    """Cut the LoRA of a fused layer into those of its parts: the same ``down``, rows of ``up``.

    Args:
        factors: Of the fused layer.
        rows: Outputs of each part, in order; their sum is that of the fused layer.

    Returns:
        One per part, without the ranks that it does not use; None where nothing is added.
    """
    magnitudes: Sequence[Tensor | None] = [None] * len(rows)
    if factors.magnitude is not None:
        magnitudes = torch.split(factors.magnitude, list(rows))
    parts: list[LoraFactors | None] = []
    for up, magnitude in zip(torch.split(factors.up, list(rows)), magnitudes, strict=True):
        used = up.flatten(1).reshape(up.shape[0], factors.rank, -1).ne(0).any(dim=2).any(dim=0)
        count = int(used.sum())
        if count == 0 and magnitude is None:
            parts.append(None)
        elif 0 < count < factors.rank:
            alpha = factors.alpha * count / factors.rank
            part = LoraFactors(down=factors.down[used], up=up[:, used], alpha=alpha)
            parts.append(replace(part, magnitude=magnitude))
        else:
            parts.append(replace(factors, up=up, magnitude=magnitude))
    return tuple(parts)


def join_rows(parts: Sequence[LoraFactors | None], rows: Sequence[int]) -> LoraFactors:
    """Make the LoRA of a fused layer of those of its parts; the rank becomes their sum.

    Where all parts have the same ``down`` and alpha the rank stays.

    Args:
        parts: At least one that is not None; a missing one adds nothing. All or none are DoRA.
        rows: Outputs of each part.
    """
    here = [part for part in parts if part is not None]
    first = here[0]
    shared = len(here) == len(parts) and all(
        part.scale == first.scale and torch.equal(part.down, first.down) for part in here
    )
    magnitude = None
    if first.magnitude is not None:
        magnitude = torch.cat([part.magnitude for part in here if part.magnitude is not None])
    if shared:
        up = torch.cat([part.up for part in here])
        return replace(first, up=up, magnitude=magnitude)
    folded = [None if part is None else fold_alpha(part) for part in parts]
    ranks = [0 if part is None else part.rank for part in folded]
    dtype = _widest([part.up.dtype for part in folded if part is not None])
    up = torch.zeros(sum(rows), sum(ranks), *first.up.shape[2:], dtype=dtype)
    row = column = 0
    for part, height, rank in zip(folded, rows, ranks, strict=True):
        if part is not None:
            up[row : row + height, column : column + rank] = part.up.to(dtype)
        row, column = row + height, column + rank
    widest = _widest([part.down.dtype for part in here])
    down = torch.cat([part.down.to(widest) for part in here])
    return LoraFactors(down=down, up=up, alpha=float(sum(ranks)), magnitude=magnitude)


def add_factors(first: LoraFactors, second: LoraFactors) -> LoraFactors:
    """The LoRA that adds what both add; the rank becomes their sum."""
    one, two = fold_alpha(first), fold_alpha(second)
    dtype = _widest([one.up.dtype, two.up.dtype, one.down.dtype, two.down.dtype])
    up = torch.cat([one.up.to(dtype), two.up.to(dtype)], dim=1)
    down = torch.cat([one.down.to(dtype), two.down.to(dtype)])
    return LoraFactors(down=down, up=up, alpha=float(down.shape[0]))


def approximate(factors: Factors, rank: int) -> tuple[LoraFactors, float]:
    """The plain LoRA of a rank nearest to what is added, by singular values.

    Returns:
        The LoRA in float32, and what is lost as a part of the norm of delta W, 0..1.
    """
    delta = factors.delta()
    left, values, right = torch.linalg.svd(delta, full_matrices=False)
    kept = min(rank, len(values))
    root = values[:kept].sqrt()
    up, down = left[:, :kept] * root, root[:, None] * right[:kept]
    total = float(values.square().sum())
    lost = float(values[kept:].square().sum())
    plain = LoraFactors(down=down.float(), up=up.float(), alpha=float(kept))
    return plain, (lost / total) ** 0.5 if total else 0.0


def relative_error(got: Factors, expected: Factors) -> float:
    """How far delta W is from what is expected, as a part of the norm of the latter.

    Of DoRA the magnitudes count as well; infinite where only one has them or the shapes differ.
    """
    if got.shape != expected.shape:
        return float("inf")
    if isinstance(got, LokrFactors) or isinstance(expected, LokrFactors):
        difference = torch.linalg.norm(got.delta() - expected.delta())
        size = torch.linalg.norm(expected.delta())
        return _part(float(difference), float(size))
    of_product = _part(_norm([(got, 1.0), (expected, -1.0)]), _norm([(expected, 1.0)]))
    if got.magnitude is None and expected.magnitude is None:
        return of_product
    if got.magnitude is None or expected.magnitude is None:
        return float("inf")
    apart = torch.linalg.norm(got.magnitude.double() - expected.magnitude.double())
    size = torch.linalg.norm(expected.magnitude.double())
    return max(of_product, _part(float(apart), float(size)))


def _norm(terms: Sequence[tuple[LoraFactors, float]]) -> float:
    """The Frobenius norm of a sum of products, without making the products."""
    up = torch.cat([sign * each.scale * each.up.double().flatten(1) for each, sign in terms], 1)
    down = torch.cat([each.down.double().flatten(1) for each, _ in terms])
    if max(up.shape[1], 1) >= min(up.shape[0], down.shape[1]):
        return float(torch.linalg.norm(up @ down))
    inner = torch.linalg.qr(up).R @ torch.linalg.qr(down.T).R.T
    return float(torch.linalg.norm(inner))


def _part(difference: float, size: float) -> float:
    if size == 0:
        return 0.0 if difference == 0 else float("inf")
    return difference / size


def _widest(dtypes: Sequence[torch.dtype]) -> torch.dtype:
    widest = dtypes[0]
    for dtype in dtypes[1:]:
        widest = torch.promote_types(widest, dtype)
    return widest
