import cv2
import numpy as np
import pytest

from facekit.curation.duplicates import find_duplicates, hash_distance, picture_hash
from tests.tiny.faces import draw_photo


def test_a_hash_survives_scaling_recompression_and_light():
    image = draw_photo(seed=3)
    known = picture_hash(image)
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 50])
    for changed in (
        cv2.resize(image, (61, 61), interpolation=cv2.INTER_AREA),
        cv2.resize(image, (300, 300), interpolation=cv2.INTER_LINEAR),
        cv2.imdecode(encoded, cv2.IMREAD_COLOR),
        (image * 0.7).astype(np.uint8),
    ):
        assert hash_distance(known, picture_hash(changed)) <= 4


@pytest.mark.parametrize("seed", range(8))
def test_other_pictures_have_other_hashes(seed: int):
    first, second = (picture_hash(draw_photo(seed=s)) for s in (seed, seed + 100))
    assert hash_distance(first, second) > 8


def test_odd_sizes_are_hashed():
    for shape in ((1, 1, 3), (5, 700, 3), (33, 31, 3)):
        assert 0 <= picture_hash(np.zeros(shape, np.uint8)) < 2**64


def test_the_copy_with_the_greatest_weight_stays():
    same = np.ones((4, 4), np.float32)
    repeated = find_duplicates([0b0, 0b1, 0b111111, 0b0], same, [0.5, 0.9, 0.1, 0.9], 2)
    assert repeated == {0: (1, 1), 3: (1, 1)}


def test_the_same_background_with_another_face_is_no_copy():
    unlike = np.array([[1.0, 0.5], [0.5, 1.0]], np.float32)
    assert find_duplicates([0, 0], unlike, [1.0, 1.0], 4) == {}


@pytest.mark.parametrize("seed", range(6))
def test_a_mirrored_copy_is_a_copy(seed: int):
    """It was trained on beside its original, or held out to judge it."""
    image = draw_photo(seed=seed)
    known, other = picture_hash(image), picture_hash(draw_photo(seed=seed + 100))
    flipped = picture_hash(np.ascontiguousarray(image[:, ::-1]))
    alike = np.array([[1.0, 0.85], [0.85, 1.0]], np.float32)
    assert find_duplicates([known, flipped], alike, [1.0, 0.5], 4) == {1: (0, 0)}
    assert find_duplicates([known, other], alike, [1.0, 0.5], 4) == {}
    somebody = np.array([[1.0, 0.5], [0.5, 1.0]], np.float32)
    assert find_duplicates([known, flipped], somebody, [1.0, 0.5], 4) == {}
