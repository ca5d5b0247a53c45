"""`align` against the published formula, and `align_tensor` against `align`."""

import cv2
import numpy as np
import pytest
import torch

from facekit.faces.align import (
    ARCFACE_TEMPLATE_PX,
    align,
    align_tensor,
    similarity_transform,
    template,
)
from facekit.types import Face


def umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Umeyama 1991, equations 34 to 43, as scikit-image 0.25 `_geometric._umeyama` writes it."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    source, target = source - source_mean, target - target_mean
    covariance = target.T @ source / len(source)
    signs = np.ones(2)
    if np.linalg.det(covariance) < 0:
        signs[1] = -1
    u, s, vt = np.linalg.svd(covariance)
    turn = u @ np.diag(signs) @ vt
    scale = (s @ signs) / source.var(0).sum()
    return np.hstack([scale * turn, (target_mean - scale * turn @ source_mean)[:, None]])


@pytest.fixture
def picture() -> np.ndarray:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (120, 200, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2.0)


def face_at(marks: np.ndarray) -> Face:
    low, high = marks.min(0), marks.max(0)
    return Face(
        box_xyxy_px=np.concatenate([low, high]).astype(np.float32),
        landmarks_px=marks.astype(np.float32),
        score=1.0,
    )


def landmarks(seed: int, size: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-1.0, 1.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    marks = (template(112) / 112 - 0.5) @ turn.T * size + rng.uniform(60, 90, 2)
    return marks + rng.normal(0, size * 0.02, (5, 2))


def test_the_template_is_the_published_one():
    published = [38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366, 41.5493, 92.3655]
    np.testing.assert_allclose(ARCFACE_TEMPLATE_PX.ravel()[:8], published, rtol=1e-7)
    np.testing.assert_allclose(template(224), 2 * ARCFACE_TEMPLATE_PX, rtol=1e-6)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_the_transform_is_umeyamas(seed: int, margin: float):
    marks = landmarks(seed, 50.0)
    expected = umeyama(marks, template(64, margin).astype(np.float64))
    np.testing.assert_allclose(similarity_transform(marks, 64, margin), expected, atol=2e-5)


@pytest.mark.parametrize("seed", range(5))
def test_a_crop_without_margin_is_insightfaces(picture: np.ndarray, seed: int):
    marks = landmarks(seed, 70.0)
    matrix = umeyama(marks, ARCFACE_TEMPLATE_PX.astype(np.float64))
    expected = cv2.warpAffine(picture, matrix, (112, 112), borderValue=0.0)
    ours = align(picture, face_at(marks), size_px=112).pixels
    assert np.abs(ours.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("size_px", [112, 64, 20])
@pytest.mark.parametrize("seed", range(3))
def test_the_tensor_crop_is_the_same_crop(picture: np.ndarray, size_px: int, seed: int):
    marks = landmarks(seed, 60.0)
    expected = align(picture, face_at(marks), size_px=size_px, margin=0.25).pixels
    transform = torch.from_numpy(similarity_transform(marks, size_px, 0.25))[None]
    frames = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    crop = (align_tensor(frames, transform, size_px)[0].permute(1, 2, 0).numpy() + 1.0) * 127.5
    difference = np.abs(crop - expected)
    assert difference.mean() < 0.6
    assert difference.max() < 4.0


def test_pictures_of_one_batch_may_need_different_smoothing(picture: np.ndarray):
    frames = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    both = torch.stack(
        [torch.from_numpy(similarity_transform(landmarks(s, z), 20)) for s, z in ((0, 20), (1, 90))]
    )
    together = align_tensor(frames.expand(2, -1, -1, -1), both, 20)
    alone = torch.cat([align_tensor(frames, one[None], 20) for one in both])
    torch.testing.assert_close(together, alone)


def test_gradients_reach_the_pixels_under_the_crop_only(picture: np.ndarray):
    frames = torch.zeros(1, 3, 120, 200, requires_grad=True)
    marks = template(40) + np.array([20.0, 20.0])
    transform = torch.from_numpy(similarity_transform(marks, 32))[None]
    align_tensor(frames, transform, 32).sum().backward()
    assert frames.grad is not None
    assert frames.grad[0, :, 25:55, 25:55].abs().min() > 0
    assert frames.grad[0, :, :, 100:].abs().max() == 0
