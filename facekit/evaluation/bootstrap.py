"""Intervals by resampling: how far a mean would move had other characters been drawn."""

import dataclasses
from collections.abc import Sequence

import numpy as np

__all__ = ["NUM_RESAMPLES", "Interval", "bootstrap_mean", "paired_difference"]

NUM_RESAMPLES = 10_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean and its 95 % interval.

    Attributes:
        mean: Mean of the values.
        low: Lower end; None when fewer than two values were given, for then nothing can be said.
        high: Upper end; None when fewer than two values were given.
        count: How many values were averaged.
    """

    mean: float
    low: float | None
    high: float | None
    count: int

    def to_json(self) -> dict[str, float | int | list[float] | None]:
        """Return `{"mean", "ci95", "count"}`, the interval as a pair or None."""
        pair = None if self.low is None or self.high is None else [self.low, self.high]
        return {"mean": self.mean, "ci95": pair, "count": self.count}

    def __str__(self) -> str:
        """Write the mean with its interval, three decimals."""
        if self.low is None or self.high is None:
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap_mean(
    values: Sequence[float | None], *, weights: Sequence[float] | None = None, seed: int = 0
) -> Interval | None:
    """Return the mean of values with its percentile bootstrap interval.

    Args:
        values: One per character (or per shot); None means not scorable and is left out.
        weights: How much each counts in the mean, such as the frames of a shot; all alike when
            absent. Values are drawn whole, with their weight.
        seed: Fixes the resampling, so that a report written twice is the same.

    Returns:
        None when no value is scorable.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3 (percentile
        interval).
    """
    alike = [1.0] * len(values) if weights is None else weights
    pairs = [(x, w) for x, w in zip(values, alike, strict=True) if x is not None and w > 0]
    if not pairs:
        return None
    known, weight = np.asarray(pairs, dtype=np.float64).T
    mean = float(known @ weight / weight.sum())
    if known.size < 2:
        return Interval(mean=mean, low=None, high=None, count=int(known.size))
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, known.size, size=(NUM_RESAMPLES, known.size))
    means = (known[picks] * weight[picks]).sum(axis=1) / weight[picks].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Interval(mean=mean, low=float(low), high=float(high), count=int(known.size))


def paired_difference(
    first: Sequence[float | None], second: Sequence[float | None], *, seed: int = 0
) -> Interval | None:
    """Return the mean of first - second with its interval, resampling the pairs.

    Args:
        first: One value per character.
        second: The other method's value of the same character at the same place; pairs with a None
            are left out.
        seed: Fixes the resampling.

    Raises:
        ValueError: The two differ in length, so they are not pairs.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values cannot be paired with {len(second)}")
    differences = [
        a - b for a, b in zip(first, second, strict=True) if a is not None and b is not None
    ]
    return bootstrap_mean(differences, seed=seed)
