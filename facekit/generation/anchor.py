"""The likest faces of a chain so far, to which the face of what is handed on goes back.

A chunk believes its first frame more than its character, so whatever a frame has lost stays lost.
The features of a likelier frame that is turned alike are laid over those of the frame that is
handed on; place, size, hair, clothes and surroundings stay as they are.

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

_KEPT: Final = 24
_MOST_APART: Final = 0.02
"""Of `face_difference`: drawn faces turned by 20 degrees are 0.013 apart, by 30 degrees 0.022, and
another mood is 0.03; the landmarks of the toon encoders are off by 0.006 and more."""
_MOST_SCALED: Final = 2.0
_WEIGHT_APART: Final = 5.0
"""How much likeness a face may lose for being turned alike, per difference."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _View:
    """One frame with a face that was scored."""

    frame: Image
    landmarks_52: FloatArray
    likeness: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """The likest faces so far."""

    views: tuple[_View, ...] = ()

    def joined(
        self, frames_FHW3: np.ndarray, scores_F: FloatArray | None, locate: Locate
    ) -> "Anchor":
        """Return these faces and those of further frames, the likest of them all.

        Args:
            frames_FHW3: What was delivered of a chunk, uint8.
            scores_F: Likeness per frame, NaN where no face can be scored.
            locate: Finds the landmarks of its faces; asked about frames that may be kept alone.
        """
        if scores_F is None:
            return self
        lowest = self.views[-1].likeness if len(self.views) == _KEPT else -np.inf
        filled = np.nan_to_num(scores_F, nan=-np.inf)
        places = np.argsort(-filled, kind="stable")[:_KEPT]
        places = places[filled[places] > lowest]
        if not len(places):
            return self
        found = [
            _View(frame=frames_FHW3[place], landmarks_52=marks, likeness=float(scores_F[place]))
            for place, marks in zip(places, locate(frames_FHW3[places]), strict=True)
            if np.isfinite(marks).all()
        ]
        views = sorted([*self.views, *found], key=lambda view: -view.likeness)
        return Anchor(tuple(views[:_KEPT]))

    def put_on(
        self, frame: Image, likeness: float | None, locate: Locate, amount: float
    ) -> Image | None:
        """Lay the likest face that is turned alike over that of a frame.

        Args:
            frame: uint8, (height, width, 3).
            likeness: That of the frame; None where its face cannot be scored.
            locate: Finds the landmarks of its face.
            amount: 0..1.

        Returns:
            None where the frame shows no face that can be scored, or no likelier one is turned
            alike.
        """
        likelier = [
            view for view in self.views if likeness is not None and view.likeness > likeness
        ]
        if not likelier:
            return None
        (marks_52,) = locate(frame[None])
        if not np.isfinite(marks_52).all():
            return None
        chosen = max(likelier, key=lambda view: _worth(view, marks_52))
        if _worth(chosen, marks_52) == -np.inf:
            return None
        return graft_face(frame, marks_52, chosen.frame, chosen.landmarks_52, amount)


def _worth(view: _View, marks_52: FloatArray) -> float:
    """How well a face would do in the place of another one; -inf where it is turned away."""
    try:
        apart, scale = face_difference(marks_52, view.landmarks_52)
    except AlignmentError:
        return -np.inf
    if apart > _MOST_APART or not 1 / _MOST_SCALED <= scale <= _MOST_SCALED:
        return -np.inf
    return view.likeness - _WEIGHT_APART * apart
