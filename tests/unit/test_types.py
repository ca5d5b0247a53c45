import numpy as np
import pytest

from facekit.types import Clip, Face, FaceCrop, IdentityEmbedding, NoProgress, Progress


def make_face() -> Face:
    return Face(
        box_xyxy_px=np.array([1, 2, 11, 22], np.float32),
        landmarks_px=np.zeros((5, 2), np.float32),
        score=0.9,
    )


def test_face_knows_its_size() -> None:
    face = make_face()
    assert (face.width_px, face.height_px) == (10, 20)


def test_a_face_moves_with_its_landmarks() -> None:
    face = make_face()
    moved = face.moved(-3.0, 5.0)
    np.testing.assert_allclose(moved.box_xyxy_px - face.box_xyxy_px, [-3, 5, -3, 5])
    np.testing.assert_allclose(moved.landmarks_px - face.landmarks_px, [[-3, 5]] * 5)
    assert (moved.score, moved.box_xyxy_px.dtype) == (face.score, np.float32)


def test_face_refuses_landmarks_the_wrong_way_round() -> None:
    with pytest.raises(ValueError, match=r"landmarks_px has shape \(2, 5\), expected \(5, 2\)"):
        Face(
            box_xyxy_px=np.zeros(4, np.float32), landmarks_px=np.zeros((2, 5), np.float32), score=1
        )


def test_nouns_are_closed_and_frozen() -> None:
    face = make_face()
    with pytest.raises(AttributeError):
        face.score = 0.1  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        face.age = 30  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 5, 3), np.uint8),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
)
def test_crop_refuses_what_is_not_a_square_rgb_picture(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected \(size, size, 3\) uint8"):
        FaceCrop(pixels=pixels, face=make_face(), source="x")


def test_embedding_refuses_a_vector_that_is_not_unit() -> None:
    with pytest.raises(ValueError, match=r"norm 2\.0000, expected 1"):
        IdentityEmbedding(vector=np.array([2, 0], np.float32), encoder="toon-a@0")
    with pytest.raises(ValueError, match=r"expected \(dim,\)"):
        IdentityEmbedding(vector=np.ones((1, 1), np.float32), encoder="toon-a@0")


def test_clip_knows_its_length() -> None:
    clip = Clip(frames=np.zeros((9, 2, 2, 3), np.uint8), fps=8)
    assert clip.num_frames == 9


@pytest.mark.parametrize("fps", [0.0, -1.0])
def test_clip_refuses_no_speed(fps: float) -> None:
    with pytest.raises(ValueError, match="fps"):
        Clip(frames=np.zeros((1, 2, 2, 3), np.uint8), fps=fps)


def test_clip_refuses_no_frames() -> None:
    with pytest.raises(ValueError, match="frames has"):
        Clip(frames=np.zeros((0, 2, 2, 3), np.uint8), fps=8)


def test_no_progress_is_a_progress() -> None:
    progress = NoProgress()
    assert isinstance(progress, Progress)
    progress.start(3, "x")
    progress.advance()
    progress.finish()
