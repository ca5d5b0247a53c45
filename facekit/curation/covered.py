"""Faces that something hides: with that region covered in all photos, they are like the others.

A hand, a bar or a mask makes a face unlike the others of the set, and so does another person. What
tells them apart is where: the same region of the crop is made grey in this photo and in the others.
A hidden face then becomes like them, for the region that was hidden no longer counts; a stranger
does not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facekit.curation.findings import Code, Finding
from facekit.faces.align import template
from facekit.faces.protocols import IdentityEncoder
from facekit.identity.similarity import leave_one_out, similarity_matrix
from facekit.types import FaceCrop, FloatArray

__all__ = [
    "ALIKE_COVERED",
    "SURELY_ALIKE",
    "Covering",
    "cover_crops",
    "find_covered",
    "judge_covering",
    "region_names",
]

ALIKE_COVERED = 0.8
"""From this share of the others' own agreement on, a covered face may show the same person."""
SURELY_ALIKE = 0.9
"""From this share on, it does: of drawn strangers 6 of 100 come as near, of hidden faces 60."""

_SUSPICIOUS = 0.95
"""Faces that agree with the others this well, as a share of what is usual, are not looked at."""
_MOST_OTHERS = 8
_LEAST_OTHERS = 3
_GREY = 128

_Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Covering:
    """How a face agrees with the others, as it is and with its most hidden region covered.

    Agreement is the similarity to the mean of the others over what is usual among them.
    """

    plain: float
    covered: float
    region: str

    @property
    def gain(self) -> float:
        """How much better it agrees with the region covered."""
        return self.covered - self.plain


def find_covered(
    crops: Sequence[FaceCrop],
    vectors: FloatArray,
    is_same: Sequence[bool],
    faces: IdentityEncoder,
    covered: Callable[[Sequence[FaceCrop]], FloatArray] | None = None,
) -> dict[int, Covering]:
    """Look at the faces that are less like the others than is usual.

    Args:
        crops: One per photo.
        vectors: Their embeddings, shape (N, dim).
        is_same: Whether each one counts as the person of the set.
        faces: Embeds the covered crops.
        covered: Gives what `cover_crops` gives, when it is known already.

    Returns:
        Index of each face that was looked at -> what was found; empty where fewer than three others
        show the person as usual.
    """
    same = np.asarray(is_same, dtype=bool)
    if same.sum() < _LEAST_OTHERS:
        return {}
    usual, plain = _agreement(vectors, same)
    others = np.flatnonzero(same & (plain >= _SUSPICIOUS))
    # The most usual ones, in order of the set.
    others = np.sort(others[np.argsort(-plain[others], kind="stable")[:_MOST_OTHERS]])
    looked_at = [int(index) for index in np.flatnonzero(plain < _SUSPICIOUS)]
    if usual <= 0 or len(others) < _LEAST_OTHERS or not looked_at:
        return {}
    taken = [crops[index] for index in [*others, *looked_at]]
    hidden = cover_crops(taken, faces) if covered is None else covered(taken)
    best = dict.fromkeys(looked_at, (-np.inf, ""))
    for place, region in enumerate(region_names(faces)):
        known = np.ascontiguousarray(hidden[: len(others), place])
        among = float(np.median(leave_one_out(known)))
        mean = known.sum(axis=0, keepdims=True)
        alike = similarity_matrix(hidden[len(others) :, place], mean)[:, 0]
        for index, value in zip(looked_at, alike, strict=True):
            best[index] = max(best[index], (float(value) / max(among, 1e-6), region))
    return {
        index: Covering(plain=float(plain[index]), covered=value, region=region)
        for index, (value, region) in best.items()
    }


def cover_crops(crops: Sequence[FaceCrop], faces: IdentityEncoder) -> FloatArray:
    """Embed crops with one region after the other made grey.

    Args:
        crops: As the encoder takes them.
        faces: Embeds them.

    Returns:
        Unit vectors, shape (N, regions, dim), in the order of `region_names`.
    """
    boxes = [box for _, box in _regions(faces)]
    hidden = faces.encode([_cover(crop, box) for crop in crops for box in boxes])
    return hidden.reshape(len(crops), len(boxes), faces.dim)


def region_names(faces: IdentityEncoder) -> tuple[str, ...]:
    """What each covered region is called; some names stand for several."""
    return tuple(name for name, _ in _regions(faces))


def judge_covering(covering: Covering, limit: float) -> Finding:
    """Put into words that a region is hidden."""
    return Finding(
        code=Code.OCCLUDED,
        value=covering.gain,
        limit=limit,
        sentence=f"something hides {covering.region}, or the head is turned too far: without that"
        f" part the face agrees with the others by {covering.gain:.2f} better, at most {limit:.2f}"
        " is usual; use a photo with the whole face free",
    )


def _agreement(vectors: FloatArray, same: np.ndarray) -> tuple[float, FloatArray]:
    """What is usual among those of one person, and the agreement of each photo, shape (N,).

    Hidden faces of the same person count as the same, so the half that agrees best says what is
    usual: several hidden ones would else make each other usual.
    """
    first = _compared(vectors, same)
    core = same & (first >= np.median(first[same]))
    if core.sum() >= _LEAST_OTHERS:
        first = _compared(vectors, core)
    usual = float(np.median(first[same & (first >= np.median(first[same]))]))
    return usual, first / np.float32(max(usual, 1e-6))


def _compared(vectors: FloatArray, core: np.ndarray) -> FloatArray:
    """The similarity of each photo to the mean of the core without itself, shape (N,)."""
    similarity = np.empty(len(vectors), np.float32)
    similarity[core] = leave_one_out(vectors[core])
    if not core.all():
        mean = vectors[core].sum(axis=0, keepdims=True)
        similarity[~core] = similarity_matrix(vectors[~core], mean)[:, 0]
    return similarity


def _cover(crop: FaceCrop, box: _Box) -> FaceCrop:
    left, top, right, bottom = box
    pixels = crop.pixels.copy()
    pixels[top:bottom, left:right] = _GREY
    return FaceCrop(pixels=pixels, face=crop.face, source=crop.source)


def _regions(faces: IdentityEncoder) -> list[tuple[str, _Box]]:
    """What is hidden by each box of the crop: left, top, right, bottom."""
    side = faces.crop_size_px
    marks = template(side, faces.crop_margin).astype(np.float64)
    unit = float(np.linalg.norm(marks[1] - marks[0]))
    eyes, mouth = marks[:2].mean(axis=0), marks[3:].mean(axis=0)

    def box(centre: np.ndarray, half_x: float, half_y: float) -> _Box:
        half = np.array([half_x, half_y]) * unit
        corners = np.stack([centre - half, centre + half])
        left, top, right, bottom = (int(v) for v in np.clip(corners, 0, side).ravel())
        return left, top, right, bottom

    def column(index: int) -> _Box:
        return box((marks[index] + marks[3 + index]) / 2, 0.45, 1.2)

    middle = round(float(eyes[0]))
    gap = round(0.05 * unit)
    by_name: Mapping[str, tuple[_Box, ...]] = {
        "an eye": (box(marks[0], 0.5, 0.42), box(marks[1], 0.5, 0.42)),
        "the eyes": (box(eyes, 1.25, 0.45),),
        "the mouth": (box(mouth, 0.75, 0.5),),
        "nose and mouth": ((0, int(marks[2][1] - 0.1 * unit), side, side),),
        "one side of the face": (
            (0, 0, middle - gap, side),
            (middle + gap, 0, side, side),
            column(0),
            column(1),
        ),
    }
    return [(name, box) for name, boxes in by_name.items() for box in boxes]
