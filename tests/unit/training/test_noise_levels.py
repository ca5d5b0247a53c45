"""The trained noise levels against what their distribution says, not against themselves."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.recipe import NoiseSection
from facekit.training.batches import choose_samples, sigmas
from facekit.training.noise_levels import fixed_levels, level_at
from tests.tiny.training import RECIPE_SETTINGS

NOISES = st.one_of(
    st.builds(NoiseSection, density=st.just("uniform")),
    st.builds(NoiseSection, mean=st.floats(-1.5, 1.5), std=st.floats(0.3, 1.6)),
)


def _share_below(sigma: float, noise: NoiseSection, shift: float) -> float:
    """The distribution function, written down from its definition."""
    before_shift = sigma / (sigma + shift * (1 - sigma))
    if noise.density == "uniform":
        return before_shift
    z = (math.log(before_shift / (1 - before_shift)) - noise.mean) / noise.std
    return 0.5 * math.erfc(-z / math.sqrt(2))


@settings(max_examples=60, deadline=None)
@given(
    noise=NOISES,
    shift=st.floats(0.5, 12),
    ends=st.sampled_from([(0.0, 1.0), (0.0, 0.875), (0.875, 1.0)]),
    count=st.integers(2, 9),
)
def test_each_part_of_the_distribution_is_drawn_equally_often(
    noise: NoiseSection, shift: float, ends: tuple[float, float], count: int
) -> None:
    low, high = (0.0 if x == 0 else 1.0 if x == 1 else _share_below(x, noise, shift) for x in ends)
    if high - low < 1e-3:
        return
    u = torch.linspace(0.001, 0.999, 23, dtype=torch.float64)
    levels = [float(x) for x in level_at(u, noise, shift, ends)]
    found = [(_share_below(x, noise, shift) - low) / (high - low) for x in levels]
    assert found == pytest.approx(u.tolist(), abs=2e-3)
    assert all(ends[0] <= x <= ends[1] for x in levels)
    # A batch has one level in each of as many equal parts, in any step.
    drawn = sigmas(3, 7, count, shift, ends, noise)
    parts = sorted((_share_below(x, noise, shift) - low) / (high - low) * count for x in drawn)
    assert all(index - 0.02 <= part <= index + 1.02 for index, part in enumerate(parts))


def test_a_recipe_that_says_nothing_draws_what_was_always_drawn() -> None:
    """Numbers of an earlier version: other ones would make every trained character another one."""
    assert sigmas(3, 5, 4, 3.0) == [
        0.9510148371451485,
        0.6078862937946571,
        0.582744039936861,
        0.843846208228134,
    ]


def test_the_recipe_decides() -> None:
    noisy = replace(RECIPE_SETTINGS, noise=NoiseSection(mean=2.0))
    views = ([0, 1, 2], [(4, 1, 6, 6)] * 3, 3)
    plain, moved = (choose_samples(1, s, *views) for s in (RECIPE_SETTINGS, noisy))
    assert all(b.sigma > a.sigma for a, b in zip(plain, moved, strict=True))


def test_fixed_levels_are_the_middles_of_equal_parts() -> None:
    assert fixed_levels(4, NoiseSection(density="uniform"), 1.0) == [0.125, 0.375, 0.625, 0.875]
    levels = fixed_levels(3, NoiseSection(), 2.0)
    shares = [_share_below(x, NoiseSection(), 2.0) for x in levels]
    assert shares == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    assert fixed_levels(0, NoiseSection(), 1.0) == []
