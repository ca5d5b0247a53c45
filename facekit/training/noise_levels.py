"""Which noise levels are trained, as a quantile function: 0 is clean and 1 is noise."""

import torch
from torch import Tensor

from facekit.recipe import NoiseSection

__all__ = ["fixed_levels", "level_at"]

_EDGE = 1e-6
"""Quantiles nearer to 0 or 1 are not asked for: there the normal distribution has no end."""


def level_at(
    u: Tensor, noise: NoiseSection, shift: float, between: tuple[float, float] = (0.0, 1.0)
) -> Tensor:
    """Turn quantiles into noise levels.

    Args:
        u: Float64 of any shape, 0..1; drawn evenly they give the trained distribution.
        noise: How the levels are spread before the shift.
        shift: As in flow-match schedulers, 1 changes nothing.
        between: The same distribution, cut off below and above.

    Source: logit-normal of arXiv 2403.03206 section 3.1, shift of its equation 23.
    """
    if between != (0.0, 1.0):
        ends = torch.tensor(between, dtype=torch.float64)
        low, high = _share_below(ends / (shift + (1 - shift) * ends), noise)
        u = low + u * (high - low)
    if noise.density == "uniform":
        s = u
    else:
        s = torch.sigmoid(torch.special.ndtri(u.clamp(_EDGE, 1 - _EDGE)) * noise.std + noise.mean)
    return shift * s / (1 + (shift - 1) * s)


def fixed_levels(
    count: int, noise: NoiseSection, shift: float, between: tuple[float, float] = (0.0, 1.0)
) -> list[float]:
    """The middles of so many equally likely parts of the distribution, from clean to noise."""
    u = (torch.arange(count, dtype=torch.float64) + 0.5) / max(count, 1)
    return [float(x) for x in level_at(u, noise, shift, between)]


def _share_below(s: Tensor, noise: NoiseSection) -> Tensor:
    """Which share of the levels before the shift lies below `s`."""
    if noise.density == "uniform":
        return s
    below: Tensor = torch.special.ndtr((torch.logit(s) - noise.mean) / noise.std)
    return below
