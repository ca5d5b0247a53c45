"""Factors may be folded, cut, joined and added; delta W stays."""

import pytest
import torch

from facekit.adapters.formats.arithmetic import (
    add_factors,
    approximate,
    fold_alpha,
    join_rows,
    relative_error,
    split_rows,
)
from facekit.adapters.formats.factors import LokrFactors, LoraFactors


def factors(
    rows: int = 12,
    columns: int = 10,
    rank: int = 3,
    alpha: float = 2.0,
    seed: int = 0,
    **more: object,
) -> LoraFactors:
    generator = torch.Generator().manual_seed(seed)
    dtype = more.get("dtype", torch.float32)
    assert isinstance(dtype, torch.dtype)
    return LoraFactors(
        down=torch.randn(rank, columns, generator=generator).to(dtype),
        up=torch.randn(rows, rank, generator=generator).to(dtype),
        alpha=alpha,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("alpha", [1.0, 3.0, 6.0, 7.0])
def test_folding_keeps_delta_w_and_the_dtype_where_that_is_exact(
    dtype: torch.dtype, alpha: float
) -> None:
    one = factors(alpha=alpha, dtype=dtype)
    kept = one.up.clone()
    folded = fold_alpha(one)
    assert folded.scale == 1
    assert relative_error(folded, one) < 1e-7
    assert folded.up.dtype == (dtype if alpha in (3.0, 6.0) else torch.float32)
    assert folded.down.dtype == dtype
    assert torch.equal(one.up, kept)


def test_an_overflow_of_half_precision_is_avoided() -> None:
    one = LoraFactors(
        down=torch.ones(1, 2).half(), up=torch.full((2, 1), 60000.0).half(), alpha=4.0
    )
    assert fold_alpha(one).up.isfinite().all()


def test_joining_then_cutting_gives_the_parts_back() -> None:
    parts = [factors(4, rank=2, seed=1), None, factors(6, rank=3, seed=2, alpha=5.0)]
    rows = [4, 5, 6]
    whole = join_rows(parts, rows)
    assert whole.rank == 5
    assert whole.shape == (15, 10)
    again = split_rows(whole, rows)
    assert again[1] is None
    for before, after in zip(parts, again, strict=True):
        if before is not None:
            assert after is not None
            assert after.rank == before.rank
            assert relative_error(after, before) < 1e-6


def test_parts_that_share_what_goes_in_keep_the_rank() -> None:
    whole = factors(15, rank=4)
    cut = split_rows(whole, [4, 5, 6])
    assert join_rows(cut, [4, 5, 6]).rank == 4
    assert relative_error(join_rows(cut, [4, 5, 6]), whole) < 1e-12


def test_adding_adds() -> None:
    one, two = factors(seed=1), factors(seed=2, rank=5, alpha=9.0)
    assert torch.allclose(add_factors(one, two).delta(), one.delta() + two.delta(), atol=1e-5)


def test_an_approximation_says_what_it_loses() -> None:
    one = factors(rank=4, alpha=4.0)
    same, lost = approximate(one, 4)
    assert lost < 1e-7
    assert relative_error(same, one) < 1e-6
    part, lost = approximate(one, 2)
    assert part.rank == 2
    assert lost == pytest.approx(relative_error(part, one), rel=1e-4)
    assert 0.05 < lost < 1


def test_the_error_is_that_of_the_products() -> None:
    one = factors()
    wide = factors(200, 300, rank=2)
    for left in (one, wide):
        right = LoraFactors(down=left.down, up=left.up * 1.01, alpha=left.alpha)
        assert relative_error(right, left) == pytest.approx(0.01, rel=1e-3)
        assert relative_error(left, left) < 1e-12
    assert relative_error(one, factors(11)) == float("inf")
    nothing = LoraFactors(down=one.down, up=torch.zeros_like(one.up), alpha=1.0)
    assert relative_error(one, nothing) == float("inf")
    assert relative_error(nothing, nothing) == 0


def test_magnitudes_count() -> None:
    one = factors()
    with_one = LoraFactors(down=one.down, up=one.up, alpha=2.0, magnitude=torch.ones(12))
    other = LoraFactors(down=one.down, up=one.up, alpha=2.0, magnitude=torch.full((12,), 1.5))
    assert relative_error(other, with_one) == pytest.approx(0.5)
    assert relative_error(one, with_one) == float("inf")


def test_lokr_is_a_kronecker_product_and_alpha_counts_only_with_a_rank() -> None:
    left, right = torch.randn(2, 3), torch.randn(4, 5)
    whole = LokrFactors(w1=(left,), w2=(right,), alpha=7.0)
    assert whole.shape == (8, 15)
    assert torch.allclose(whole.delta(), torch.kron(left, right).double())
    low = LokrFactors(w1=(left,), w2=(right, torch.randn(5, 6)), alpha=10.0)
    assert low.rank == 5
    assert low.scale == 2
