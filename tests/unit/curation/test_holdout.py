import numpy as np
import pytest

from facekit.curation.holdout import LEAST_TRAINED, choose_holdout


def test_the_photo_that_differs_most_is_held_out():
    likeness = np.full((5, 5), 0.9, np.float32)
    likeness[2] = likeness[:, 2] = 0.5
    assert choose_holdout(likeness, [0] * 5, 1) == (2,)


def test_two_nearly_equal_pictures_are_not_on_both_sides():
    likeness = np.full((6, 6), 0.8, np.float32)
    hashes = [0, 2**30 - 1, 0b11, (2**30 - 1) << 30, 0b1100 << 58, 2**63]
    held = choose_holdout(likeness, hashes, 2)
    assert (0 in held) == (2 in held)


@pytest.mark.parametrize(("count", "wanted", "expected"), [(4, 2, 1), (3, 2, 0), (8, 2, 2)])
def test_enough_photos_remain(count: int, wanted: int, expected: int):
    held = choose_holdout(np.ones((count, count), np.float32), [0] * count, wanted)
    assert len(held) == expected
    assert count - len(held) >= LEAST_TRAINED


def test_many_photos_are_chosen_greedily():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 8))
    vectors[[7, 21, 40, 55]] *= -1
    likeness = (vectors @ vectors.T).astype(np.float32)
    held = choose_holdout(likeness, [0] * 60, 5)
    assert len(set(held)) == 5
    assert held == tuple(sorted(held))
