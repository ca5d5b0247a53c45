import numpy as np

from facekit.media.changed import continue_borders, cut_part, stretch_contrast


def test_dark_values_are_spread():
    dark = np.tile(np.arange(10, 20, dtype=np.uint8)[:, None, None], (4, 8, 3))
    spread = stretch_contrast(dark)
    assert spread.min() == 0
    assert spread.max() == 255


def test_borders_go_on_and_the_picture_stays():
    image = np.random.default_rng(0).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    wide = continue_borders(image, 2)
    assert wide.shape == (9, 11, 3)
    assert np.array_equal(wide[2:7, 2:9], image)
    assert np.array_equal(wide[0, 2:9], image[0])


def test_a_part_is_brought_to_its_size():
    image = np.zeros((8, 8, 3), np.uint8)
    image[4:, 4:] = 200
    assert (cut_part(image, (4, 4, 8, 8), (16, 12)) == 200).all()
    assert cut_part(image, (4, 4, 8, 8), (16, 12)).shape == (12, 16, 3)
    assert cut_part(image, (0, 0, 8, 8), (2, 2))[1, 1].tolist() == [200, 200, 200]
