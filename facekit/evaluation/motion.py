"""How much a clip moves and how much the character changes, against the base on the same seed.

Shapes: F frames.
"""

import numpy as np

from facekit.errors import MediaError
from facekit.evaluation.scores import Take
from facekit.evaluation.tracks import FaceTrack
from facekit.types import Clip

__all__ = [
    "FACE_MARGIN",
    "STRIDE",
    "changed_off_face",
    "frame_change",
    "jitter",
    "landmark_path",
    "ratio_of_sums",
    "weaker",
]

STRIDE = 3
"""Frames from one end of a step to the other. Over three frames jitter weighs a third of what it
weighs from one frame to the next, and a turn, a nod or talk keeps most of its path."""

FACE_MARGIN = 0.6
"""How far beyond its box a face may reach when the rest of the picture is compared; hair belongs to
the character."""


def landmark_path(track: FaceTrack) -> float | None:
    """Return how far the landmarks come in three frames, in distances between the eyes per frame.

    That is the path of landmarks smoothed by a mean over three frames. Each face is first moved,
    turned and scaled onto the clip's first, so that only the face's own motion is left: turning,
    nodding, talking. None when no two frames that far apart have a face.
    """
    aligned = _aligned(track)
    return _mean_length((aligned[STRIDE:] - aligned[:-STRIDE]) / STRIDE)


def jitter(track: FaceTrack) -> float | None:
    """Return the mean absolute second difference of the landmarks, in distances between the eyes.

    Aligned as for `landmark_path`. Motion at one speed has none; what flickers has little else.
    None when no three neighbouring frames have a face.
    """
    aligned = _aligned(track)
    return _mean_length(aligned[2:] - 2.0 * aligned[1:-1] + aligned[:-2])


def _mean_length(differences: np.ndarray) -> float | None:
    """Return the mean length of vectors (frames, landmarks, 2) over the frames that have them."""
    lengths = np.linalg.norm(differences, axis=2).mean(axis=1)
    known = lengths[np.isfinite(lengths)]
    return float(known.mean()) if known.size else None


def _aligned(track: FaceTrack) -> np.ndarray:
    """Align the faces of a clip onto its first one and measure them by its eyes.

    Returns:
        float64 (F, 5, 2); NaN where the frame has no face.
    """
    marks = np.asarray(track.landmarks_px, dtype=np.float64)
    places = np.flatnonzero(np.isfinite(marks).all(axis=(1, 2)))
    aligned = np.full(marks.shape, np.nan)
    if not places.size:
        return aligned
    centered = marks - marks.mean(axis=1, keepdims=True)
    first = centered[places[0]]
    unit = max(float(np.hypot(*(first[1] - first[0]))), 1e-6)
    for place in places:
        aligned[place] = _onto(centered[place], first) / unit
    return aligned


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


def changed_off_face(take: Take, base: Take) -> tuple[float, float] | None:
    """Compare a take with the base model's of the same seed, off the faces and on them.

    Args:
        take: With the character.
        base: Without the character, equal in size and number of frames.

    Returns:
        Mean absolute difference off the faces and on them, each 0 to 1; None when no frame of
        either has a face, or faces fill every frame.

    Raises:
        MediaError: The clips differ in size or length, so they are not a pair.
    """
    frames, base_frames = take.clip.frames, base.clip.frames
    if frames.shape != base_frames.shape:
        raise MediaError(
            f"{take.shot.name}: {_size(take.clip)}, but its base clip {base.shot.name} has"
            f" {_size(base.clip)}, expected the same; shoot the base again with the size and length"
            " of the shot, or remove it"
        )
    difference = (
        np.abs(frames.astype(np.float32) - base_frames.astype(np.float32)).mean(axis=3) / 255.0
    )
    on = np.zeros(difference.shape, dtype=bool)
    for index in range(len(on)):
        for seen in (take.track, base.track):
            _fill(on[index], seen.boxes_xyxy_px[index])
    if not on.any() or on.all():
        return None
    return float(difference[~on].mean()), float(difference[on].mean())


def _size(clip: Clip) -> str:
    count, height, width, _ = clip.frames.shape
    return f"{count} frames of {width}x{height}"


def _fill(mask: np.ndarray, box: np.ndarray) -> None:
    """Mark a face box with its margin; nothing for NaN."""
    if not np.isfinite(box).all():
        return
    x0, y0, x1, y1 = box
    grow_x, grow_y = (x1 - x0) * FACE_MARGIN / 2, (y1 - y0) * FACE_MARGIN / 2
    top, bottom = max(0, int(y0 - grow_y)), max(0, int(np.ceil(y1 + grow_y)))
    left, right = max(0, int(x0 - grow_x)), max(0, int(np.ceil(x1 + grow_x)))
    mask[top:bottom, left:right] = True
