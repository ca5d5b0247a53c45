import cv2
import numpy as np
import pytest

from benchmarks.planted import CLEAN, TUNING_SEED, plant
from facekit.media.images import read_image
from facekit.media.traits import DRAWN_FLATNESS, measure_picture
from tests.tiny.local_weights import local_photo

DRAWN = [plant(CLEAN, TUNING_SEED + index) for index in range(6)]


def test_drawn_pictures_are_flat_also_as_jpeg():
    for image in DRAWN:
        _, packed = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])
        again = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1], np.uint8)
        assert measure_picture(image).flatness > 0.7
        assert measure_picture(again).flatness >= DRAWN_FLATNESS


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
