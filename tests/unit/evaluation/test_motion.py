import numpy as np
import pytest

from facekit.errors import MediaError
from facekit.evaluation import motion
from facekit.evaluation.scores import Take
from facekit.evaluation.tracks import FaceTrack
from facekit.types import Clip, Shot

FACE = np.array([[30, 40], [50, 40], [40, 50], [33, 60], [47, 60]], dtype=np.float32)


def track(landmarks: np.ndarray, boxes: np.ndarray | None = None) -> FaceTrack:
    count = len(landmarks)
    return FaceTrack(
        statuses=("scored",) * count,
        embeddings_FD=np.ones((count, 2), np.float32) / np.sqrt(2.0),
        landmarks_px=landmarks.astype(np.float32),
        boxes_xyxy_px=np.full((count, 4), np.nan) if boxes is None else boxes,
        yaw_deg=np.zeros(count, np.float32),
    )


def take(clip: Clip, faces: FaceTrack, name: str = "kitchen") -> Take:
    count, height, width, _ = clip.frames.shape
    shot = Shot(
        name=name, prompt="", seed=0, num_frames=count, height=height, width=width, kind="close-up"
    )
    return Take(shot=shot, clip=clip, track=faces)


def turned(degrees: float, scale: float, shift: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return FACE @ rotation.T * scale + shift


def test_moving_turning_and_growing_the_whole_face_is_not_face_motion():
    frames = np.stack([turned(0, 1, 0), turned(12, 1.3, 9), turned(-20, 0.8, -4), turned(5, 2, 0)])

    assert motion.landmark_path(track(frames)) == pytest.approx(0.0, abs=1e-5)
    assert motion.jitter(track(frames)) == pytest.approx(0.0, abs=1e-5)


def test_a_nose_that_moves_against_the_eyes_is():
    frames = np.stack([FACE, FACE, FACE, FACE])
    frames[3, 2, 0] += 4.0

    assert motion.landmark_path(track(frames)) > 0.01


def nose_at(*offsets_px: float) -> FaceTrack:
    frames = np.stack([FACE] * len(offsets_px))
    frames[:, 2, 0] += np.array(offsets_px, np.float32)
    return track(frames)


def test_flicker_is_jitter_and_hardly_motion():
    """A nose that trembles where it is counted as much as one that goes somewhere."""
    moving = nose_at(*np.arange(9) / 2)
    trembling = nose_at(*[0.0, 0.5] * 4, 0.0)

    assert motion.landmark_path(moving) > 2.5 * motion.landmark_path(trembling)
    assert motion.jitter(trembling) > 20 * motion.jitter(moving)


def test_the_path_is_what_a_mean_over_three_frames_leaves():
    offsets = np.random.default_rng(1).normal(0.0, 0.02, 12)
    smooth = np.convolve(offsets, np.ones(3) / 3, mode="valid")
    path = motion.landmark_path(nose_at(*offsets))
    steps = np.abs(np.diff(smooth)).mean() / np.abs(np.diff(offsets)).mean()
    raw = np.mean([motion.landmark_path(nose_at(0, 0, 0, 3 * s)) for s in np.abs(np.diff(offsets))])

    assert path == pytest.approx(steps * raw, rel=0.02)


def test_the_path_needs_two_faces_three_frames_apart_and_jitter_three_in_a_row():
    gap = np.full((5, 2), np.nan)

    assert motion.landmark_path(track(np.stack([FACE, FACE, FACE]))) is None
    assert motion.landmark_path(track(np.stack([FACE, gap, gap, FACE]))) == pytest.approx(0.0)
    assert motion.jitter(track(np.stack([FACE, FACE, gap, FACE]))) is None
    assert motion.jitter(track(np.stack([gap, FACE, FACE, FACE]))) == pytest.approx(0.0)
    assert motion.landmark_path(track(np.stack([gap] * 4))) is None


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

    off, on = motion.changed_off_face(take(Clip(frames=changed, fps=8.0), faces), take(base, faces))

    assert off == 0.0
    assert on > 0.1


def test_locality_needs_clips_of_one_shape_and_a_face():
    base = Clip(frames=np.zeros((2, 16, 16, 3), np.uint8), fps=8.0)
    faces = track(np.stack([FACE, FACE]))

    assert motion.changed_off_face(take(base, faces), take(base, faces)) is None
    short = take(Clip(frames=base.frames[:1], fps=8.0), faces, "day 2/kitchen")
    with pytest.raises(
        MediaError,
        match=r"day 2/kitchen: 1 frames of 16x16, but its base clip base/kitchen\.mp4 has 2 frames"
        r" of 16x16, expected the same; shoot the base again",
    ):
        motion.changed_off_face(short, take(base, faces, "base/kitchen.mp4"))
