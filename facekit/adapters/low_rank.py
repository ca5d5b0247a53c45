"""Least squares of low rank, cautious enough for what was not seen.

Shapes: N tokens, C channels.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Squares", "add_samples", "fit_low_rank", "missed_part"]

_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Parts of the mean square of the activations that may be added to their squares, so that prompts
which were not seen are not guessed wildly; each site takes the one that does best on them."""


@dataclass(slots=True, eq=False)
class Squares:
    """What least squares need of many samples, in float64; grows by ``add_samples``."""

    inputs: Tensor
    crossed: Tensor
    target: float = 0.0


def add_samples(squares: Squares, read_NC: Tensor, added_NC: Tensor) -> None:
    """Count samples: what goes in, and what should come out."""
    read, added = read_NC.double().cpu(), added_NC.double().cpu()
    squares.inputs += read.T @ read
    squares.crossed += read.T @ added
    squares.target += float(added.square().sum())


def missed_part(squares: Squares, down: Tensor, up: Tensor) -> float:
    """The part of the target that ``read @ down.T @ up.T`` misses, root mean square."""
    if squares.target == 0:
        return 0.0
    guess = (down @ squares.inputs @ down.T * (up.T @ up)).sum()
    overlap = (down @ squares.crossed * up.T).sum()
    missed: float = squares.target - 2 * float(overlap) + float(guess)
    return math.sqrt(max(missed, 0.0) / squares.target)


def fit_low_rank(fitting: Squares, choosing: Squares, rank: int) -> tuple[Tensor, Tensor]:
    """The cautious fit that does best on other prompts: (rank, in) and (out, rank)."""
    candidates = [_regress(fitting, rank, ridge) for ridge in _RIDGES]
    return min(candidates, key=lambda pair: missed_part(choosing, *pair))


def _regress(squares: Squares, rank: int, ridge: float) -> tuple[Tensor, Tensor]:
    """Reduced-rank ridge regression.

    Source: Izenman, Reduced-rank regression for the multivariate linear model (1975), theorem 1,
    with the identity as weight.
    """
    size = squares.inputs.shape[0]
    caution = ridge * float(squares.inputs.diagonal().mean())
    whole = torch.linalg.solve(
        squares.inputs + caution * torch.eye(size, dtype=torch.float64), squares.crossed
    )
    _, vectors = torch.linalg.eigh(whole.T @ squares.inputs @ whole)
    up = vectors[:, -rank:]
    return (whole @ up).T.contiguous(), up.contiguous()
