"""What a similarity means: accept rates, thresholds, and the curve between them.

A pair is accepted when its similarity is at least the threshold. FAR is the share of pairs of
different people that are accepted, TAR the share of pairs of the same person.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Curve", "Roc", "Scores", "equal_error_rate", "roc", "tar_at_far", "threshold_at_far"]

Scores: TypeAlias = npt.NDArray[np.floating]
Curve: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Roc:
    """A receiver operating curve; the thresholds fall and both rates rise along it."""

    thresholds: Curve
    far: Curve
    tar: Curve


def roc(scores_same: Scores, scores_different: Scores) -> Roc:
    """Return the exact curve, one point per distinct score.

    Args:
        scores_same: Similarities of pairs of one person, any shape, at least one.
        scores_different: Similarities of pairs of two people, any shape, at least one.

    Raises:
        ValueError: Scores are missing or not finite.
    """
    same, different = _sorted(scores_same), _sorted(scores_different)
    thresholds = np.unique(np.concatenate([same, different]))[::-1]
    above = np.nextafter(thresholds[:1], np.inf)
    thresholds = np.concatenate([above, thresholds])
    return Roc(
        thresholds=thresholds,
        far=_share_at_least(different, thresholds),
        tar=_share_at_least(same, thresholds),
    )


def threshold_at_far(scores_different: Scores, far: float) -> float:
    """Return the lowest threshold that accepts at most this share of different pairs.

    With fewer than 1 / far pairs, that is just above the highest score of all.

    Args:
        scores_different: Similarities of pairs of two people.
        far: Above 0, at most 1.

    Raises:
        ValueError: Scores are missing or not finite, or far is out of range.
    """
    if not 0.0 < far <= 1.0:
        raise ValueError(f"far is {far}, expected above 0 and at most 1")
    different = _sorted(scores_different)
    allowed = int(np.floor(far * len(different) + 1e-9))
    if allowed >= len(different):
        return float(different[0])
    # Ties at the border must all stay out, so the threshold lies just above the first one refused.
    return float(np.nextafter(different[len(different) - allowed - 1], np.inf))


def tar_at_far(scores_same: Scores, scores_different: Scores, far: float) -> float:
    """Return the share of same pairs accepted at the threshold of `threshold_at_far`.

    Raises:
        ValueError: As for `threshold_at_far`.
    """
    threshold = np.array([threshold_at_far(scores_different, far)])
    return float(_share_at_least(_sorted(scores_same), threshold)[0])


def equal_error_rate(scores_same: Scores, scores_different: Scores) -> float:
    """Return the error rate where as many same pairs are refused as different ones accepted.

    Raises:
        ValueError: Scores are missing or not finite.
    """
    curve = roc(scores_same, scores_different)
    miss = 1.0 - curve.tar
    nearest = int(np.argmin(np.abs(miss - curve.far)))
    return float((miss[nearest] + curve.far[nearest]) / 2)


def _sorted(scores: Scores) -> Curve:
    values = np.sort(np.asarray(scores, dtype=np.float64).ravel())
    if len(values) == 0 or not np.all(np.isfinite(values)):
        raise ValueError("scores are missing or not finite, expected at least one number")
    return values


def _share_at_least(ascending: Curve, thresholds: Curve) -> Curve:
    below = np.searchsorted(ascending, thresholds, side="left")
    return np.asarray((len(ascending) - below) / len(ascending), dtype=np.float64)
