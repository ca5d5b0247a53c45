import numpy as np
import pytest

from facekit.evaluation import motion
from facekit.evaluation.tracks import FaceTrack
from facekit.types import Clip

FACE = np.array([[30, 40], [50, 40], [40, 50], [33, 60], [47, 60]], dtype=np.float32)


def track(landmarks: np.ndarray, boxes: np.ndarray | None = None) -> FaceTrack:
    count = len(landmarks)
    return FaceTrack(
        statuses=("scored",) * count,
        embeddings_FD=np.ones((count, 2), np.float32) / np.sqrt(2.0),
        landmarks_px=landmarks.astype(np.float32),
        boxes_xyxy_px=np.full((count, 4), np.nan) if boxes is None else boxes,
        yaw_deg=np.zeros(count, np.float32),
        num_faces=np.ones(count, int),
    )


def turned(degrees: float, scale: float, shift: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return FACE @ rotation.T * scale + shift


def test_moving_turning_and_growing_the_whole_face_is_not_face_motion():
    frames = np.stack([turned(0, 1, 0), turned(12, 1.3, 9), turned(-20, 0.8, -4)])

    assert motion.landmark_path(track(frames)) == pytest.approx(0.0, abs=1e-5)


def test_a_nose_that_moves_against_the_eyes_is():
    frames = np.stack([FACE, FACE, FACE])
    frames[1, 2, 0] += 4.0

    assert motion.landmark_path(track(frames)) > 0.02


def test_the_path_needs_two_neighbouring_faces():
    frames = np.stack([FACE, np.full((5, 2), np.nan), FACE])

    assert motion.landmark_path(track(frames)) is None


def test_frame_change():
    still = Clip(frames=np.full((3, 8, 8, 3), 90, np.uint8), fps=8.0)
    blinking = Clip(
        frames=np.stack([np.zeros((8, 8, 3)), np.full((8, 8, 3), 255)]).astype(np.uint8), fps=8
    )

    assert motion.frame_change(still) == 0.0
    assert motion.frame_change(blinking) == 1.0
    assert motion.frame_change(Clip(frames=still.frames[:1], fps=8.0)) is None


def test_ratios_use_only_pairs_where_both_are_known():
    assert motion.ratio_of_sums([1.0, None, 4.0], [2.0, 9.0, None]) == 0.5
    assert motion.ratio_of_sums([1.0], [0.0]) is None
    assert motion.weaker(0.9, None, 0.4) == 0.4
    assert motion.weaker(None) is None


def test_a_change_on_the_face_is_not_a_change_off_it():
    base = Clip(frames=np.full((2, 64, 64, 3), 100, np.uint8), fps=8.0)
    boxes = np.tile(np.array([20, 20, 40, 40], np.float32), (2, 1))
    faces = track(np.stack([FACE, FACE]), boxes)
    changed = base.frames.copy()
    changed[:, 22:38, 22:38] = 220

    off, on = motion.changed_off_face(Clip(frames=changed, fps=8.0), faces, base, faces)

    assert off == 0.0
    assert on > 0.1


def test_locality_needs_clips_of_one_shape_and_a_face():
    base = Clip(frames=np.zeros((2, 16, 16, 3), np.uint8), fps=8.0)
    faces = track(np.stack([FACE, FACE]))

    assert motion.changed_off_face(base, faces, base, faces) is None
    with pytest.raises(ValueError, match="compared with a base clip of shape"):
        motion.changed_off_face(Clip(frames=base.frames[:1], fps=8.0), faces, base, faces)
