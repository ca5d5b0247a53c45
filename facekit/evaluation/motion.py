"""How much a clip moves and how much the character changes, against the base on the same seed.

Shapes: F frames.
"""

import numpy as np

from facekit.evaluation.tracks import FaceTrack
from facekit.types import Clip

FACE_MARGIN = 0.6
"""How far beyond its box a face may reach when the rest of the picture is compared; hair belongs to
the character."""


def landmark_path(track: FaceTrack) -> float | None:
    """Return the mean step of the aligned landmarks, in distances between the eyes per frame.

    Each face is first moved, turned and scaled onto the mean of the clip's own faces, so that only
    the face's own motion is left: turning, nodding, talking. None with fewer than two neighbouring
    frames with a face.
    """
    marks = np.asarray(track.landmarks_px, dtype=np.float64)
    known = np.asarray(np.isfinite(marks).all(axis=(1, 2)))
    if not (known[1:] & known[:-1]).any():
        return None
    centered = marks - marks.mean(axis=1, keepdims=True)
    first = centered[int(np.flatnonzero(known)[0])]
    aligned = np.stack(
        [_onto(face, first) if here else face for face, here in zip(centered, known, strict=True)]
    )
    unit = float(np.hypot(*(first[1] - first[0])))
    steps = np.linalg.norm(np.diff(aligned, axis=0), axis=2).mean(axis=1)
    return float(np.mean(steps[known[1:] & known[:-1]]) / max(unit, 1e-6))


def _onto(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Rotate and scale centred points onto a centred target: least squares over complex numbers."""
    source, goal = points[:, 0] + 1j * points[:, 1], target[:, 0] + 1j * target[:, 1]
    power = float(np.sum(np.abs(source) ** 2))
    moved = source * (np.vdot(source, goal) / power if power > 0 else 1.0)
    return np.stack([moved.real, moved.imag], axis=1)


def frame_change(clip: Clip) -> float | None:
    """Return the mean absolute difference of neighbouring frames, 0..1; None for one frame."""
    if len(clip.frames) < 2:
        return None
    frames = clip.frames.astype(np.float32) / 255.0
    return float(np.abs(np.diff(frames, axis=0)).mean())


def ratio_of_sums(values: list[float | None], base: list[float | None]) -> float | None:
    """Return the ratio of the sums over the places where both are known, or None."""
    pairs = [(a, b) for a, b in zip(values, base, strict=True) if a is not None and b is not None]
    total = sum(b for _, b in pairs)
    return sum(a for a, _ in pairs) / total if pairs and total > 0 else None


def weaker(*ratios: float | None) -> float | None:
    """Return the smallest known ratio: neither measure of motion may hide the other."""
    known = [ratio for ratio in ratios if ratio is not None]
    return min(known) if known else None


def changed_off_face(
    clip: Clip, track: FaceTrack, base: Clip, base_track: FaceTrack
) -> tuple[float, float] | None:
    """Compare a clip with the base clip of the same seed, off the faces and on them.

    Args:
        clip: With the character.
        track: Its faces.
        base: Without the character, equal in size and number of frames.
        base_track: Its faces.

    Returns:
        Mean absolute difference off the faces and on them, each 0 to 1; None when no frame of
        either has a face, or faces fill every frame.

    Raises:
        ValueError: The clips differ in shape, so they are not a pair.
    """
    if clip.frames.shape != base.frames.shape:
        raise ValueError(
            f"clip of shape {clip.frames.shape} compared with a base clip of shape "
            f"{base.frames.shape}"
        )
    difference = (
        np.abs(clip.frames.astype(np.float32) - base.frames.astype(np.float32)).mean(axis=3) / 255.0
    )
    on = np.zeros(difference.shape, dtype=bool)
    for index in range(len(on)):
        for boxes in (track.boxes_xyxy_px, base_track.boxes_xyxy_px):
            _fill(on[index], boxes[index])
    if not on.any() or on.all():
        return None
    return float(difference[~on].mean()), float(difference[on].mean())


def _fill(mask: np.ndarray, box: np.ndarray) -> None:
    """Mark a face box with its margin; nothing for NaN."""
    if not np.isfinite(box).all():
        return
    x0, y0, x1, y1 = box
    grow_x, grow_y = (x1 - x0) * FACE_MARGIN / 2, (y1 - y0) * FACE_MARGIN / 2
    top, bottom = max(0, int(y0 - grow_y)), max(0, int(np.ceil(y1 + grow_y)))
    left, right = max(0, int(x0 - grow_x)), max(0, int(np.ceil(x1 + grow_x)))
    mask[top:bottom, left:right] = True
