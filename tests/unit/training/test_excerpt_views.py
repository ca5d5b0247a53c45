from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facekit.errors import MediaError
from facekit.identity.excerpt import Excerpt
from facekit.media.frames import frame_times
from facekit.media.video import write_clip
from facekit.training.excerpt_views import frames_of_latent, view_of
from facekit.types import Clip
from tests.tiny.faces import draw_photo
from tests.tiny.training import face_in

SIZES = {"1:1": (32, 32), "16:9": (32, 64), "9:16": (64, 32)}


@pytest.fixture
def excerpt(tmp_path: Path) -> Excerpt:
    """Five frames, 96 x 192 px, that get brighter; the face moves from left to right."""
    drawn = [np.full((96, 192, 3), 40 * (1 + index), np.uint8) for index in range(5)]
    path = tmp_path / "a.mp4"
    write_clip(path, Clip(frames=np.stack(drawn), fps=8.0))
    face = face_in(draw_photo(size=(96, 96)))
    return Excerpt(
        source="a.mp4@00:00.000",
        file=path,
        content="c" * 64,
        times_ms=frame_times(path),
        size_px=(96, 192),
        faces=tuple(None if index == 1 else face.moved(20.0 * index, 0.0) for index in range(5)),
        photo=0,
    )


def test_all_frames_are_cut_by_one_window_around_where_the_face_is(excerpt: Excerpt) -> None:
    view = view_of(excerpt, {"1:1": SIZES["1:1"]})
    assert view.size == (32, 32)
    left, top, right, bottom = view.window
    assert (top, bottom, right - left) == (0, 96, 96)
    # Frames 0, 2, 3 and 4 have it: the mean of its middles.
    assert (left + right) / 2 == pytest.approx(48 + 20 * (0 + 2 + 3 + 4) / 4)
    moved = [face.box_xyxy_px[0] for face in view.faces if face is not None]
    np.testing.assert_allclose(np.diff(moved), np.array([40, 20, 20]) / 3, rtol=1e-5)
    assert view.faces[1] is None


@pytest.mark.parametrize(("size_px", "aspect"), [((96, 192), "16:9"), ((192, 96), "9:16")])
def test_the_nearest_aspect_of_the_backbone_is_taken(
    excerpt: Excerpt, size_px: tuple[int, int], aspect: str
) -> None:
    assert view_of(replace(excerpt, size_px=size_px), SIZES).size == SIZES[aspect]


def test_frames_are_decoded_in_order_and_a_repeated_one_comes_twice(excerpt: Excerpt) -> None:
    times = excerpt.times_ms
    view = view_of(replace(excerpt, times_ms=(*times[:2], times[1], *times[2:4])), SIZES)
    pixels = view.read()
    assert pixels.shape == (5, 32, 64, 3)
    np.testing.assert_allclose(pixels.mean((1, 2, 3)), [40, 80, 80, 120, 160], atol=4)


def test_what_decides_the_pixels_decides_the_content_and_nothing_else(excerpt: Excerpt) -> None:
    contents = {
        view_of(excerpt, SIZES).content,
        view_of(excerpt, {"1:1": SIZES["1:1"]}).content,
        view_of(replace(excerpt, content="d" * 64), SIZES).content,
        view_of(replace(excerpt, times_ms=excerpt.times_ms[::-1]), SIZES).content,
    }
    assert len(contents) == 4
    moved = replace(excerpt, file=Path("elsewhere.mp4"), sidecar="a caption", source="b.mp4")
    assert view_of(moved, SIZES).content == view_of(excerpt, SIZES).content


def test_a_frame_without_a_face_has_an_empty_mask(excerpt: Excerpt) -> None:
    masks = view_of(excerpt, SIZES).ellipses()
    assert masks.shape == (5, 32, 64)
    assert [bool(mask.any()) for mask in masks] == [True, False, True, True, True]
    assert masks[0].max() == 255


def test_a_clip_that_is_gone_is_told(excerpt: Excerpt) -> None:
    excerpt.file.unlink()
    with pytest.raises(MediaError, match=r"a\.mp4: no such file"):
        view_of(excerpt, SIZES).read()


@pytest.mark.parametrize(
    ("num_frames", "num_latents", "spans"),
    [
        (9, 3, [[0], [1, 2, 3, 4], [5, 6, 7, 8]]),
        (5, 3, [[0], [1, 2], [3, 4]]),
        (3, 3, [[0], [1], [2]]),
        (1, 1, [[0]]),
        (17, 3, [[0], [*range(1, 9)], [*range(9, 17)]]),
    ],
)
def test_every_frame_belongs_to_one_latent_frame(
    num_frames: int, num_latents: int, spans: list[list[int]]
) -> None:
    found = [[*frames_of_latent(index, num_frames, num_latents)] for index in range(num_latents)]
    assert found == spans
