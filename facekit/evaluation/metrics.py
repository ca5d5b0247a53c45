"""What is measured on one clip, one pair of clips and one set of shots; plain functions on arrays.

Every function returns None where nothing is scorable: not scorable is never a low score. The one
exception is a frame without a face on a prompt that demands one; it counts 0.

Shapes: F frames, D embedding, E enrolled photos, H held-out photos, S shots.
Source of the definitions: docs/howto/evaluate.md and the papers named at each function.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from facekit.types import SHOT_SIZES

__all__ = [
    "MIN_ANGLE",
    "SHOT_GATE",
    "YAW_STRATA_DEG",
    "CrossShot",
    "Drift",
    "centroid",
    "copy_paste",
    "counted_similarities",
    "cross_shot",
    "demands_face",
    "drift",
    "likeness_ratio",
    "mean_or_none",
    "photo_ceiling",
    "photo_similarities",
    "pose_strata",
]

MIN_ANGLE = 0.05
"""Floor of the photo-to-photo angle in the copy-paste measure, in radians."""

SHOT_GATE = 0.5
"""A shot enters the cross-shot figures when its likeness is at least this share of the ceiling."""

YAW_STRATA_DEG: tuple[tuple[str, float, float], ...] = (
    ("0-30", 0.0, 30.0),
    ("30-60", 30.0, 60.0),
    ("60-90", 60.0, 90.1),
)


def demands_face(kind: str) -> bool:
    """Whether a shot demands a visible face: its size is known and not the widest.

    Elsewhere a missing face is not scorable.
    """
    return kind in SHOT_SIZES[:-1]


def photo_similarities(embeddings_FD: np.ndarray, photos_HD: np.ndarray) -> np.ndarray:
    """Return each frame's mean cosine to the photos, float64 (F,); NaN without a face."""
    mean_D = np.asarray(photos_HD, dtype=np.float64).mean(axis=0)
    return np.asarray(np.asarray(embeddings_FD, dtype=np.float64) @ mean_D)


def counted_similarities(
    embeddings_FD: np.ndarray,
    photos_HD: np.ndarray,
    *,
    is_scored: np.ndarray,
    is_missing: np.ndarray,
    demanded: bool,
) -> np.ndarray:
    """Return likeness as it counts: a cosine, 0 for a missing face that was demanded, or NaN."""
    values = np.where(is_scored, photo_similarities(embeddings_FD, photos_HD), np.nan)
    return np.where(is_missing, 0.0, values) if demanded else values


