"""Link the faces of consecutive frames: which face of this frame is which one of the last.

Places come first and looks second: faces that overlap are one person as long as nothing speaks
against it, and a face that has moved on is found again by its embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from facekit.types import Face, FloatArray

__all__ = ["FaceChain", "link_faces", "overlap"]

_MAX_GAP = 3
"""Frames without the face after which it is taken for gone."""
_MIN_OVERLAP = 0.15
"""Intersection over union from which two boxes of near frames may be one face."""
_REACH = 1.0
"""How far the middle of a face may move meanwhile where its embedding agrees, in face sizes."""
_MAX_GROWTH = 1.6
"""How much larger or smaller it may have become."""


@dataclass(slots=True, kw_only=True)
class FaceChain:
    """One face through the frames in which it was found."""

    frames: list[int] = field(default_factory=list)
    """Ascending; frames may be missing in between."""
    faces: list[Face] = field(default_factory=list)
    """One per frame."""
    places: list[int] = field(default_factory=list)
    """Which of the faces of its frame, one per frame."""

    @property
    def boxes_xyxy_px(self) -> FloatArray:
        """Shape (N, 4), one per frame."""
        return np.stack([face.box_xyxy_px for face in self.faces])


def overlap(one: FloatArray, other: FloatArray) -> float:
    """Intersection over union of two boxes (left, top, right, bottom), 0..1."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    both = sum(float(np.prod(box[2:] - box[:2])) for box in (one, other)) - shared
    return shared / both if both > 0 else 0.0


def link_faces(
    found: Sequence[Sequence[Face]],
    vectors: Sequence[Sequence[FloatArray]] | None = None,
    *,
    min_similarity: float = 0.0,
) -> tuple[FaceChain, ...]:
    """Link the faces of a clip, best pairs first; equal input gives equal chains.

    Args:
        found: The faces of each frame.
        vectors: The embedding of each of them, unit norm; without them places alone count.
        min_similarity: From which on an embedding speaks for the same person, and may bridge a
            jump.

    Returns:
        Chains in the order of their first frames, from left to right within one.
    """
    chains: list[FaceChain] = []
    looks: list[FloatArray] = []
    for frame, faces in enumerate(found):
        pairs = []
        for number, chain in enumerate(chains):
            if frame - chain.frames[-1] > _MAX_GAP:
                continue
            for place, face in enumerate(faces):
                alike = None if vectors is None else float(looks[number] @ vectors[frame][place])
                score = _affinity(chain.faces[-1], face, alike, min_similarity)
                if score is not None:
                    pairs.append((-score, number, place))
        linked: dict[int, int] = {}
        taken: set[int] = set()
        for _, number, place in sorted(pairs):
            if number not in taken and place not in linked:
                linked[place] = number
                taken.add(number)
        new = (place for place in range(len(faces)) if place not in linked)
        for place in sorted(new, key=lambda place: float(faces[place].box_xyxy_px[0])):
            linked[place] = len(chains)
            chains.append(FaceChain())
            looks.append(np.zeros(0, np.float32))
        for place, number in linked.items():
            chains[number].frames.append(frame)
            chains[number].faces.append(faces[place])
            chains[number].places.append(place)
            if vectors is not None:
                looks[number] = _blend(looks[number], vectors[frame][place])
    return tuple(chains)


def _affinity(before: Face, now: Face, alike: float | None, min_similarity: float) -> float | None:
    """How well two faces fit together, more is better; None where they cannot be one."""
    growth = now.height_px / max(before.height_px, 1e-6)
    if not 1 / _MAX_GROWTH <= growth <= _MAX_GROWTH:
        return None
    shared = overlap(before.box_xyxy_px, now.box_xyxy_px)
    if shared >= _MIN_OVERLAP:
        return shared + 0.5 * (alike or 0.0)
    if alike is None or alike < min_similarity:
        return None
    middles = [(face.box_xyxy_px[:2] + face.box_xyxy_px[2:]) / 2 for face in (before, now)]
    moved = float(np.linalg.norm(middles[1] - middles[0])) / max(before.height_px, 1e-6)
    return 0.5 * alike - 0.1 * moved if moved <= _REACH else None


def _blend(look: FloatArray, vector: FloatArray) -> FloatArray:
    """What a face has looked like so far: later frames count half."""
    if not look.size:
        return vector
    mean = look + vector
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-6), np.float32)
