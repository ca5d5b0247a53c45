"""How likeness moved from one preset to the next, by the reports that they were packed with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facekit.evaluation.bootstrap import NUM_RESAMPLES, Interval, bootstrap_mean, paired_difference
from facekit.evaluation.metrics import YAW_STRATA_DEG

__all__ = ["ScoreChange", "compare_scores", "tell_difference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChange:
    """How likeness moved among the frames of one range of poses."""

    pose: str
    before: Interval | None
    after: Interval | None
    difference: Interval | None
    """After - before, over shots; None where one of them has no such frame."""
    is_paired: bool
    """Whether the same shots, with the same seeds, were measured in both."""


def compare_scores(
    one: Mapping[str, Any] | None, two: Mapping[str, Any] | None
) -> tuple[tuple[ScoreChange, ...], str]:
    """Compare shot by shot where both measured the same shots, else as two groups.

    Args:
        one: The report of the earlier one, as `facekit eval` writes it; None without any.
        two: That of the later one.

    Returns:
        What moved among all frames and in each range of poses, and what to bear in mind.
    """
    if one is None or two is None:
        which = "both" if one is None and two is None else "one of them"
        return (), f"not told, {which} packed without a report of facekit eval"
    encoders = [report.get("settings", {}).get("reported with encoder") for report in (one, two)]
    if encoders[0] != encoders[1]:
        return (), f"not comparable, measured by {encoders[0]} and by {encoders[1]}"
    shots = [{_shot_key(shot): shot for shot in report["shots"]} for report in (one, two)]
    shared = [key for key in shots[0] if key in shots[1]]
    is_paired = len(shared) >= 2
    keys = [shared, shared] if is_paired else [list(shots[0]), list(shots[1])]
    found = []
    for name, low, high in (("all", 0.0, np.inf), *YAW_STRATA_DEG):
        before, after = (
            [_stratum(group[key], low, high) for key in chosen]
            for group, chosen in zip(shots, keys, strict=True)
        )
        if not any(value is not None for value in [*before, *after]):
            continue
        found.append(
            ScoreChange(
                pose=name,
                before=bootstrap_mean(before),
                after=bootstrap_mean(after),
                difference=_difference(before, after, is_paired=is_paired),
                is_paired=is_paired,
            )
        )
    if is_paired:
        return tuple(found), f"{len(shared)} shots with the same prompts and seeds, paired"
    why = "one shot in both, too few to pair" if shared else "other shots in each"
    return tuple(found), f"{why}, compared as groups"


def _difference(
    before: Sequence[float | None], after: Sequence[float | None], *, is_paired: bool
) -> Interval | None:
    if is_paired:
        return paired_difference(after, before)
    one, two = bootstrap_mean(before), bootstrap_mean(after)
    if one is None or two is None:
        return None
    # Two groups: draw from each by itself, and look at how the difference of means spreads.
    rng = np.random.default_rng(0)
    means = []
    for values in (after, before):
        known = np.asarray([value for value in values if value is not None])
        picks = rng.integers(0, known.size, size=(NUM_RESAMPLES, known.size))
        means.append(known[picks].mean(axis=1))
    low, high = np.percentile(means[0] - means[1], (2.5, 97.5))
    count = min(one.count, two.count)
    mean = two.mean - one.mean
    if count < 2:
        return Interval(mean=mean, low=None, high=None, count=count)
    return Interval(mean=mean, low=float(low), high=float(high), count=count)


def _shot_key(shot: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(shot.get(key) for key in ("prompt", "seed", "num_frames", "height", "width"))


def _stratum(shot: Mapping[str, Any], low: float, high: float) -> float | None:
    """Mean likeness of the frames of a shot whose head is turned so far; None without any."""
    frames = shot["frames"]
    values = [
        similarity
        for similarity, yaw in zip(frames["similarity"], frames["yaw_deg"], strict=True)
        if similarity is not None and yaw is not None and low <= abs(yaw) < high
    ]
    return float(np.mean(values)) if values else None


def tell_difference(score: ScoreChange) -> str:
    """Write how likeness moved, and whether that may be chance."""
    difference = score.difference
    if difference is None:
        return "not measured in both"
    told = f"{difference.mean:+.3f}"
    if difference.low is None or difference.high is None:
        return f"{told}, one shot, so nothing can be said"
    if difference.low == difference.high == 0:
        return "the same"
    is_sure = difference.low > 0 or difference.high < 0
    return (
        f"{told} [{difference.low:+.3f}, {difference.high:+.3f}]"
        f"{'' if is_sure else ', may be chance'}"
    )