def mean_or_none(values: Sequence[float | None] | np.ndarray) -> float | None:
    """Return the mean of the finite values, or None when there is none."""
    known = np.asarray([np.nan if value is None else value for value in values], dtype=np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size else None


def photo_ceiling(enrolled_ED: np.ndarray, held_out_HD: np.ndarray) -> float:
    """Return the mean cosine of an enrolled and a held-out photo: the person against itself."""
    return float(
        np.mean(np.asarray(enrolled_ED, np.float64) @ np.asarray(held_out_HD, np.float64).T)
    )


def likeness_ratio(sim_held: float | None, ceiling: float) -> float | None:
    """Return likeness as a share of the photos' own; None for a useless ceiling."""
    return sim_held / ceiling if sim_held is not None and ceiling > 0.0 else None


def copy_paste(
    embeddings_FD: np.ndarray, enrolled_ED: np.ndarray, held_out_HD: np.ndarray
) -> float | None:
    """Measure how much frames resemble their nearest conditioning photo more than the person.

    (angle(g, t) - angle(g, r)) / max(angle(t, r), 0.05) for a frame g, its nearest enrolled photo r
    and a held-out photo t, meaned over frames and held-out photos. 0: as near to unseen photos as
    to the seen one; 1: a copy of it.

    Args:
        embeddings_FD: Scorable frames only, no NaN.
        enrolled_ED: The conditioning photos.
        held_out_HD: Photos that neither conditioned nor trained.

    Source: WithAnyone (arXiv 2510.14975), MultiID-Bench, copy-paste measure.
    """
    if not len(embeddings_FD) or not len(enrolled_ED):
        return None
    nearest_ED = np.asarray(enrolled_ED)[np.argmax(embeddings_FD @ enrolled_ED.T, axis=1)]
    angle_to_seen_F = _angle(np.sum(embeddings_FD * nearest_ED, axis=1))
    angle_to_held_FH = _angle(embeddings_FD @ held_out_HD.T)
    between_FH = _angle(nearest_ED @ held_out_HD.T)
    return float(
        np.mean((angle_to_held_FH - angle_to_seen_F[:, None]) / np.maximum(between_FH, MIN_ANGLE))
    )


def _angle(cosines: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(np.asarray(cosines, dtype=np.float64), -1.0, 1.0))


def centroid(embeddings_FD: np.ndarray) -> np.ndarray | None:
    """Return the unit mean of the rows, or None when there are none or they cancel."""
    if not len(embeddings_FD):
        return None
    mean = np.asarray(embeddings_FD, dtype=np.float64).mean(axis=0)
    norm = float(np.linalg.norm(mean))
    return mean / norm if norm > 1e-6 else None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CrossShot:
    """How alike a character is over its shots."""

    xsim: float | None
    """Mean cosine over all pairs of shots."""
    xmin: float | None
    """Cosine of the least alike pair."""
    pair: tuple[int, int] | None
    """Places of the least alike pair in the shots given."""
    matrix_SS: np.ndarray
    """All cosines, float64 of shape (S, S); NaN rows for shots that do not count."""


def cross_shot(centroids_SD: Sequence[np.ndarray | None]) -> CrossShot:
    """Compare every two shots by the mean embedding of their frames.

    Args:
        centroids_SD: A unit vector per shot; None for a shot that does not count.
    """
    count = len(centroids_SD)
    matrix = np.full((count, count), np.nan)
    places = [index for index, vector in enumerate(centroids_SD) if vector is not None]
    for i in places:
        for j in places:
            matrix[i, j] = float(np.dot(centroids_SD[i], centroids_SD[j]))  # type: ignore[arg-type]
    pairs = [(i, j) for i in places for j in places if i < j]
    if not pairs:
        return CrossShot(xsim=None, xmin=None, pair=None, matrix_SS=matrix)
    worst = min(pairs, key=lambda pair: matrix[pair])
    xsim = float(np.mean([matrix[pair] for pair in pairs]))
    return CrossShot(xsim=xsim, xmin=float(matrix[worst]), pair=worst, matrix_SS=matrix)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How likeness moves along a clip."""

    drop: float
    """Mean of the first quarter minus mean of the last quarter; positive when the face is lost."""
    slope_per_s: float
    """Least-squares slope of likeness over time."""
    deviation: float
    """Standard deviation over the frames."""
    kept: float
    """Share of frames whose cosine to the first face is at least 0.4."""

    @property
    def loss(self) -> float:
        """The drop, or 0 where likeness rises: a gain makes up for no other shot's loss."""
        return max(0.0, self.drop)


def drift(similarities_F: np.ndarray, embeddings_FD: np.ndarray, fps: float) -> Drift | None:
    """Measure drift along a clip.

    None where the first or the last quarter of the clip has nothing to measure, or fewer than four
    frames have.

    Args:
        similarities_F: Likeness per frame as it counts: 0 for a face that is missing where one is
            demanded, NaN where not scorable.
        embeddings_FD: Embedding per frame, NaN rows where there is none.
        fps: Frames per second.

    Source: first and last quarter as in EchoVideo's stability figures; 0.4 to frame 0 as in
        VBench-2.0 human identity.
    """
    values = np.asarray(similarities_F, dtype=np.float64)
    places = np.flatnonzero(np.isfinite(values))
    quarter = max(1, len(values) // 4)
    first, last = mean_or_none(values[:quarter]), mean_or_none(values[-quarter:])
    if len(places) < 4 or first is None or last is None:
        return None
    faces = np.flatnonzero(np.isfinite(embeddings_FD).all(axis=1))
    # A frame that counts and has no face has not kept it.
    kept = np.isin(places, faces) & (
        np.nan_to_num(embeddings_FD[places]) @ np.nan_to_num(embeddings_FD[faces[:1]]).sum(axis=0)
        >= 0.4
    )
    return Drift(
        drop=first - last,
        slope_per_s=float(np.polyfit(places / fps, values[places], 1)[0]),
        deviation=float(values[places].std()),
        kept=float(kept.mean()),
    )


def pose_strata(similarities_F: np.ndarray, yaw_deg_F: np.ndarray) -> dict[str, float | None]:
    """Return the mean likeness of the frames within each range of the absolute head turn.

    Args:
        similarities_F: Plain cosines of all frames with a face, profiles too; NaN elsewhere.
        yaw_deg_F: Turn of the head per frame.
    """
    turn = np.abs(yaw_deg_F)
    return {
        name: mean_or_none(np.asarray(similarities_F)[(turn >= low) & (turn < high)])
        for name, low, high in YAW_STRATA_DEG
    }
