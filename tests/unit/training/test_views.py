import dataclasses

import numpy as np
import pytest

from facekit.faces.parse import face_mask
from facekit.training.views import cut_views
from facekit.types import Face
from tests.tiny.training import TinyFaces, face_in, make_photo

SIZES = {"1:1": (32, 32), "16:9": (32, 64), "9:16": (64, 32)}


@pytest.mark.parametrize(
    ("shape", "size"), [((48, 48), (32, 32)), ((48, 96), (32, 64)), ((96, 48), (64, 32))]
)
def test_a_photo_is_cut_to_the_nearest_aspect(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    view = cut_views([make_photo(0, TinyFaces(), shape)], SIZES)[0]
    assert view.pixels.shape == (*size, 3)
    assert view.mask.shape == size


def test_the_face_moves_with_the_pixels() -> None:
    photo = make_photo(0, TinyFaces(), (48, 48))
    view = cut_views([photo], SIZES)[0]
    expected = face_in(view.pixels)
    np.testing.assert_allclose(view.face.box_xyxy_px, expected.box_xyxy_px, atol=1e-4)
    # Landmarks count pixel centres: half a pixel is another half pixel at another size.
    assert np.abs(view.face.landmarks_px - expected.landmarks_px).max() < 0.5
    assert view.mask[16, 16] == pytest.approx(1.0)
    assert view.mask[0, 0] == pytest.approx(0.0)


def test_a_small_face_in_a_large_photo_gives_a_closer_view_too() -> None:
    photo = make_photo(0, TinyFaces(), (192, 192))
    far = Face(
        box_xyxy_px=np.array([20, 20, 60, 60], np.float32),
        landmarks_px=photo.face.landmarks_px * 0.4,
        score=0.9,
    )
    views = cut_views([dataclasses.replace(photo, face=far)], SIZES)
    assert [view.photo for view in views] == [0, 0]
    assert views[0].face_to_short_side == pytest.approx(40 / 192, rel=0.05)
    assert views[1].face_to_short_side == pytest.approx(0.55, rel=0.1)


def test_a_photo_as_small_as_the_backbone_is_not_blown_up() -> None:
    assert len(cut_views([make_photo(0, TinyFaces(), (36, 36))], SIZES)) == 1


@pytest.mark.parametrize("shape", [(48, 48), (48, 96), (32, 32)])
def test_without_a_mask_of_its_own_a_photo_has_the_ellipse_at_the_size_of_the_view(
    shape: tuple[int, int],
) -> None:
    (view,) = cut_views([make_photo(0, TinyFaces(), (shape[0] // 6 * 6, shape[1] // 6 * 6))], SIZES)
    assert view.mask.tobytes() == face_mask(view.pixels, view.face).tobytes()


@pytest.mark.parametrize("side", [32, 96, 192])
def test_a_mask_moves_with_the_pixels(side: int) -> None:
    """A mask that is the picture's red is the view's red, but for rounding."""
    photo = make_photo(0, TinyFaces(), (side // 6 * 6, 2 * (side // 6 * 6)))
    red = np.ascontiguousarray(photo.image[..., 0])
    for view in cut_views([dataclasses.replace(photo, mask=red)], SIZES):
        assert (view.mask.dtype, view.mask.shape) == (np.float32, view.pixels.shape[:2])
        assert 0.0 <= view.mask.min() < view.mask.max() <= 1.0
        np.testing.assert_allclose(view.mask * 255.0, view.pixels[..., 0], atol=0.51)
