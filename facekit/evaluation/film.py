"""Likeness over a film of many shots: where it goes, and which shots go together least.

Shapes: F frames, D embedding, S shots.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from facekit.evaluation.metrics import mean_or_none

__all__ = ["FilmShot", "FilmTrend", "film_trend", "worst_pairs"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilmShot:
    """One character in one shot of the cut."""

    name: str
    start_s: float
    """Where its cut begins in the film."""
    seconds: float
    """How long it is."""
    similarities_F: np.ndarray
    """Likeness of each frame of the cut as it counts, as a cosine; NaN where not scorable."""

    @property
    def mean(self) -> float | None:
        """Likeness of the shot; None where no frame is scorable."""
        return mean_or_none(self.similarities_F)

    def frame_times_s(self) -> np.ndarray:
        """The middle of each frame in film time, float64 (F,)."""
        count = len(self.similarities_F)
        return self.start_s + (np.arange(count) + 0.5) * self.seconds / max(1, count)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FilmTrend:
    """A straight line through the shots, in cosines."""

    slope_per_min: float
    """Negative where the face is lost over the film."""
    begin: float
    """Where the line is when the first scorable shot begins."""
    end: float
    """Where it is when the last one ends."""


def film_trend(shots: Sequence[FilmShot]) -> FilmTrend | None:
    """Fit a line through the likeness of the shots over film time, each weighed by its frames.

    Shots, not frames, are the points: what happens within a shot is `metrics.drift`.

    Args:
        shots: In order of the film.

    Returns:
        None where fewer than three shots are scorable, or all of them at one time.
    """
    known = [shot for shot in shots if shot.mean is not None]
    if len(known) < 3:
        return None
    middles = np.asarray([shot.start_s + shot.seconds / 2 for shot in known]) / 60
    means = np.asarray([shot.mean for shot in known], dtype=np.float64)
    weights = [float(np.isfinite(shot.similarities_F).sum()) for shot in known]
    if np.ptp(middles) <= 0:
        return None
    slope, base = np.polyfit(middles, means, 1, w=np.sqrt(weights))
    first, last = known[0].start_s / 60, (known[-1].start_s + known[-1].seconds) / 60
    return FilmTrend(
        slope_per_min=float(slope),
        begin=float(base + slope * first),
        end=float(base + slope * last),
    )


def worst_pairs(matrix_SS: np.ndarray, count: int) -> tuple[tuple[int, int], ...]:
    """Name the pairs of shots that are least alike, the worst first.

    Args:
        matrix_SS: Cosines of every two shots, as in `metrics.CrossShot`; NaN where there is none.
        count: Pairs at most.
    """
    rows, columns = np.triu_indices(len(matrix_SS), 1)
    values = np.asarray(matrix_SS, dtype=np.float64)[rows, columns]
    order = np.argsort(values, kind="stable")  # NaN come last
    known = [place for place in order if np.isfinite(values[place])][:count]
    return tuple((int(rows[place]), int(columns[place])) for place in known)
