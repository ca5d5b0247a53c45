import cv2
import numpy as np
import pytest

from benchmarks.planted import CLEAN, TUNING_SEED, plant
from facekit.media.images import read_image
from facekit.media.traits import DRAWN_FLATNESS, measure_picture
from tests.tiny.local_weights import local_photo

DRAWN = [plant(CLEAN, TUNING_SEED + index) for index in range(6)]


def test_drawn_pictures_are_flat_also_as_jpeg():
    packed = []
    for image in DRAWN:
        _, content = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])
        again = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1], np.uint8)
        assert measure_picture(image).flatness > 0.6
        packed.append(measure_picture(again).flatness)
    assert np.median(packed) >= DRAWN_FLATNESS + 0.03


@pytest.mark.parametrize("name", ["p01/image_0001.jpg", "p02/image_0022.jpg", "p05/image_0069.jpg"])
def test_photographs_are_not_flat(name: str):
    assert measure_picture(read_image(local_photo(name))).flatness < DRAWN_FLATNESS - 0.1


def test_noise_is_not_flat_and_what_is_burnt_out_does_not_count():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert measure_picture(noise).flatness < 0.05
    assert measure_picture(np.full((64, 64, 3), 255, np.uint8)).flatness == 0.0


@pytest.mark.parametrize(("top", "side", "share"), [(24, 0, 0.2), (0, 24, 0.2), (24, 24, 0.36)])
def test_bars_are_measured(top: int, side: int, share: float):
    for image in DRAWN:
        framed = cv2.copyMakeBorder(
            image, top, top, side, side, cv2.BORDER_CONSTANT, value=[12, 12, 12]
        )
        assert measure_picture(np.asarray(framed)).border == pytest.approx(share, abs=0.02)
        assert measure_picture(image).border == 0.0


def test_a_coloured_floor_alone_is_no_bar_and_a_black_one_is():
    room = np.random.default_rng(1).integers(90, 160, (64, 64, 3), dtype=np.uint8)
    room[50:] = (160, 90, 40)
    assert measure_picture(room).border == 0.0
    room[50:] = 0
    assert measure_picture(room).border == pytest.approx(14 / 64, abs=0.01)


def test_few_values_are_posterised():
    for image in DRAWN:
        few = (np.round(image / 63.75) * 63.75).astype(np.uint8)
        assert measure_picture(few).posterised > 0.95
        assert measure_picture(image).posterised < 0.6


@pytest.mark.parametrize("shade", [60, 190])
def test_a_smooth_backdrop_makes_no_drawing(shade: int):
    image = np.full((192, 256, 3), shade, np.uint8)
    texture = np.random.default_rng(0).integers(40, 220, (112, 96, 3), dtype=np.uint8)
    image[40:152, 80:176] = texture
    assert measure_picture(image).flatness < DRAWN_FLATNESS - 0.1


@pytest.mark.parametrize("name", ["p01/image_0006.jpg", "p02/image_0026.jpg", "p05/image_0070.jpg"])
def test_a_photograph_with_a_blurred_background_is_none(name: str):
    image = read_image(local_photo(name))
    height, width = image.shape[:2]
    sharp = np.zeros((height, width, 1), np.float32)
    sharp[height // 6 : 5 * height // 6, width // 4 : 3 * width // 4] = 1.0
    blurred = cv2.GaussianBlur(image, (0, 0), 12)
    portrait = (image * sharp + blurred * (1.0 - sharp)).astype(np.uint8)
    assert measure_picture(portrait).flatness < DRAWN_FLATNESS - 0.1


@pytest.mark.parametrize("shape", [(1, 1), (3, 20_000), (20_000, 3), (17, 5)])
def test_strips_and_dots_are_measured(shape: tuple[int, int]):
    assert measure_picture(np.full((*shape, 3), 99, np.uint8)).flatness == 0.0
