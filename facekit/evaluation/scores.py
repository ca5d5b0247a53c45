"""What a measurement takes and gives.

Shapes: F frames, D embedding, E enrolled photos, H held-out photos.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from facekit.errors import FaceError
from facekit.evaluation import metrics
from facekit.evaluation.tracks import FaceTrack
from facekit.types import Clip, Shot

__all__ = ["FIGURES", "CharacterScores", "Probe", "Reference", "ShotScores", "Take"]

FIGURES: tuple[str, ...] = (
    "sim_held",
    "ceiling",
    "likeness_ratio",
    "m_cp",
    "m_cp_truth",
    "m_cp_over_truth",
    "xsim",
    "xmin",
    "xmin_ratio",
    "xmin_truth",
    "xsim_ungated",
    "xmin_ungated",
    "shots_counted",
    "coverage",
    "drift",
    "drift_slope_per_s",
    "identity_deviation",
    "same_face_rate",
    "prompt_adherence",
    "base_prompt_adherence",
    "prompt_delta",
    "prompt_drop",
    "landmark_path_ratio",
    "frame_change_ratio",
    "motion_ratio",
    "jitter",
    "base_jitter",
    "jitter_truth",
    "off_face_change",
    "on_face_change",
)
"""Everything that is measured, by the keys of the published tables."""

Probe = Callable[[Clip, Mapping[str, str]], Mapping[str, bool]]
"""Says for each attribute that a prompt names whether the clip shows it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """The photos of a character as the report encoder sees them."""

    held_out_HD: np.ndarray
    """Float32, unit rows: photos that neither conditioned nor trained."""
    enrolled_ED: np.ndarray
    """Float32, unit rows: photos that did; no rows when they are not at hand, and then copying
    cannot be measured and the ceiling comes from the held-out photos alone."""

    def __post_init__(self) -> None:
        """Refuse a reference that gives no ceiling."""
        held_out, enrolled = len(self.held_out_HD), len(self.enrolled_ED)
        if held_out < 1 or held_out + enrolled < 2:
            raise FaceError(
                f"{held_out} held-out and {enrolled} training photos with a face, expected at"
                " least one held-out photo and two in all; add photos that were not used in"
                " training"
            )

    @property
    def ceiling(self) -> float:
        """Mean cosine of a training and a held-out photo, or of every two held-out photos."""
        if len(self.enrolled_ED):
            return metrics.photo_ceiling(self.enrolled_ED, self.held_out_HD)
        cosines = self.held_out_HD.astype(np.float64) @ self.held_out_HD.astype(np.float64).T
        return float(cosines[np.triu_indices(len(cosines), 1)].mean())


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Take:
    """A clip with the shot it answers and the faces found in it."""

    shot: Shot
    clip: Clip
    track: FaceTrack


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShotScores:
    """The figures of one take; None is not scorable."""

    shot: Shot
    statuses: tuple[str, ...]
    similarities_F: np.ndarray
    """Likeness per frame as it counts; NaN where not scorable."""
    raw_similarities_F: np.ndarray
    """Plain cosine of every frame with a face."""
    yaw_deg_F: np.ndarray
    sim_held: float | None
    coverage: float
    m_cp: float | None
    drift: metrics.Drift | None
    centroid_D: np.ndarray | None
    landmark_path: float | None
    frame_change: float | None
    off_face_change: float | None
    on_face_change: float | None
    adherence: Mapping[str, bool]
    base_adherence: Mapping[str, bool]
    base_landmark_path: float | None
    base_frame_change: float | None
    jitter: float | None
    base_jitter: float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CharacterScores:
    """All takes of one character and what they come to."""

    name: str
    ceiling: float
    shots: tuple[ShotScores, ...]
    figures: Mapping[str, float | None]
    """Metric name to value; the names are the keys of the published tables."""
    strata: Mapping[str, float | None]
    adherence: Mapping[str, float]
    """Attribute to the share of prompts that got it right."""
    base_adherence: Mapping[str, float]
    cross_shot: metrics.CrossShot
    """Of all shots, whatever their likeness; the gated figures are in `figures`."""
