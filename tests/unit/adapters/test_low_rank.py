"""Least squares find what is there and say how much they miss."""

import pytest
import torch
from torch import Tensor

from facekit.adapters.low_rank import Squares, add_samples, fit_low_rank, missed_part


def squares(read_NC: Tensor, added_NC: Tensor) -> Squares:
    width, height = read_NC.shape[1], added_NC.shape[1]
    made = Squares(
        inputs=torch.zeros(width, width, dtype=torch.float64),
        crossed=torch.zeros(width, height, dtype=torch.float64),
    )
    for chunk in zip(read_NC.split(50), added_NC.split(50), strict=True):
        add_samples(made, *chunk)
    return made


def data(seed: int, rank: int) -> tuple[Tensor, Tensor]:
    truth = torch.Generator().manual_seed(7)
    down = torch.randn(rank, 12, generator=truth)
    up = torch.randn(9, rank, generator=truth)
    read = torch.randn(200, 12, generator=torch.Generator().manual_seed(seed))
    return read, read @ down.T @ up.T


def test_a_map_of_that_rank_is_found() -> None:
    down, up = fit_low_rank(squares(*data(0, 3)), squares(*data(1, 3)), 3)
    assert missed_part(squares(*data(2, 3)), down, up) < 1e-3


def test_the_part_that_is_missed_is_that_of_the_samples() -> None:
    down, up = fit_low_rank(squares(*data(0, 6)), squares(*data(1, 6)), 2)
    read, added = data(2, 6)
    guess = read.double() @ down.T @ up.T
    wanted = float((added.double() - guess).norm() / added.double().norm())
    missed = missed_part(squares(read, added), down, up)
    assert missed == pytest.approx(wanted, rel=1e-6)
    assert 0.2 < missed < 0.95


def test_noise_is_fitted_with_caution() -> None:
    """Few samples of something unrelated: caution misses little more than all of it."""
    generator = torch.Generator().manual_seed(3)
    pairs = [
        (torch.randn(14, 12, generator=generator), torch.randn(14, 9, generator=generator))
        for _ in range(3)
    ]
    down, up = fit_low_rank(squares(*pairs[0]), squares(*pairs[1]), 9)
    assert missed_part(squares(*pairs[2]), down, up) < 1.1
