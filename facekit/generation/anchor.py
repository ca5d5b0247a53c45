"""The face of a chain's beginning, to which what is handed on goes back.

A chunk believes its first frame more than its character, so whatever a frame has lost stays lost.
The features of an early frame that is turned alike are laid over those of the frame that is handed
on; place, size, hair, clothes and surroundings stay as they are.

Shapes: F frames.
"""

import dataclasses
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from facekit.errors import AlignmentError
from facekit.faces.graft import face_difference, graft_face
from facekit.types import FloatArray, Image

__all__ = ["Anchor", "Locate"]

Locate: TypeAlias = Callable[[np.ndarray], FloatArray]
"""Frames (F, H, W, 3), uint8, to landmarks in pixels (F, 5, 2), NaN where there is no face."""

_MOST_APART: Final = 0.02
"""Of `face_difference`: drawn faces turned by 20 degrees are 0.013 apart, by 30 degrees 0.022, and
another mood is 0.03; the landmarks of the toon encoders are off by 0.006 and more."""
_MOST_SCALED: Final = 2.0
_WEIGHT_APART: Final = 5.0
"""How much likeness a frame of the beginning may lose for being turned alike, per difference."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anchor:
    """Frames of a beginning whose faces were scored."""

    frames: tuple[Image, ...]
    landmarks_px: tuple[FloatArray, ...]
    likeness: tuple[float, ...]

    @classmethod
    def of(
        cls, frames_FHW3: np.ndarray, scores_F: FloatArray | None, locate: Locate
    ) -> "Anchor | None":
        """Keep the frames that have a scored face; None where there is none.

        Args:
            frames_FHW3: The beginning, uint8.
            scores_F: Likeness per frame, NaN where no face can be scored.
            locate: Finds the landmarks of its faces.
        """
        if scores_F is None:
            return None
        marks_F52 = locate(frames_FHW3)
        known = np.isfinite(scores_F) & np.isfinite(marks_F52).all(axis=(1, 2))
        if not known.any():
            return None
        places = np.flatnonzero(known)
        return cls(
            frames=tuple(frames_FHW3[place] for place in places),
            landmarks_px=tuple(marks_F52[place] for place in places),
            likeness=tuple(float(scores_F[place]) for place in places),
        )

    def put_on(self, frame: Image, locate: Locate, amount: float) -> Image | None:
        """Lay a face of the beginning over that of a frame.

        Args:
            frame: uint8, (height, width, 3).
            locate: Finds the landmarks of its face.
            amount: 0..1.

        Returns:
            None where the frame shows no face, or none of the beginning is turned alike.
        """
        (marks_52,) = locate(frame[None])
        if not np.isfinite(marks_52).all():
            return None
        best, chosen = -np.inf, -1
        for index, (other_52, likeness) in enumerate(
            zip(self.landmarks_px, self.likeness, strict=True)
        ):
            try:
                apart, scale = face_difference(marks_52, other_52)
            except AlignmentError:
                continue
            if apart > _MOST_APART or not 1 / _MOST_SCALED <= scale <= _MOST_SCALED:
                continue
            worth = likeness - _WEIGHT_APART * apart
            if worth > best:
                best, chosen = worth, index
        if chosen < 0:
            return None
        donor = self.frames[chosen]
        return graft_face(frame, marks_52, donor, self.landmarks_px[chosen], amount)
